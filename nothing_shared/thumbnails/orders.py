"""An order: what one request wants of a promise, with all that its answer depends on."""

from __future__ import annotations

from dataclasses import dataclass

from nothing_shared.thumbnails.entries import key_of
from nothing_shared.thumbnails.negotiation import negotiated
from nothing_shared.thumbnails.promises import Promise
from nothing_shared.thumbnails.specs import Spec, parse

__all__ = ["Order"]

EDITION = "1"
"""Counts the releases that draw differently: what an older one drew is not served by a newer one."""


@dataclass(frozen=True, slots=True)
class Order:
    """A promise, and the spec in the format that this browser gets.

    ``is_fixed`` says that the address can only ever mean one picture: it has a version, or the name is
    never used again.
    """

    promise: Promise
    spec: Spec
    is_negotiated: bool
    is_fixed: bool
    key: str

    @classmethod
    def of(
        cls, promise: Promise, accept: str, *, formats: tuple[str, ...], hashed: tuple[str, ...]
    ) -> Order:
        """Raise :class:`~nothing_shared.thumbnails.specs.BadSpec` if this release can't read the spec."""
        wanted = parse(promise.spec)
        spec = negotiated(wanted, accept, formats)
        return cls(
            promise,
            spec,
            is_negotiated=wanted.format == "auto",
            is_fixed=bool(promise.version) or promise.storage in hashed,
            key=key_of(EDITION, promise.storage, promise.name, promise.version, spec.text),
        )

    @property
    def drawing(self) -> str:
        """What is drawn, apart from the source."""
        return f"{EDITION}-{self.spec.text}"
