"""What a node knows of the looks of a source, for the place of its picture until that has arrived."""

from __future__ import annotations

import io
import re

from nothing_shared.node import slots
from nothing_shared.node.table import ChangeTable
from nothing_shared.thumbnails.disk import Disk
from nothing_shared.thumbnails.entries import Entry, key_of
from nothing_shared.thumbnails.placeholders import placeholder

__all__ = ["Previews", "style_of"]

MOST = 10_000
"""Previews that a process remembers."""

_SAFE = re.compile(r"background[\w\-:#() ,;./+=]*", re.ASCII)


def style_of(data: bytes, kind: str) -> str:
    """Return the background of a picture of ours in CSS: its average colour, or itself, blurred.

    "" for one that is transparent where a colour is wanted: something would show through it.
    """
    if kind == "blur":
        made = placeholder(data)
        return f"background:{made.colour} url({made.data_url}) center/cover"
    from PIL import Image

    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode not in ("RGB", "L"):
            return ""
        picture.draft("RGB", (64, 64))
        small = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX)
    return f"background-color:#{small.tobytes().hex()}"


class Previews:
    """The previews of sources whose thumbnails this node has had in hand.

    To ask costs a look into a dictionary; where that doesn't help, one small file is read, once.
    """

    def __init__(self, disk: Disk, table: ChangeTable, kind: str) -> None:
        self._disk, self._table, self._kind = disk, table, kind
        self._known: dict[tuple[str, str, str], Entry] = {}

    def find(self, storage: str, name: str, version: str) -> str:
        """Return the style of a source, "" where it is not known here."""
        source = (storage, name, version)
        entry = self._known.get(source)
        if entry is None:
            entry = self._disk.find(self._key(*source))
            if entry is None or not _SAFE.fullmatch(entry.reason):
                return ""
            self._remember(source, entry)
        return entry.reason if self._is_so(entry, storage, name) else ""

    def note(self, storage: str, name: str, version: str, *, begun: int, data: bytes) -> None:
        """Keep the style of a thumbnail for its source, where none is known yet."""
        if self._kind == "none" or self.find(storage, name, version):
            return
        try:
            style = style_of(data, self._kind)
        except Exception:  # it is a nicety, and the thumbnail is there
            return
        if style:
            entry = Entry(self._table.id, begun, "", reason=style)
            self._remember((storage, name, version), entry)
            self._disk.put(self._key(storage, name, version), entry)

    def _is_so(self, entry: Entry, storage: str, name: str) -> bool:
        place = self._table.index(slots.file(storage, name))
        return entry.table == self._table.id and self._table.fresh(entry.begun, (place,))

    def _remember(self, source: tuple[str, str, str], entry: Entry) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[source] = entry

    def _key(self, storage: str, name: str, version: str) -> str:
        return key_of("preview", self._kind, storage, name, version)
