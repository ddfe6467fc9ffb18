"""Writes out of the blue: a key's value is replaced here and, by being forgotten, everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from nothing_shared.cache import misses
from nothing_shared.cache.entry import Entry, decode, encode
from nothing_shared.cache.store import Store
from nothing_shared.causality.pending import announce, open_transactions, settle_unit
from nothing_shared.causality.unit import Scope
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from nothing_shared.node.change import Change

__all__ = ["copy", "drop_overlaid", "overlaid", "replace", "replace_on_commit", "update"]


def replace(store: Store, scope: Scope, name: str, entry: Entry) -> None:
    """Make an entry the key's, and have every other copy forgotten."""
    change = Change.of((store.key_slot(name),))
    with _announced(change), _exclusive(store) as shared, suppress(LockTimeout):
        _put_after(store, scope, shared, name, entry, change)


def replace_on_commit(store: Store, scope: Scope, name: str, entry: Entry) -> bool:
    """In a transaction, leave the entry with the scope until the commit; False outside of one."""
    transactions = open_transactions()
    if not transactions:
        return False
    overlay = transactions[-1].attachments.setdefault("overlay", {})
    overlay[store.location, name] = entry

    def commit() -> None:
        if overlay.get((store.location, name)) is entry:
            del overlay[store.location, name]
            replace(store, scope, name, entry)

    transactions[-1].add((store.key_slot(name),))
    transactions[-1].after_commit.append(commit)
    scope.careful = True
    return True


def copy(store: Store, scope: Scope, found: Entry, old: str, new: str, *, expires: int) -> None:
    """Store an entry under another name, with what it depends on."""
    left, taken = (store.table.index(store.key_slot(name)) for name in (old, new))
    places = tuple(taken if index == left else index for index in found.slots)
    entry = Entry.of(found.load(), begun=found.begun, expires=expires, slots=places)
    if not replace_on_commit(store, scope, new, entry):
        replace(store, scope, new, entry)


def overlaid(store: Store, scope: Scope, name: str) -> Entry | None:
    """Return what an open transaction of this scope has set."""
    found: Entry | None = None
    for overlay in _overlays(scope):
        found = overlay.get((store.location, name), found)
    return found


def drop_overlaid(store: Store, scope: Scope, name: str | None = None) -> None:
    """Have open transactions not store a name on their commit, or any name of this store."""
    for overlay in _overlays(scope):
        for place in [place for place in overlay if place == (store.location, name or place[1])]:
            del overlay[place]


def _overlays(scope: Scope) -> list[dict[tuple[str, str], Entry]]:
    settle_unit(scope)
    return [pending.attachments.get("overlay", {}) for pending in scope.pending]


def update(
    store: Store, scope: Scope, name: str, compute: Callable[[Entry | None], Entry | None]
) -> Entry | None:
    """Replace an entry by what a function makes of it, with every worker of the machine shut out.

    For this machine only: other nodes keep what they have. None changes nothing, as does a change
    table that is out of reach.
    """
    with _exclusive(store) as shared, suppress(LockTimeout):
        record = shared.get(name)
        found = None if record is None else decode(record, store.table.id)
        entry = compute(found or store.l1.entries.get(name))
        if entry is not None:
            _put_after(store, scope, shared, name, entry, Change.of((store.key_slot(name),)))
        return entry
    return None


def _put_after(
    store: Store, scope: Scope, shared: Any, name: str, entry: Entry, change: Change
) -> None:
    """Have other workers' copies forgotten first; what begins after that is the new one.

    One that was made of an older entry is not stored if what that depended on has changed meanwhile.
    """
    key, older = store.table.index(change.slots[0]), entry.begun
    # Whatever is applied after it gets a later time, and so a newer one than this entry.
    misses.forget(scope, store, name)
    with scope.knowing(store.table) as known:
        entry.begun = store.table.apply(change, known=known) + 1
    scope.knows(key, entry.begun)
    if older and not store.table.fresh(older, [index for index in entry.slots if index != key]):
        return
    shared.put(name, encode(entry, store.table.id))
    store.hold(name, entry)


@contextmanager
def _announced(change: Change) -> Iterator[None]:
    """Announce a change after the block that applies it; an intent stands meanwhile."""
    node = process.current()
    intent = node.intend(change.slots)
    try:
        yield
    finally:
        announce(node, change, intent, is_key=True)


class _Nowhere:
    """Stands for an L2 that is out of reach: the machine's other workers miss."""

    def get(self, name: str) -> None:
        return None

    def put(self, name: str, record: bytes) -> bool:
        return False


@contextmanager
def _exclusive(store: Store) -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            shared: Any = stack.enter_context(store.l2.write())
        except (LockTimeout, OSError):
            shared = _Nowhere()
        yield shared
