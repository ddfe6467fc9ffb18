"""A node's workshop: finds what was drawn, has it proved, fetches it or draws it, once per machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass

from nothing_shared.clock import SECOND
from nothing_shared.node import hooks, layout, process, slots
from nothing_shared.node.process import Node
from nothing_shared.singleflight import SingleFlight
from nothing_shared.thumbnails.conf import ThumbnailSettings, limits_of, thumbnail_settings
from nothing_shared.thumbnails.derived import Derived, derived_of, name_of
from nothing_shared.thumbnails.drawing import CONTENT_TYPES, Drawn, draw
from nothing_shared.thumbnails.entries import Entry, digest
from nothing_shared.thumbnails.errors import CorruptPicture, OutOfMemory, ThumbnailError
from nothing_shared.thumbnails.gate import Busy, Gate
from nothing_shared.thumbnails.orders import Order
from nothing_shared.thumbnails.origins import Origin, StorageUnavailable, origin_of
from nothing_shared.thumbnails.previews import Previews
from nothing_shared.thumbnails.signals import thumbnail_drawn, thumbnail_refused
from nothing_shared.thumbnails.upkeep import disk_of

__all__ = ["Picture", "Refused", "Workshop", "current"]

logger = logging.getLogger("nothing_shared.thumbnails")

SUFFIXES = {content_type: name for name, content_type in CONTENT_TYPES.items()}


class Refused(ThumbnailError):
    """What was refused a moment ago, and still is."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.reason)
        self.status = entry.status


@dataclass(frozen=True, slots=True)
class Picture:
    """A thumbnail: its entry, and its bytes where the disk could not keep them."""

    entry: Entry
    data: bytes | None = None


@dataclass(frozen=True, slots=True)
class Commission:
    """A drawing to be made: when its source began to be asked for, and what is known of that."""

    begun: int
    fingerprint: str


class Workshop:
    """What one process of a node needs to serve thumbnails."""

    def __init__(self, node: Node, options: ThumbnailSettings) -> None:
        self.node, self.options, self.table = node, options, node.table
        self.disk = disk_of(node)
        directory = self.disk.directory
        with contextlib.suppress(OSError):  # then nothing is kept, nobody waits, and all is served
            os.makedirs(directory, mode=0o755 if options.accel_header else 0o700, exist_ok=True)
        self.flights = SingleFlight(directory / "flights")
        self.gate = Gate(
            directory / "gate",
            places=options.drawings or os.cpu_count() or 1,
            queue=options.queue,
            patience=options.patience,
        )
        self.previews = Previews(self.disk, self.table, options.previews)
        self._tasks: set[asyncio.Task[Picture]] = set()

    def get(self, order: Order) -> Picture:
        """Return the thumbnail, drawn if need be; raise :class:`ThumbnailError` if it can't be had."""
        found = self.known(order)
        if found is not None:
            return found
        with self.flights.flight(order.key, timeout=self.options.patience) as leads:
            made = self._recalled(order, leads)
            if isinstance(made, Picture):
                return made
            with self.gate.entered():
                return self._drawn(order, made)

    async def aget(self, order: Order) -> Picture:
        """Do as :meth:`get`; what may take long runs in threads, and on if the client goes away."""
        found = self.known(order)
        if found is not None:
            return found
        task = asyncio.ensure_future(self._amade(order))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _amade(self, order: Order) -> Picture:
        async with self.flights.aflight(order.key, timeout=self.options.patience) as leads:
            made = await asyncio.to_thread(self._recalled, order, leads)
            if isinstance(made, Picture):
                return made
            async with self.gate.aentered():
                return await asyncio.to_thread(self._drawn, order, made)

    def _done(self, task: asyncio.Task[Picture]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever still waits; else to nobody

    def known(self, order: Order) -> Picture | None:
        """Return what this node knows and may believe without asking anybody; raise what it refused."""
        entry = self.disk.find(order.key)
        if entry is None or not self._is_believed(order, entry):
            return None
        if entry.is_refusal:
            raise Refused(entry)
        return Picture(entry)

    def _is_believed(self, order: Order, entry: Entry) -> bool:
        # The lease is read before the slot, and the clock after it: see Store.may_serve of the cache.
        lease = self.table.words[layout.LEASE_UNTIL]
        slot = slots.file(order.promise.storage, order.promise.name)
        if entry.table != self.table.id or not self.table.fresh(
            entry.begun, (self.table.index(slot),)
        ):
            return False
        now = self.table.clock()
        if entry.is_refusal:
            return now < entry.until
        if order.is_fixed:
            return True
        is_heard = now < lease or not hooks.openers
        return is_heard and now - entry.begun < self.options.check_source * SECOND

    def _recalled(self, order: Order, leads: bool) -> Picture | Commission:
        """Look again, now that nobody else is at it; then prove what is there, or fetch what others drew."""
        found = self.known(order)
        if found is not None:
            return found
        if not leads:
            raise Busy("another drawing of this thumbnail is taking long.")
        begun = self.table.clock()
        try:
            return self._proved(order, begun)
        except ThumbnailError as failure:
            raise self._refusal(order, begun, failure) from failure

    def _proved(self, order: Order, begun: int) -> Picture | Commission:
        entry, fingerprint = self.disk.find(order.key), ""
        origin = origin_of(order.promise.storage)
        if entry is not None and not entry.is_refusal and self.disk.is_whole(order.key, entry):
            try:
                fingerprint = origin.fingerprint(order.promise.name)
            except StorageUnavailable:
                if self._may_serve_unproved(order, entry, begun):
                    return Picture(entry)
                raise
            if entry.source in (fingerprint, ""):
                return self._renewed(order, entry, begun, fingerprint)
        if self.options.derived_storage is not None:
            return self._fetched(order, origin, begun, fingerprint)
        return Commission(begun, fingerprint)

    def _may_serve_unproved(self, order: Order, entry: Entry, now: int) -> bool:
        """Say whether an entry is good enough while the storage is out of reach."""
        is_young = entry.table == self.table.id and now - entry.begun < self.node.max_staleness
        return order.is_fixed or is_young

    def _renewed(self, order: Order, entry: Entry, begun: int, fingerprint: str) -> Picture:
        renewed = entry.renewed(self.table.id, begun, fingerprint)
        self.disk.renew(order.key, renewed)
        return Picture(renewed)

    def _fetched(
        self, order: Order, origin: Origin, begun: int, fingerprint: str
    ) -> Picture | Commission:
        if not order.is_fixed:
            fingerprint = fingerprint or origin.fingerprint(order.promise.name)
        found = self._derived().get(self._derived_name(order, fingerprint))
        if found is None:
            return Commission(begun, fingerprint)
        return self._kept(order, begun, "" if order.is_fixed else fingerprint, *found)

    def _drawn(self, order: Order, commission: Commission) -> Picture:
        begun = commission.begun
        try:
            data, fingerprint = origin_of(order.promise.storage).read(
                order.promise.name, limits_of(self.options).bytes
            )
            started = time.perf_counter()
            drawn = self._draw(order, data)
        except ThumbnailError as failure:
            raise self._refusal(order, begun, failure) from failure
        thumbnail_drawn.send(
            Workshop,
            promise=order.promise,
            spec=order.spec,
            size=len(drawn.data),
            seconds=time.perf_counter() - started,
        )
        kept = self._kept(order, begun, fingerprint, drawn.data, drawn.content_type)
        if self.options.derived_storage is not None and self._is_still_so(order, begun):
            self._derived().put(
                self._derived_name(order, fingerprint), drawn.data, drawn.content_type
            )
        return kept

    def _draw(self, order: Order, data: bytes) -> Drawn:
        try:
            return draw(data, order.spec, limits_of(self.options), engine=self.options.engine)
        except ThumbnailError:
            raise
        except MemoryError as failure:
            raise OutOfMemory("there is not enough memory.") from failure
        except Exception as failure:  # of a decoder, about which nothing is certain
            logger.exception("%s can't be drawn as %s", order.promise.name, order.spec.text)
            raise CorruptPicture(f"the source can't be drawn: {failure!r}") from failure

    def _is_still_so(self, order: Order, begun: int) -> bool:
        slot = slots.file(order.promise.storage, order.promise.name)
        return self.table.fresh(begun, (self.table.index(slot),))

    def _kept(
        self, order: Order, begun: int, fingerprint: str, data: bytes, content_type: str
    ) -> Picture:
        etag = digest(data)
        entry = Entry(
            table=self.table.id,
            begun=begun,
            source=fingerprint,
            file=f"{order.key}.{etag[:8]}.{SUFFIXES[content_type]}",
            size=len(data),
            etag=etag,
            content_type=content_type,
            modified=int(time.time()),
        )
        is_kept = self.disk.put(order.key, entry, data)
        if is_kept:
            source = order.promise
            self.previews.note(source.storage, source.name, source.version, begun=begun, data=data)
        return Picture(entry, None if is_kept else data)

    def _refusal(self, order: Order, begun: int, failure: ThumbnailError) -> ThumbnailError:
        """Remember an error that the same source would end in again, and return it."""
        thumbnail_refused.send(Workshop, promise=order.promise, error=failure)
        if not failure.may_retry:
            until = self.table.clock() + int(self.options.refusal_seconds * SECOND)
            entry = Entry(
                self.table.id, begun, "", status=failure.status, reason=str(failure), until=until
            )
            self.disk.put(order.key, entry)
        return failure

    def _derived(self) -> Derived:
        return derived_of(self.options.derived_storage or "")

    def _derived_name(self, order: Order, fingerprint: str) -> str:
        promise = order.promise
        edition = promise.version or ("" if order.is_fixed else fingerprint)
        return name_of(promise.storage, promise.name, edition, order.drawing)


_workshop: Workshop | None = None


def current(options: ThumbnailSettings | None = None) -> Workshop:
    """Return this process's workshop, as the settings and the node are at this moment."""
    global _workshop
    node, options = process.current(), options or thumbnail_settings()
    known = _workshop
    if known is None or known.node is not node or known.options is not options:
        known = _workshop = Workshop(node, options)
    return known
