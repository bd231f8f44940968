"""The files under deploy/ agree with the code, the images and each other."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import api.settings
import ingest.settings
from api.settings import ApiSettings
from retrieval.settings import SearchSettings
from tests.unit.api.guarded import APP

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(DEPLOY.rglob("*.yaml"))
COMPOSE = ROOT / "docker-compose.yml"
OURS = ("api", "ingest")
NOT_SETTINGS = {"STORE_SNAPSHOT"}
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


def settings_of(container: str) -> set[str]:
    """The declared settings that this container uses."""
    settings = ingest.settings.SETTINGS if container == "ingest" else api.settings.SETTINGS
    return {setting.name for setting in settings if setting.used_by in (container, "both")}


def test_all_files_use_the_same_version_of_qdrant() -> None:
    tags = qdrant_tags()
    assert len(set(tags.values())) == 1, tags
    assert len(tags) >= 3


def test_client_and_server_of_qdrant_have_the_same_minor_version() -> None:
    server = re.fullmatch(r"v(\d+\.\d+)\.\d+-unprivileged", next(iter(qdrant_tags().values())))
    client = re.search(
        r"^qdrant-client==(\d+\.\d+)\.", (ROOT / "requirements/api.lock").read_text(), re.MULTILINE
    )
    assert server
    assert client
    assert client[1] == server[1]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_use_existing_routes(probe: str) -> None:
    routes = {route.path for route in APP.routes}
    paths = {where: each[probe]["httpGet"]["path"] for where, each in our_containers() if probe in each}
    assert paths
    assert set(paths.values()) <= routes
    assert set(paths.values()) == {"/livez" if probe == "livenessProbe" else "/readyz"}


def test_probes_use_the_port_of_the_app() -> None:
    port = ApiSettings(search=SearchSettings()).port
    apis = [each for _, each in containers() if each["name"] == "api"]
    assert {each["ports"][0]["containerPort"] for each in apis} == {port}
    assert {each["startupProbe"]["httpGet"]["port"] for each in apis} <= {port, "http"}


def test_every_api_in_a_container_is_started_with_open() -> None:
    # It listens on every address there, and without keys would not start otherwise.
    commands = [each["args"] for _, each in containers() if each["name"] == "api"]
    commands.append(yaml.safe_load(COMPOSE.read_text())["services"]["api"]["command"])
    assert commands == [["python", "-m", "api", "--open"]] * 3


def test_manifests_set_only_settings_that_the_container_uses() -> None:
    for where, container in our_containers():
        names = {each["name"] for each in container.get("env", ())} - NOT_SETTINGS
        assert names <= settings_of(container["name"]), where
    assert set(shared_settings()) <= settings_of("api") | settings_of("ingest")
    for secret in documents(DEPLOY / "kubernetes/secret.example.yaml"):
        for name, container in (
            ("api", "api"),
            ("ingest", "ingest"),
            ("qdrant", "api"),
            ("qdrant", "ingest"),
        ):
            if secret["metadata"]["name"] == f"vidsearch-{name}":
                assert set(secret["stringData"]) <= settings_of(container)


def test_kubernetes_passes_the_config_map_and_the_secrets_as_settings() -> None:
    (generated,) = kustomization()["configMapGenerator"]
    secrets = {each["metadata"]["name"] for each in documents(DEPLOY / "kubernetes/secret.example.yaml")}
    sources = {
        each["name"]: [source["name"] for entry in each["envFrom"] for source in entry.values()]
        for where, each in our_containers()
        if "kubernetes" in where
    }
    assert sources == {
        name: [generated["name"], "vidsearch-qdrant", f"vidsearch-{name}"] for name in ("api", "ingest")
    }
    assert {name for names in sources.values() for name in names} == {generated["name"], *secrets}


def test_the_values_of_the_settings_are_valid() -> None:
    qdrant = SearchSettings.from_environment(shared_settings()).qdrant
    assert qdrant
    assert qdrant.replicas <= values()["replicaCount"]
    for _, container in our_containers():
        plain = {each["name"]: each["value"] for each in container.get("env", ()) if "value" in each}
        SearchSettings.from_environment(plain)


def test_every_reference_to_a_secret_exists() -> None:
    secrets = {
        each["metadata"]["name"]: each["stringData"]
        for each in documents(DEPLOY / "kubernetes/secret.example.yaml")
    }
    references = [
        each["secretKeyRef"]
        for path in MANIFESTS
        for each in mappings(documents(path))
        if "secretKeyRef" in each
    ]
    assert references
    for reference in references:
        assert reference["key"] in secrets[reference["name"]]


def test_every_resource_of_the_kustomization_exists() -> None:
    for resource in kustomization()["resources"]:
        assert (DEPLOY / "kubernetes" / resource).is_file()


def test_groups_and_owners_are_the_user_of_the_image() -> None:
    dockerfile = ROOT / "Dockerfile"
    if not dockerfile.exists():
        pytest.skip("There is no Dockerfile to compare with.")
    users = set(re.findall(r"^USER (\d+):\d+$", dockerfile.read_text(), re.MULTILINE))
    given = {
        str(each["fsGroup"]) for path in MANIFESTS for each in mappings(documents(path)) if "fsGroup" in each
    }
    mounts = re.findall(r"[ug]id=(\d+)", (DEPLOY / "cloudrun-ingest-job.yaml").read_text())
    assert given | set(mounts) == users


def test_a_release_replaces_every_placeholder_and_stops_at_the_first_failure(tmp_path: Path) -> None:
    # A fake gcloud that copies the files it gets and prints the name of an execution.
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


def test_the_documented_settings_of_cloud_run_are_those_of_its_files() -> None:
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for where, container in our_containers():
        if "cloudrun" in where:
            row = re.search(rf"^\| `{Path(where).name}` \([^|]*\| (.*) \|$", readme, re.MULTILINE)
            assert row
            names = {each["name"] for each in container["env"]} - NOT_SETTINGS
            assert set(re.findall(r"`(\w+)`", row[1])) == names, where
