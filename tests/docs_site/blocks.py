"""The fenced code blocks of a Markdown page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LANGUAGES", "Block", "blocks_of"]

LANGUAGES = {"python", "html+django", "sh", "console", "text"}

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>```+|~~~+) *(?P<language>\S*)")
MARKER = re.compile(r"^ *<!-- *(?P<text>.+?) *-->$")


@dataclass(frozen=True)
class Block:
    """One code block: what it is written in, where it stands, and the comment right above it."""

    language: str
    source: str
    line: int
    marker: str = ""

    @property
    def name(self) -> str:
        """What follows the colon of a marker: ``<!-- template: event.html -->``."""
        return self.marker.partition(":")[2].strip()


def blocks_of(page: Path) -> list[Block]:
    return list(_blocks(page.read_text(encoding="utf-8").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    marker = ""
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        if opened := FENCE.match(line):
            indent, ticks = len(opened["indent"]), opened["ticks"]
            inside = []
            for _, text in numbered:
                if text.strip() == ticks:
                    break
                inside.append(text[indent:])
            else:
                raise ValueError(f"The code block of line {number} never ends.")
            yield Block(opened["language"], "\n".join(inside) + "\n", number + 1, marker)
            marker = ""
        elif comment := MARKER.match(line):
            marker = comment["text"]
        elif line.strip():
            marker = ""
