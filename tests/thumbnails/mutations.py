"""Ask for a million addresses that nobody signed: ``python -m tests.thumbnails.mutations``."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["attack"]

NAMES = ["a.jpg", "posters/night of the larch.jpg", "ä/ß ü.jpg", "a/b/c/d.png"]
SPECS = ["300x200", "300x200 cover at30x70", "40x webp q80", "10000x10000 exact png"]
PIECES = ["/", "//", "../", "./", "%2e%2e/", "%2F", "%00", "%ff", "%", "%25", "\\", ";", "?x", "#", "~",
          "default", "-", "staticfiles", "etc/passwd", "é", "\u202e", "A" * 40, "x" * 3000]  # fmt: skip


@dataclass
class Tally:
    refused: int = 0
    believed: int = 0
    """Led to a storage, whether there was a file or not."""
    broken: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


def attack(times: int, *, seed: int) -> Tally:
    """Mutate good addresses and count what is answered; what still means a good one is not counted."""
    from django.core.handlers.wsgi import WSGIHandler

    from nothing_shared.thumbnails import thumbnail_url
    from nothing_shared.thumbnails.signals import thumbnail_drawn, thumbnail_refused

    random, tally = Random(seed), Tally()
    good = [
        thumbnail_url(name, spec, version=v) for name in NAMES for spec in SPECS for v in (None, 7)
    ]
    meant = {unquote_to_bytes(url) for url in good}
    handler = WSGIHandler()

    def note(**kwargs: Any) -> None:
        tally.believed += 1

    thumbnail_drawn.connect(note)
    thumbnail_refused.connect(note)
    try:
        while tally.refused + len(tally.broken) < times:
            url = mutated(random, good)
            path = url.partition("?")[0].partition("#")[0]
            if unquote_to_bytes(path) in meant or not path.startswith("/thumbs/"):
                continue
            status = answered(handler, unquote_to_bytes(path))
            tally.statuses[status] += 1
            if 400 <= status < 500:
                tally.refused += 1
            else:
                tally.broken.append(f"{status} {url!r}")
    finally:
        thumbnail_drawn.disconnect(note)
        thumbnail_refused.disconnect(note)
    return tally


def answered(handler: Any, path: bytes) -> int:
    """Ask as a WSGI server would; return the status, 0 where there was an exception."""
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path.decode("latin-1"),
        "SERVER_NAME": "x", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": BytesIO(),
    }  # fmt: skip
    try:
        response = handler(environ, lambda status, headers: statuses.append(status))
        response.close()
    except Exception:
        return 0
    return int(statuses[0][:3])


def mutated(random: Random, good: list[str]) -> str:
    """Return an address with one to three changes, or of parts of two."""
    url = random.choice(good)
    if random.random() < 0.2:
        other = random.choice(good)
        return url[: random.randrange(len(url))] + other[random.randrange(len(other)) :]
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len("/thumbs/"), len(url) + 1)
        match random.randrange(5):
            case 0:
                url = url[:at] + url[at + random.randint(1, 8) :]
            case 1:
                url = url[:at] + random.choice(PIECES) + url[at:]
            case 2:
                url = url[:at] + chr(random.randrange(32, 127)) + url[at + 1 :]
            case 3:
                url = url[:at] + url[at : at + 5].swapcase() + url[at + 5 :]
            case _:
                parts = url.split("/")
                one, two = random.randrange(2, len(parts)), random.randrange(2, len(parts))
                parts[one], parts[two] = parts[two], parts[one]
                url = "/".join(parts)
    return url


def main() -> None:
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    tally = attack(times, seed=1)
    print(f"{tally.refused} refused ({dict(tally.statuses)}), {tally.believed} believed")
    print(*tally.broken[:20], sep="\n")
    sys.exit(bool(tally.broken or tally.believed))


if __name__ == "__main__":
    main()
