"""Drawing beside sorl-thumbnail, easy-thumbnails, pyvips and sharp: processor time, memory, likeness.

Photographs of 12 and 24 megapixels are made of the small ones in ``tests/drawing/photographs``, or of the
largest in ``$PHOTOGRAPHS``. sharp takes part where ``node`` finds it: ``npm install sharp``, ``$NODE_PATH``.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import IO, cast

from PIL import Image

from nothing_shared.thumbnails.geometry import plan
from nothing_shared.thumbnails.specs import Spec
from tests.benchmarks.report import Report, Target, main, table
from tests.benchmarks.thumbnailers import HEIGHT, PYTHON, QUALITY, SHARP, WIDTH
from tests.drawing.photographs import found
from tests.drawing.pictures import encoded, scene
from tests.drawing.similarity import pixels, reference, ssim

TITLE = f"A photograph as a JPEG of {WIDTH} x {HEIGHT}: processor time, growth of memory, SSIM"
OURS = "nothing_shared"
MIB = 2**20
LIBRARIES = {"sorl-thumbnail": "sorl", "easy-thumbnails": "easy_thumbnails"}
"""Those that a test run does without."""
BOUNDS = {"sorl-thumbnail": 0.33, "easy-thumbnails": 0.33, "sharp": 1.3, "pyvips": 1.1}


@dataclass
class Contender:
    """A process that draws what it is told to, and what it took."""

    process: subprocess.Popen[str]
    seconds: list[float] = field(default_factory=list)
    growth: int = 0
    likeness: float = 0.0

    def draw(self, path: Path) -> dict[str, float | str]:
        cast(IO[str], self.process.stdin).write(f"{path}\n")
        cast(IO[str], self.process.stdin).flush()
        return cast(
            dict[str, float | str], json.loads(cast(IO[str], self.process.stdout).readline())
        )

    @property
    def best(self) -> float:
        return min(self.seconds)


def started() -> dict[str, Contender]:
    """Start everybody who is here."""
    commands = {
        name: [sys.executable, "-m", "tests.benchmarks.thumbnailers", name]
        for name in PYTHON
        if find_spec(LIBRARIES.get(name, "PIL"))
    }
    node = shutil.which("node")
    if (
        node
        and not subprocess.run(
            [node, "-e", "require('sharp')"], capture_output=True, check=False
        ).returncode
    ):
        commands["sharp"] = [node, "-e", SHARP, *map(str, (WIDTH, HEIGHT, QUALITY))]
    alone = {**os.environ, "VIPS_CONCURRENCY": "1"}
    return {
        name: Contender(
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone
            )
        )
        for name, command in commands.items()
    }


def race(source: Path, small: Path, rounds: int) -> dict[str, Contender]:
    """Let everybody draw in turns; memory is that of the first time."""
    contenders = started()
    with Image.open(source) as image:
        box = plan(Spec(WIDTH, HEIGHT, "cover"), *image.size).box
    ideal = reference(source.read_bytes(), (WIDTH, HEIGHT), box)
    try:
        for contender in contenders.values():
            contender.draw(small)  # what is imported at the first drawing
            first = contender.draw(source)
            contender.growth = int(first["growth"])
            drawn = base64.b64decode(str(first["data"]))
            contender.likeness = ssim(pixels(drawn), ideal)
        names = list(contenders)
        for number in range(rounds):
            turn = number % len(names)
            for name in names[turn:] + names[:turn]:
                contenders[name].seconds.append(float(contenders[name].draw(source)["seconds"]))
    finally:
        for contender in contenders.values():
            cast(IO[str], contender.process.stdin).close()
            contender.process.wait()
            cast(IO[str], contender.process.stdout).close()
    return contenders


def ratios(mine: Contender, theirs: Contender) -> tuple[float, float]:
    """Return the ratio of the best times, and the median of those of all rounds."""
    pairs = zip(mine.seconds, theirs.seconds, strict=True)
    return mine.best / theirs.best, median(one / other for one, other in pairs)


def judge(report: Report, megapixels: int, contenders: dict[str, Contender]) -> None:
    mine = contenders[OURS]
    rows = [
        [
            name, f"{1000 * it.best:.0f} ms", "{:.2f} ({:.2f})".format(*ratios(mine, it)),
            f"{it.growth / MIB:.0f} MB", f"{it.likeness:.4f}",
        ]
        for name, it in contenders.items()
    ]  # fmt: skip
    head = [f"{megapixels} megapixels", "best", "ours to it", "memory", "SSIM"]
    report.say(*table(head, rows), "")
    report.judge(
        *(
            Target(f"{megapixels} MP: processor time to {name}", ratios(mine, contenders[name])[0], bound)
            for name, bound in BOUNDS.items() if name in contenders
        ),
        Target(f"{megapixels} MP: growth of memory", mine.growth / MIB, 8, " MB"),
        Target(
            f"{megapixels} MP: SSIM less pyvips'",
            mine.likeness - contenders["pyvips"].likeness, -0.0005, is_floor=True,
        ),
    )  # fmt: skip
    report.say("")


def run(report: Report, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        small = Path(directory, "small.jpg")
        small.write_bytes(encoded(scene(), "JPEG"))
        for megapixels in (12,) if quick else (12, 24):
            source = Path(directory, f"{megapixels}.jpg")
            source.write_bytes(found(megapixels))
            size = source.stat().st_size / MIB
            report.say(f"{megapixels} megapixels, {size:.1f} MB", "")
            judge(report, megapixels, race(source, small, 2 if quick else 15))


if __name__ == "__main__":
    sys.exit(main(run, TITLE))
