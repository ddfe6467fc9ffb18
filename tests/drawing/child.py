"""Draw in a process of its own, and tell what became of it, of its memory and of its time.

``python -m tests.drawing.child`` has everything imported and no threads; it forks for each file.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nothing_shared.thumbnails.drawing import draw
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.specs import parse
from tests.drawing.pictures import encoded, scene

__all__ = ["Fate", "fates"]

PATIENCE = 60.0


@dataclass(frozen=True)
class Fate:
    """What became of one file: seconds are of the processor, growth is resident memory at its peak."""

    outcome: str
    status: int
    seconds: float
    growth: int
    message: str = ""


def warm_up() -> None:
    """Import what Pillow's engine imports, once, before anything is measured: libvips has threads."""
    for format in ("JPEG", "PNG", "GIF", "WEBP", "AVIF"):
        draw(encoded(scene(64, 48), format), parse("32x32-smart-cover"))


def fates(
    files: Iterable[tuple[str, bytes, str]], spec: str = "400x300 cover", *, engine: str = "pillow"
) -> Iterator[tuple[str, str, Fate]]:
    """Yield name, what is allowed, and what became of each file."""
    command = [sys.executable, "-m", "tests.drawing.child", spec, engine]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name, data, allowed in files:
            process.stdin.write(len(data).to_bytes(4, "big") + data)
            process.stdin.flush()
            yield name, allowed, Fate(*json.loads(process.stdout.readline()))
        process.stdin.close()


def main() -> None:
    warm_up()
    while length := sys.stdin.buffer.read(4):
        data = sys.stdin.buffer.read(int.from_bytes(length, "big"))
        print(json.dumps(draw_in_a_child(data, *sys.argv[1:])), flush=True)


def draw_in_a_child(data: bytes, spec: str, engine: str) -> tuple[object, ...]:
    """A crash is an outcome (``signal 11``), and so is a hang (``hung``)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        warnings.simplefilter("ignore")  # Pillow's of damaged EXIF
        try:
            os.write(writing, json.dumps(_drawn(data, spec, engine)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], PATIENCE)
        told = os.read(reading, 65536) if ready else b""
        if not ready:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(reading)
    if told:
        return tuple(json.loads(told))
    return ("hung" if not ready else f"signal {status & 127}", 0, 0.0, 0)


def _drawn(data: bytes, spec: str, engine: str) -> tuple[str, int, float, int, str]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    before, begun = _memory("VmRSS"), time.process_time()
    status, message = 200, ""
    try:
        draw(data, parse(spec), engine=engine)
        outcome = "drawn"
    except ThumbnailError as error:
        outcome, status, message = type(error).__name__, error.status, str(error)
    except BaseException as error:
        outcome, status, message = f"raised {error!r}", 500, str(error)
    return outcome, status, time.process_time() - begun, _memory("VmHWM") - before, message


def _memory(name: str) -> int:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{name}:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
