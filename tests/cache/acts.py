"""What other processes of a machine do to a tier or a flight; ``start`` runs one of these in one."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from zlib import crc32

from nothing_shared.cache.l2 import L2
from nothing_shared.singleflight import SingleFlight

MIB = 2**20


def start(act: Callable[..., None], *arguments: object) -> subprocess.Popen[str]:
    """Run a function of this module in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, act.__name__, *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def fork(act: Callable[..., None], *arguments: str) -> int:
    """Do as :func:`start` in a fork, which begins sooner; return its process id."""
    child = os.fork()
    if not child:
        try:
            act(*arguments)
        finally:
            os._exit(1)
    return child


def said(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> list[str]:
    """Let a process go on to its end, and return what it says until then."""
    out, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    return out.split()


def say(*words: object) -> None:
    # In one write: a fork may say something, too.
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def wait_for_a_line(stream: IO[str] = sys.stdin) -> None:
    stream.readline()


def l2(directory: Path, max_bytes: int = MIB) -> L2:
    return L2(directory / "l2.mdb", max_bytes=max_bytes, lock=directory / "l2.lock")


def whole(name: str, length: int) -> bytes:
    """Return a record that can be told from any other name's and from a part of itself."""
    body = name.encode() + b":" + random.randbytes(8) * (length // 8)
    return crc32(body).to_bytes(4, "big") + body


def is_whole(name: str, record: bytes) -> bool:
    return crc32(record[4:]).to_bytes(4, "big") == record[:4] and record[4:].startswith(
        name.encode() + b":"
    )


def keep_putting(directory: str, seed: str) -> None:
    tier, chance = l2(Path(directory)), random.Random(seed)
    Path(directory, f"begun-{seed}").touch()
    while True:
        name = f"n{chance.randrange(60)}"
        tier.put(name, whole(name, chance.choice((50, 900, 5_000, 40_000))))


def put(directory: str, name: str, text: str) -> None:
    say(l2(Path(directory)).put(name, text.encode()))


def get(directory: str, name: str) -> None:
    say(l2(Path(directory)).get(name))


def add_up(directory: str, name: str, times: str) -> None:
    tier = l2(Path(directory))
    for _ in range(int(times)):
        with tier.write(timeout=20) as writing:
            writing.put(name, b"%d" % (int(writing.get(name) or 0) + 1))


def stop_in_a_section(directory: str) -> None:
    with l2(Path(directory)).write() as writing:
        writing.put("mine", b"half done")
        say("inside")
        wait_for_a_line()


def fill_a_small_disk(directory: str, limit: str) -> None:
    """Work where no file can grow beyond ``limit`` bytes, which is what a full disk does to one."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    tier = l2(Path(directory), 16 * MIB)
    stored = [tier.put(f"n{number}", whole(f"n{number}", 4_000)) for number in range(1_000)]
    found = [tier.get(f"n{number}") for number in range(1_000)]
    mixed_up = [number for number, record in enumerate(found) if record and not stored[number]]
    broken = [n for n, record in enumerate(found) if record and not is_whole(f"n{n}", record)]
    say(sum(stored), sum(record is not None for record in found), len(mixed_up), len(broken))


def replace_on_a_full_disk(directory: str, name: str) -> None:
    """Replace a record where not even what is there can be written again."""
    tier = l2(Path(directory))
    tier.get(name)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    say(tier.put(name, b"new"), tier.get(name))


def lead(directory: str, name: str) -> None:
    flights = SingleFlight(Path(directory))
    with flights.try_flight(name) as leads:
        if leads:
            say("leads")
            wait_for_a_line()
            return
    say("waits")
    with flights.flight(name, timeout=30) as leads:
        say(leads, time.monotonic_ns())
        wait_for_a_line()


def fork_and_stay(directory: str, name: str) -> None:
    """Lead, and leave a child behind that was forked meanwhile."""
    with SingleFlight(Path(directory)).flight(name, timeout=30):
        child = os.fork()
        if not child:
            say("child")
            threading.Event().wait(30)
            os._exit(0)
        say(child)
        wait_for_a_line()
    os._exit(0)


def compute_together(directory: str, name: str, threads: str) -> None:
    """Have many threads compute one value at once, as if on a cold cache, and say what they saw."""
    flights, result = SingleFlight(Path(directory)), Path(directory) / "result"

    def fill() -> None:
        with flights.flight(name, timeout=30) as leads:
            if not leads or not result.exists():
                mark = Path(directory) / f"computing-{os.getpid()}-{threading.get_ident()}"
                mark.touch()
                say(len(list(Path(directory).glob("computing-*"))))
                result.write_text("done", encoding="utf-8")
                mark.unlink()

    say("ready")
    wait_for_a_line()
    workers = [threading.Thread(target=fill) for _ in range(int(threads))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
