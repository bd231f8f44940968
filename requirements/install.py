"""Install pinned requirements with pip, and show a progress bar, or without a terminal only the label.

Usage: python requirements/install.py LABEL PIP_ARGUMENT... This script uses only the
standard library, because nothing is installed yet. If pip fails, its output is printed.
"""

import subprocess
import sys
from collections import deque
from pathlib import Path

WIDTH = 30
KEPT_LINES = 40


def main(label: str, *arguments: str) -> int:
    """Run pip and return its exit code."""
    total = sum(count_pins(Path(name)) for name in arguments if name.endswith((".lock", ".txt")))
    bar = Bar(label, total, shown=sys.stdout.isatty())
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", *arguments]
    output: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            output.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                bar.advance()
            elif line.startswith("Installing collected packages"):
                bar.finish("unpacking")
    bar.end()
    if pip.returncode:
        sys.stderr.write("".join(output))
    return pip.returncode


def count_pins(file: Path) -> int:
    """Count the packages in a file of pinned requirements."""
    return sum("==" in line for line in file.read_text().splitlines())


class Bar:
    """A progress bar in one line; without a terminal, only the label."""

    def __init__(self, label: str, total: int, *, shown: bool) -> None:
        self.label = label
        self.total = max(total, 1)
        self.shown = shown
        self.done = 0
        if not shown:
            sys.stdout.write(f"{label}\n")
            sys.stdout.flush()
        else:
            self.draw("")

    def advance(self) -> None:
        """Count one more package."""
        self.done += 1
        self.draw(f"{min(self.done, self.total)} of {self.total}")

    def finish(self, text: str) -> None:
        """Show a full bar with this text."""
        self.done = self.total
        self.draw(text)

    def draw(self, text: str) -> None:
        """Draw the line again."""
        if self.shown:
            filled = min(self.done, self.total) * WIDTH // self.total
            sys.stdout.write(f"\r\033[K{self.label} {'━' * filled}{'┄' * (WIDTH - filled)} {text}")
            sys.stdout.flush()

    def end(self) -> None:
        """End the line."""
        if self.shown:
            sys.stdout.write("\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
