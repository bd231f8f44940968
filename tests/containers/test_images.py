"""The content of the images."""

import json
import re
from collections.abc import Callable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.containers.docker_cli import BASE_IMAGE, REPOSITORY, Images, docker, inspected

MOST_ADDED = {"api": 350_000_000, "ingest": 550_000_000}
"""The maximum size of the images without their base, in bytes."""

_FOUND = """
import importlib.util, json, shutil
modules = ["torch", "transformers", "sentence_transformers", "polars", "onnx", "pip", "ingest"]
programs = ["gcc", "cc", "g++", "c++", "clang", "ld", "make", "rustc"]
print(json.dumps([name for name in modules if importlib.util.find_spec(name)]
                 + [name for name in programs if shutil.which(name)]))
"""
_INSTALLED = """
import json, re
from importlib.metadata import distributions
print(json.dumps({re.sub(r"[-_.]+", "-", d.name).lower(): d.version for d in distributions(path=[
    "/opt/venv/lib/python3.11/site-packages"])}))
"""
_UNCOMPILED = """
import importlib.util, json, pathlib
sources = [s for top in ("/app", "/opt/venv/lib") for s in pathlib.Path(top).rglob("*.py")]
print(json.dumps([str(s) for s in sources if not pathlib.Path(importlib.util.cache_from_source(s)).exists()]))
"""
_LARGEST = (
    "du --summarize --bytes /model /opt/venv/lib/python3.11/site-packages/* | sort --numeric-sort | tail -8"
)


def size(image: str) -> int:
    """The size of an image in bytes, including its base."""
    found: int = inspected(image)["Size"]
    return found


def asked(image: str, program: str) -> object:
    """Run a Python program in an image, and read the JSON that it prints."""
    answer = docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", program)
    return json.loads(answer.stdout)


def printed(image: str, file: str) -> str:
    """The text of a file in an image."""
    return docker("run", "--rm", "--network", "none", "--entrypoint", "cat", image, file).stdout


def locked(name: str) -> dict[str, str]:
    """The packages of a lock that belong into an image, with their versions."""
    lines = (REPOSITORY / "requirements" / f"{name}.lock").read_text().splitlines()
    pins = [Requirement(line.rstrip("\\ ")) for line in lines if re.match(r"[\w-]+==", line)]
    inside = {"sys_platform": "linux", "python_full_version": "3.11.0"}
    return {pin.name: str(pin.specifier)[2:] for pin in pins if not pin.marker or pin.marker.evaluate(inside)}


def test_the_images_add_little_to_their_base(images: Images, tell: Callable[[str], None]) -> None:
    base = size(BASE_IMAGE)
    added = {"api": size(images.api) - base, "ingest": size(images.ingest) - base}
    tell(
        f"image sizes in MB: base {base / 1e6:.0f}, over it api {added['api'] / 1e6:.0f}, "
        f"ingest {added['ingest'] / 1e6:.0f}"
    )
    largest = docker("run", "--rm", "--network", "none", images.api, "sh", "-c", _LARGEST).stdout.split()
    parts = zip(map(int, largest[::2]), largest[1::2], strict=True)
    tell("largest in api, in MB: " + ", ".join(f"{p.rpartition('/')[2]} {b / 1e6:.0f}" for b, p in parts))
    assert all(added[name] <= most for name, most in MOST_ADDED.items())


def test_the_api_image_has_no_batch_libraries_and_no_compiler(images: Images) -> None:
    assert asked(images.api, _FOUND) == []


def test_the_ingest_image_has_no_compiler(images: Images) -> None:
    found = asked(images.ingest, _FOUND)
    assert isinstance(found, list)
    assert "polars" in found
    assert not {"torch", "sentence_transformers", "pip", "gcc", "cc", "make"} & set(found)


def test_the_api_image_contains_exactly_the_locked_packages(images: Images) -> None:
    assert asked(images.api, _INSTALLED) == locked("api")


@pytest.mark.parametrize("name", ["api", "ingest"])
def test_an_image_lists_its_packages_and_their_licences(images: Images, name: str) -> None:
    image = images.api if name == "api" else images.ingest
    sbom = json.loads(printed(image, "/opt/venv/sbom.cdx.json"))
    assert sbom["bomFormat"] == "CycloneDX"
    assert {canonicalize_name(part["name"]): part["version"] for part in sbom["components"]} == locked(name)
    notices = printed(image, "/opt/venv/third-party-notices.txt")
    assert "Apache License" in notices
    named = map(canonicalize_name, re.findall(r"^[\w.-]+$", notices, re.MULTILINE))
    assert locked(name).keys() <= set(named)


def test_nothing_is_left_to_compile_when_a_container_starts(images: Images) -> None:
    assert asked(images.api, _UNCOMPILED) == []


def test_only_the_files_of_the_service_are_copied(images: Images) -> None:
    files = docker(
        "run", "--rm", "--network", "none", images.api, "ls", "-A", "/app", "/model"
    ).stdout.split()
    assert files[:3] == ["/app:", "api", "retrieval"]
    assert [name.partition("-")[0] for name in files[4:]] == ["graph", "model.json", "tokenizer", "weights"]


def test_build_secrets_are_in_no_image(images: Images) -> None:
    for image in (images.api, images.ingest):
        left = docker(
            *("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "find", image, "/"),
            *("-xdev", "(", "-name", "ca.crt", "-o", "-path", "/etc/pip.conf", "-o", "-path"),
            "/root/.cache/*",
            *("-o", "-name", ".git", ")"),
        )
        assert left.stdout == ""
        assert "PIP_" not in json.dumps(inspected(image)["Config"]["Env"])


def test_the_images_run_as_a_user_of_a_fixed_number(images: Images) -> None:
    for image in (images.api, images.ingest):
        assert inspected(image)["Config"]["User"] == "10001:10001"
        whoami = docker("run", "--rm", "--network", "none", "--entrypoint", "id", image)
        assert whoami.stdout.startswith("uid=10001(vidsearch) gid=10001(vidsearch)")


def test_the_commands_are_run_without_a_shell(images: Images) -> None:
    api, ingest = inspected(images.api)["Config"], inspected(images.ingest)["Config"]
    assert api["Cmd"] == ["python", "-m", "api"]
    assert api["Entrypoint"] is None
    assert api["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    assert ingest["Entrypoint"] == ["python", "-m", "ingest"]
