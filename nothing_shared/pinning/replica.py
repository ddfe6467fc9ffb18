"""One replica, as one thread is connected to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import Error

from nothing_shared.node.positions import Position, history_of
from nothing_shared.pinning.conf import ReplicaSettings, pinning_settings
from nothing_shared.pinning.health import health_of

if TYPE_CHECKING:
    from nothing_shared.pinning.mixin import PinningMixin

__all__ = ["Replica"]

FOR_PRIMARIES = ("target_session_attrs",)

_replayed: WeakKeyDictionary[Any, Position] = WeakKeyDictionary()
"""Up to where each raw connection's server is known to have replayed.

By connection, never by address: after a crash a standby shows less than before, and behind one address
there may be several. A connection ends with the server process that it leads to.
"""


class Replica:
    """Has a connection of its own, under a private alias, and knows up to where it shows commits."""

    def __init__(self, primary: PinningMixin, number: int, options: ReplicaSettings) -> None:
        self.alias = f"{primary.alias}@{number}"
        self.weight = options.weight
        self.health = health_of(self.alias)
        self.history = 0
        """System and timeline of what it has replayed, as one word; 0 where that is not known."""
        self.lsn = 0
        self._options = options
        self._primary = primary
        self._raw: Any = None
        self._wrapper: BaseDatabaseWrapper | None = None

    @property
    def wrapper(self) -> BaseDatabaseWrapper:
        """The connection as Django wraps it, to the database of the name that the primary has now."""
        primary = self._primary
        wrapper = self._wrapper
        if wrapper is None or wrapper.settings_dict["NAME"] != primary.settings_dict["NAME"]:
            self.close_pool()
            settings = settings_of(primary.settings_dict, self._options)
            wrapper = self._wrapper = type(primary)(settings, self.alias)
            wrapper.validate_thread_sharing = primary.validate_thread_sharing  # type: ignore[method-assign]
        return wrapper

    def has_reached(self, floor: Position) -> bool:
        """Say whether it is known to show what is behind a position."""
        return self.history == history_of(floor) and self.lsn >= floor.lsn

    def open(self) -> bool:
        """Connect, if need be; say whether there is a connection."""
        wrapper = self.wrapper
        if wrapper.connection is None:
            if not self.health.is_up:
                return False
            try:
                self._connect(wrapper)
            except Error:
                self.fail()
                return False
        if wrapper.connection is not self._raw:
            self._raw = wrapper.connection
            self._note(_replayed.get(self._raw))
        return True

    def _connect(self, wrapper: BaseDatabaseWrapper) -> None:
        """Connect, with an alias that leads to the connection: receivers of its signal look there."""
        connections[self.alias] = wrapper
        try:
            wrapper.ensure_connection()
        finally:
            del connections[self.alias]

    @property
    def is_connected(self) -> bool:
        """Whether the driver still takes its connection for one."""
        return self.is_open and not self._raw.closed

    @property
    def is_open(self) -> bool:
        return (
            self._raw is not None
            and self._wrapper is not None
            and self._wrapper.connection is self._raw
        )

    @property
    def position(self) -> Position | None:
        """Up to where it is known to have replayed, on the connection that it has now."""
        return _replayed.get(self._raw) if self.is_open else None

    def ask(self, floor: Position | None = None, *, wait: float = 0.0) -> Position | None:
        """Ask how far it has replayed, in a statement of its own; None if it fails.

        With a ``floor``, ask again for so long as it is not there.
        """
        engine = self._primary.positions
        try:
            with self.wrapper.wrap_database_errors:
                if floor is None or not wait:
                    position = engine.of_replica(self._raw)
                else:
                    position = engine.wait(self._raw, floor, wait)
        except Error:
            self.fail()
            return None
        self.health.answered()
        _replayed[self._raw] = position
        self._note(position)
        return position

    def cursor(self, name: str | None) -> Any:
        """Return a cursor of the driver's, as the primary's wrapper would make it."""
        return self.wrapper.create_cursor(name)

    def fail(self) -> None:
        """Let it rest: it can't be reached."""
        self.health.failed(pinning_settings().retry_after)
        self.close()

    def drop(self, *, is_down: bool) -> None:
        """Act on a statement that failed: what is still connected may stay."""
        if is_down:
            self.fail()
        elif not self.is_connected:
            self.close()

    def close(self) -> None:
        self._raw = None
        self._note(None)
        if self._wrapper is not None:
            try:
                self._wrapper.close()
            except Error:
                self._wrapper.connection = None

    def close_pool(self) -> None:
        self.close()
        if self._wrapper is not None:
            self._wrapper.close_pool()  # type: ignore[attr-defined]

    def close_if_unusable_or_obsolete(self) -> None:
        if self._wrapper is not None:
            self._wrapper.close_if_unusable_or_obsolete()

    def _note(self, position: Position | None) -> None:
        self.history = history_of(position) if position is not None else 0
        self.lsn = position.lsn if position is not None else 0


def settings_of(primary: dict[str, Any], options: ReplicaSettings) -> dict[str, Any]:
    """Return the settings of a replica: the primary's, but for what it says itself."""
    inherited = {
        name: value for name, value in primary["OPTIONS"].items() if name not in FOR_PRIMARIES
    }
    own = {"connect_timeout": pinning_settings().connect_timeout, **inherited, **options.options}
    if own.get("pool"):  # which waits by itself for a connection
        pool = own["pool"] if isinstance(own["pool"], dict) else {}
        own["pool"] = {"timeout": own["connect_timeout"], **pool}
    settings = {**primary, "OPTIONS": own}
    del settings["REPLICAS"]
    for name in ("host", "port", "user", "password"):
        value = getattr(options, name)
        if value is not None:
            settings[name.upper()] = str(value)
    return settings
