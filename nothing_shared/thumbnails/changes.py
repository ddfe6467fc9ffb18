"""Tell every node that a file was replaced or deleted, so that it asks for the source again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nothing_shared.causality.pending import touch
from nothing_shared.node import process, slots
from nothing_shared.thumbnails.conf import thumbnail_settings
from nothing_shared.thumbnails.derived import derived_of
from nothing_shared.thumbnails.naming import source_of
from nothing_shared.thumbnails.signals import source_changed

__all__ = ["changing", "forget"]


def forget(source: Any, *, storage: str | None = None) -> None:
    """Say that a file was replaced or deleted past Django; every node forgets what it drew of it.

    In a transaction it is done now, and once more on commit.
    """
    found = source_of(source, thumbnail_settings(), storage=storage)
    if found is not None:
        with changing(found.storage, found.name):
            pass


@contextmanager
def changing(storage: str, name: str, *, is_deletion: bool = False) -> Iterator[None]:
    """Replace or delete a file in a block; all nodes hear of it, even if this process is killed in it."""
    slot = slots.file(storage, name)
    node = process.current()
    intent = node.intend((slot,))
    try:
        yield
    finally:
        touch((slot,))
        if intent is not None:
            node.intents.give_back(intent)
        source_changed.send(None, storage=storage, name=name)
    derived = thumbnail_settings().derived_storage
    if is_deletion and derived is not None:
        derived_of(derived).delete_all_of(storage, name)
