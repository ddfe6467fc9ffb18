"""What can be wrong with a node's settings."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register as register_check
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.checks import TAG, settings_errors
from nothing_shared.node.conf import SETTING, NodeSettings
from nothing_shared.node.directory import node_directory, unsafe_because

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_node.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_node.E002": "The node directory is unsafe: a link, another user's, or open to others.",
    "nothing_shared_node.W001": "The node directory lies on a network file system.",
}

NETWORKED = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "glusterfs", "ceph", "9p", "lustre"}


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return list(settings_errors(SETTING, NodeSettings, id="nothing_shared_node.E001"))


def check_directory(**kwargs: Any) -> list[CheckMessage]:
    try:
        directory = node_directory()
    except ImproperlyConfigured:
        return []
    if not directory.exists():
        return []
    reason = unsafe_because(directory)
    if reason:
        text = f"The node directory {str(directory)!r} {reason}."
        hint = f"chmod 700 {directory}"
        return [Error(text, hint=hint, id="nothing_shared_node.E002")]
    kind = _file_system(str(directory))
    if kind in NETWORKED:
        text = f"The node directory {str(directory)!r} lies on {kind}, a network file system."
        hint = f'A node shares nothing: {SETTING} = {{"DIRECTORY": "/var/cache/mysite"}}'
        return [Warning(text, hint=hint, id="nothing_shared_node.W001")]
    return []


def _file_system(directory: str) -> str:
    try:
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            rows = [line.split() for line in mounts]
    except OSError:
        return ""
    held = [row for row in rows if f"{directory}/".startswith(row[1].rstrip("/") + "/")]
    return max(held, key=lambda row: len(row[1]))[2] if held else ""


def register() -> None:
    register_check(check_settings, TAG)
    register_check(check_directory, TAG)
