"""The layout that ARCHITECTURE.md describes: small modules, small functions, and each module named there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_MODULE_LINES = 250
MAX_FUNCTION_LINES = 60
TREE_LINE = re.compile(r"^(?P<package>(?:api|ingest|retrieval)[\w/]*/) +(?P<modules>[\w, ]+?)(?: {2,}.*)?$")


def modules() -> Iterator[Path]:
    for package in ("api", "ingest", "retrieval"):
        yield from (ROOT / package).rglob("*.py")


def functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_exceeds_250_lines() -> None:
    lines = {str(module.relative_to(ROOT)): module.read_text().count("\n") for module in modules()}
    assert {name: count for name, count in lines.items() if count > MAX_MODULE_LINES} == {}


def test_no_function_exceeds_60_lines() -> None:
    too_long = [
        f"{module.relative_to(ROOT)}:{function.lineno} {function.name}"
        for module in modules()
        for function in functions(module)
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_architecture_names_every_module_and_no_other() -> None:
    named = {
        f"{line['package']}{name.strip()}"
        for text in (ROOT / "ARCHITECTURE.md").read_text().splitlines()
        if (line := TREE_LINE.match(text))
        for name in line["modules"].split(",")
    }
    found = {
        str(module.relative_to(ROOT).with_suffix("")) for module in modules() if module.stem != "__init__"
    }
    assert named == found
