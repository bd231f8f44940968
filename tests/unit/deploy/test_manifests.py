"""What the files under deploy/ say about the code, the images and each other, as far as it can be read."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.app import create_app
from api.settings import ApiSettings
from retrieval.settings import SearchSettings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
COMPOSE = ROOT / "docker-compose.yml"
OURS = ("api", "ingest")
FOR_THE_JOBS_OWN_SCRIPT = {"STORE_SNAPSHOT"}
Node = dict[str, Any]


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text()))


def mappings(node: object) -> Iterator[Node]:
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from mappings(child)


def containers() -> list[tuple[str, Node]]:
    return [
        (str(path.relative_to(ROOT)), container)
        for path in MANIFESTS
        for mapping in mappings(documents(path))
        for container in mapping.get("containers", ())
    ]


def our_containers() -> list[tuple[str, Node]]:
    return [(where, each) for where, each in containers() if each["name"] in OURS]


def values() -> Node:
    (only,) = documents(DEPLOY / "kubernetes/qdrant-values.yaml")
    return only


def kustomization() -> Node:
    (only,) = documents(DEPLOY / "kubernetes/kustomization.yaml")
    return only


def shared_settings() -> dict[str, str]:
    (generated,) = kustomization()["configMapGenerator"]
    return dict(literal.split("=", 1) for literal in generated["literals"])


def qdrant_tags() -> dict[str, str]:
    found = {
        f"{where} {container['name']}": container["image"].split(":")[1]
        for where, container in containers()
        if container["image"].startswith("qdrant/qdrant:")
    }
    image = values()["image"]
    found["the chart's values"] = image["tag"] + ("-unprivileged" if image["useUnprivilegedImage"] else "")
    compose = COMPOSE.read_text() if COMPOSE.exists() else ""
    found |= {
        f"{COMPOSE.name} {at}": tag for at, tag in enumerate(re.findall(r"qdrant/qdrant:(\S+)", compose))
    }
    return found


class RecordingEnvironment(dict[str, str]):
    """An environment that remembers which variables it was asked for."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)


def settings_read() -> set[str]:
    environment = RecordingEnvironment(QDRANT_URL="http://qdrant:6333")
    ApiSettings.from_environment(environment)
    return environment.asked


def test_finds_the_containers() -> None:
    assert {(where, each["name"]) for where, each in containers()} >= {
        ("deploy/cloudrun.yaml", "api"),
        ("deploy/cloudrun.yaml", "qdrant"),
        ("deploy/cloudrun-ingest-job.yaml", "ingest"),
        ("deploy/cloudrun-ingest-job.yaml", "qdrant"),
        ("deploy/kubernetes/api.yaml", "api"),
        ("deploy/kubernetes/ingest.yaml", "ingest"),
    }


def test_names_one_version_of_qdrant_everywhere() -> None:
    tags = qdrant_tags()
    assert len(set(tags.values())) == 1, tags
    assert len(tags) >= 3


def test_the_client_has_the_servers_minor_version() -> None:
    server = re.fullmatch(r"v(\d+\.\d+)\.\d+-unprivileged", next(iter(qdrant_tags().values())))
    client = re.search(
        r"^qdrant-client==(\d+\.\d+)\.", (ROOT / "requirements/api.lock").read_text(), re.MULTILINE
    )
    assert server
    assert client
    assert client[1] == server[1]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_routes_that_the_app_has(probe: str) -> None:
    routes = {route.path for route in create_app(ApiSettings(search=SearchSettings())).routes}
    asked = {where: each[probe]["httpGet"]["path"] for where, each in our_containers() if probe in each}
    assert asked
    assert set(asked.values()) <= routes
    assert set(asked.values()) == {"/livez" if probe == "livenessProbe" else "/readyz"}


def test_probes_ask_the_port_that_the_app_listens_on() -> None:
    port = ApiSettings(search=SearchSettings()).port
    apis = [each for _, each in containers() if each["name"] == "api"]
    assert {each["ports"][0]["containerPort"] for each in apis} == {port}
    assert {each["startupProbe"]["httpGet"]["port"] for each in apis} <= {port, "http"}


def test_every_api_in_a_container_says_that_it_is_open() -> None:
    # It listens on every address there, and would not start.
    commands = [each["args"] for _, each in containers() if each["name"] == "api"]
    commands.append(yaml.safe_load(COMPOSE.read_text())["services"]["api"]["command"])
    assert commands == [["python", "-m", "api", "--open"]] * 3


def test_sets_only_variables_that_are_read() -> None:
    for where, container in our_containers():
        named = {each["name"] for each in container.get("env", ())} - FOR_THE_JOBS_OWN_SCRIPT
        assert named
        assert named <= settings_read(), where
    assert set(shared_settings()) <= settings_read()


def test_sets_values_that_can_be_used() -> None:
    qdrant = SearchSettings.from_environment(shared_settings()).qdrant
    assert qdrant
    assert qdrant.replicas <= values()["replicaCount"]
    for _, container in our_containers():
        plain = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        SearchSettings.from_environment(plain)


def test_takes_the_key_from_one_secret_everywhere() -> None:
    (example,) = documents(DEPLOY / "kubernetes/secret.example.yaml")
    references = [
        each["secretKeyRef"]
        for path in MANIFESTS
        for each in mappings(documents(path))
        if "secretKeyRef" in each
    ]
    assert len(references) >= 3
    for reference in references:
        assert reference["name"] == example["metadata"]["name"]
        assert reference["key"] in example["stringData"]


def test_everything_it_lists_is_there() -> None:
    for resource in kustomization()["resources"]:
        assert (DEPLOY / "kubernetes" / resource).is_file()


def test_groups_and_owners_are_the_images() -> None:
    dockerfile = ROOT / "Dockerfile"
    if not dockerfile.exists():
        pytest.skip("There is no Dockerfile to compare with.")
    users = set(re.findall(r"^USER (\d+):\d+$", dockerfile.read_text(), re.MULTILINE))
    given = {
        str(each["fsGroup"]) for path in MANIFESTS for each in mappings(documents(path)) if "fsGroup" in each
    }
    mounts = re.findall(r"[ug]id=(\d+)", (DEPLOY / "cloudrun-ingest-job.yaml").read_text())
    assert given | set(mounts) == users


def test_a_release_fills_in_every_word_and_stops_at_the_first_failure(tmp_path: Path) -> None:
    # A gcloud that keeps the files it is given, and tells the name of an execution.
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >>{tmp_path}/calls\n'
        f'for each; do [ ! -f "$each" ] || cp "$each" {tmp_path}; done\n'
        'case "$*" in *execute*) echo run-1; exit "${EXECUTE:-0}";; esac\n'
    )
    gcloud.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PROJECT": "p", "REGION": "r", "TAG": "t"}

    subprocess.run([DEPLOY / "release.sh"], env=environment | {"EXECUTE": "1"}, check=False)
    assert not (tmp_path / "cloudrun.yaml").exists()

    subprocess.run([DEPLOY / "release.sh"], env=environment, check=True)
    for name in ("cloudrun-ingest-job.yaml", "cloudrun.yaml"):
        filled = (tmp_path / name).read_text()
        assert not re.search(r"\b(PROJECT|REGION|TAG|SNAPSHOT_NAME)\b", filled), name
        assert "r-docker.pkg.dev/p/vidsearch/" in filled
    assert "value: run-1.snapshot" in (tmp_path / "cloudrun.yaml").read_text()
