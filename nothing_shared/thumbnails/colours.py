"""The average colour of a source, for the place of its picture until that has arrived."""

from __future__ import annotations

import io

from nothing_shared.node import slots
from nothing_shared.node.table import ChangeTable
from nothing_shared.thumbnails.disk import Disk
from nothing_shared.thumbnails.entries import Entry, key_of

__all__ = ["Colours", "average_colour"]

MOST = 10_000
"""Colours that a process remembers."""


def average_colour(data: bytes) -> str:
    """Return the colour of a picture of ours as ``#rrggbb``; "" where it is transparent."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode not in ("RGB", "L"):
            return ""
        picture.draft("RGB", (64, 64))
        small = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX)
    red, green, blue = small.tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"


class Colours:
    """What this node knows of the colours of sources whose thumbnails it had in hand.

    To ask costs a look into a dictionary; where that doesn't help, one small file is read, once.
    """

    def __init__(self, disk: Disk, table: ChangeTable) -> None:
        self._disk, self._table = disk, table
        self._known: dict[tuple[str, str, str], Entry | None] = {}

    def find(self, storage: str, name: str, version: str) -> str:
        """Return the colour of a source, "" where it is not known here."""
        source = (storage, name, version)
        entry = self._known.get(source)
        if entry is None:
            entry = self._disk.find(_key(*source))
            if entry is not None:
                self._remember(source, entry)
        return entry.reason if entry is not None and self._is_so(entry, storage, name) else ""

    def note(self, storage: str, name: str, version: str, *, begun: int, data: bytes) -> None:
        """Keep the colour of a thumbnail for its source, where none is known yet."""
        if self.find(storage, name, version):
            return
        try:
            colour = average_colour(data)
        except Exception:  # it is a nicety, and the thumbnail is there
            return
        if colour:
            entry = Entry(self._table.id, begun, "", reason=colour)
            self._remember((storage, name, version), entry)
            self._disk.put(_key(storage, name, version), entry)

    def _is_so(self, entry: Entry, storage: str, name: str) -> bool:
        place = self._table.index(slots.file(storage, name))
        return entry.table == self._table.id and self._table.fresh(entry.begun, (place,))

    def _remember(self, source: tuple[str, str, str], entry: Entry) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[source] = entry


def _key(storage: str, name: str, version: str) -> str:
    return key_of("colour", storage, name, version)
