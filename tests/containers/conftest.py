"""The images, built once for all tests, and the measured figures, printed at the end."""

import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator

import pytest

from tests.containers.docker_cli import BASE_IMAGE, REPOSITORY, Images, docker, is_here, temporary_volume
from tests.containers.package_index import package_index

_BUILD_SECONDS = 3600
_TAG = "checked"
_FIGURES = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash[_FIGURES]:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a figure at the end of the run."""
    return pytestconfig.stash[_FIGURES].append


def skip_without_docker() -> None:
    """Skip the tests, with a reason, if no container can run."""
    see = "See tests/containers/README.md."
    if shutil.which("docker") is None:
        pytest.skip(f"Docker is not installed. {see}")
    if docker("info", check=False).returncode:
        pytest.skip(f"The Docker daemon does not answer. {see}")
    if not is_here(BASE_IMAGE):
        pytest.skip(f"The base image {BASE_IMAGE} is not on this machine. {see}")


@pytest.fixture(scope="session")
def images(tell: Callable[[str], None]) -> Images:
    """Build every stage with the package index of this machine. DOCKER_BUILD_ARGS adds options."""
    skip_without_docker()
    images = Images(f"vidsearch-model:{_TAG}", f"vidsearch-ingest:{_TAG}", f"vidsearch-api:{_TAG}", _TAG)
    with package_index(REPOSITORY / ".data" / "ca.crt") as arguments:
        settings = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        settings += shlex.split(os.environ.get("DOCKER_BUILD_ARGS", ""))
        for target in ("model", "ingest", "api"):
            began = time.monotonic()
            docker(
                *("build", "--network", "host", "--target", target, "--tag", getattr(images, target)),
                *(*settings, "."),
                timeout=_BUILD_SECONDS,
            )
            tell(f"build of {target}: {time.monotonic() - began:.0f} s")
    return images


@pytest.fixture(scope="session")
def index(images: Images) -> Iterator[str]:
    """A volume with an index of the sample catalogue, built by the `ingest` image."""
    with temporary_volume() as name:
        docker(
            *("run", "--rm", "--network", "none", "--volume", f"{name}:/data/index", images.ingest),
            *("sync", "ingest/sample/catalogue.jsonl"),
            timeout=300,
        )
        yield name


@pytest.fixture
def volume() -> Iterator[str]:
    """An empty volume."""
    with temporary_volume() as name:
        yield name
