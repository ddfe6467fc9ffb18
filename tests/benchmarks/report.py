"""What a benchmark found, in text for a person and in JSON for :mod:`tests.benchmarks.__main__`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Report", "Target", "main", "table"]


@dataclass(frozen=True)
class Target:
    """A figure that must not be over its bound, or not under it."""

    claim: str
    figure: float
    bound: float
    unit: str = ""
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        return self.figure >= self.bound if self.is_floor else self.figure <= self.bound

    def __str__(self) -> str:
        word, limit = "PASS" if self.is_met else "FAIL", "least" if self.is_floor else "most"
        figure, bound = f"{self.figure:.3g}{self.unit}", f"{self.bound:.3g}{self.unit}"
        return f"{word}  {self.claim}: {figure} (at {limit} {bound})"


@dataclass
class Report:
    title: str
    lines: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def say(self, *lines: str) -> None:
        """Print lines at once, and keep them."""
        self.lines.extend(lines)
        for line in lines:
            print(line, flush=True)

    def judge(self, *targets: Target) -> None:
        self.targets.extend(targets)
        self.say(*map(str, targets))

    @property
    def has_passed(self) -> bool:
        return all(target.is_met for target in self.targets)

    def as_json(self) -> str:
        targets = [
            {**asdict(target), "is_met": target.is_met, "text": str(target)}
            for target in self.targets
        ]
        parts = {"title": self.title, "lines": self.lines, "figures": self.figures}
        return json.dumps({**parts, "targets": targets})


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows of text, the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        lines.append("  ".join(cells).rstrip())
    return lines


def main(run: Callable[[Report, bool], None], title: str) -> int:
    """Run one benchmark as a command; the exit code is 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--quick", action="store_true", help="a few rounds: shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    chosen = parser.parse_args()
    report = Report(title)
    report.say(title, "")
    run(report, chosen.quick)
    if chosen.json:
        chosen.json.write_text(report.as_json(), encoding="utf-8")
    return 0 if report.has_passed else 1
