"""`make lock`: resolve pyproject.toml in a temporary environment and write the three lock files.

api.lock lists the dependencies of the API, ingest.lock those and the ones of the batch job, dev.lock all.
torch comes from the configured package index, which must serve its CPU build: a CUDA package in a lock file
is an error.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
GROUPS = {
    "api": PROJECT["dependencies"],
    "ingest": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["ingest"],
    "dev": PROJECT["dependencies"]
    + PROJECT["optional-dependencies"]["ingest"]
    + PROJECT["optional-dependencies"]["tracing"]
    + PROJECT["optional-dependencies"]["dev"],
}

# Runs inside the temporary environment, which contains the packages and `packaging`.
CLOSURE = """
import json, sys
from importlib.metadata import distribution
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
pinned, todo = {}, [(Requirement(text), "") for text in json.load(sys.stdin)]
seen = set()
while todo:
    requirement, extra = todo.pop()
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        continue
    name = canonicalize_name(requirement.name)
    found = distribution(name)
    pinned[name] = Version(found.version).public
    for wanted in ("", *requirement.extras):
        if (name, wanted) not in seen:
            seen.add((name, wanted))
            todo += [(Requirement(text), wanted) for text in found.requires or ()]
json.dump(pinned, sys.stdout)
"""


def main() -> None:
    """Resolve once, write three files."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet"]
        torch = next(text for text in GROUPS["ingest"] if text.startswith("torch=="))
        subprocess.run([*pip, torch], check=True)
        subprocess.run([*pip, "packaging", *GROUPS["dev"]], check=True)
        for group, requirements in GROUPS.items():
            answer = subprocess.run(
                [python, "-c", CLOSURE],
                input=json.dumps(requirements),
                capture_output=True,
                text=True,
                check=True,
            )
            pinned = json.loads(answer.stdout)
            if cuda := [name for name in pinned if name.startswith(("nvidia-", "cuda-", "triton"))]:
                sys.exit(
                    f"The package index serves a CUDA build of torch ({', '.join(cuda)}). Nothing was "
                    "written. Use an index with the CPU build."
                )
            lines = [f"{name}=={version}" for name, version in sorted(pinned.items())]
            (HERE / f"{group}.lock").write_text("\n".join(["# Written by `make lock`.", *lines, ""]))


if __name__ == "__main__":
    main()
