"""Find, make and judge the directory that the workers of one node share."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from itertools import pairwise
from pathlib import Path

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.node.conf import SETTING, node_settings

__all__ = ["UnsafeDirectory", "ensure", "node_directory", "project_directory"]

TMPFS = Path("/dev/shm")
ROOM = 512 * 2**20
"""Size below which tmpfs is passed over, in bytes: a default container has only 64 MB of it."""


class UnsafeDirectory(ImproperlyConfigured):
    """Others could write what this node's workers will unpickle."""


def node_directory() -> Path:
    """Return the directory that the settings name or imply; it need not exist yet."""
    named = node_settings().directory
    return named.expanduser().absolute() if named else project_directory() / "node"


def project_directory() -> Path:
    """Return a directory for this user and project that is the same in all its processes."""
    return _roomy_base() / f"nothing_shared-{os.geteuid()}" / _project()


def _project() -> str:
    # Within ``override_settings`` the settings don't know their module.
    module = getattr(settings, "SETTINGS_MODULE", None) or os.environ.get(ENVIRONMENT_VARIABLE, "")
    base = getattr(settings, "BASE_DIR", None) or os.getcwd()
    digest = hashlib.sha256(f"{module}\0{base}".encode()).hexdigest()[:10]
    return f"{module.partition('.')[0] or 'site'}-{digest}"


def _roomy_base() -> Path:
    try:
        if shutil.disk_usage(TMPFS).total >= ROOM and os.access(TMPFS, os.W_OK):
            return TMPFS
    except OSError:
        pass
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache if os.access(Path(cache).parent, os.W_OK) else tempfile.gettempdir())


def ensure(directory: Path) -> Path:
    """Make the directory if need be, for its owner only.

    Raises UnsafeDirectory if it is a link, another user's, or open to others: caches hold pickles,
    and whoever may write a pickle runs code as this user.
    """
    try:
        _make(directory)
        reason = unsafe_because(directory)
    except OSError as failure:
        raise ImproperlyConfigured(
            f"The node directory {str(directory)!r} can't be made ({failure}). Name one on a "
            f'local disk or tmpfs: {SETTING} = {{"DIRECTORY": "/var/cache/mysite"}}.'
        ) from failure
    if reason:
        raise UnsafeDirectory(
            f"The node directory {str(directory)!r} {reason}. Caches hold pickles, and whoever can "
            f"write one runs code as this user. Run: chmod 700 {directory}, or name another one: "
            f'{SETTING} = {{"DIRECTORY": …}}.'
        )
    return directory


def _make(directory: Path) -> None:
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def unsafe_because(directory: Path) -> str | None:
    """Say what is wrong with an existing directory, None if nothing is."""
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory (a link to one is refused, too)"
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, and this process runs as user {os.geteuid()}"
    if status.st_mode & 0o077:
        return f"is open to other users (mode {stat.S_IMODE(status.st_mode):o}, allowed: 700)"
    return _preempted_because(directory)


def _preempted_because(directory: Path) -> str | None:
    """Say who was first to make a parent of it where everybody may, and so could replace it."""
    for path, above in pairwise(directory.parents):
        owner = path.lstat().st_uid
        if above.stat().st_mode & stat.S_IWOTH and owner not in (0, os.geteuid()):
            return f"lies in {str(path)!r}, which belongs to user {owner}"
    return None
