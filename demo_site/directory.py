"""The directory of a demo: its database, pictures and key, and a directory for each node."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from pathlib import Path
from typing import IO

__all__ = ["Unusable", "claim", "default_directory", "make_directory", "secret_key"]


class Unusable(Exception):
    """The demo can't start here; the message says why and what to do."""


def default_directory() -> Path:
    """Return this user's place for the demo, the same at every start."""
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    place = Path(home) / "nothing_shared" / "demo"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # no home, or one that can't be written
        return Path(tempfile.gettempdir()) / f"nothing_shared-demo-{os.getuid()}"
    return place


def make_directory(place: Path) -> Path:
    """Make the directory for its owner only, or accept one that nobody else can write to."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.stat()
    except OSError as error:
        raise Unusable(f"{place} can't be used: {error.strerror}. Try --directory.") from error
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Unusable(f"{place} belongs to, or can be written by, somebody else. Try --directory.")
    return place.resolve()


def claim(directory: Path) -> IO[str]:
    """Lock the directory for as long as the returned file is open: two clusters can't share it."""
    file = open(directory / "demo.lock", "w", encoding="ascii")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise Unusable(
            f"Another demo is running in {directory}. Stop it, or give this one a --directory."
        ) from None
    return file


def secret_key(directory: Path) -> str:
    """Return the key that all nodes sign with, making it on the first call ever."""
    path = directory / "secret.key"
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii")


def _write_once(path: Path, text: str) -> None:
    """Put a whole file in place, or leave the one that somebody else has put there first."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
