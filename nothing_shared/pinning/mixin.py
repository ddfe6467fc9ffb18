"""A database backend that has replicas under its one alias; for any backend on Django's PostgreSQL one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.utils import Error
from django.utils.functional import cached_property

from nothing_shared.causality import wiring
from nothing_shared.causality.footprint import Footprint, analyse
from nothing_shared.causality.observer import observe
from nothing_shared.causality.schema import schema_for
from nothing_shared.causality.scopes import SCOPE
from nothing_shared.node.positions import UNKNOWN, Position, Reached
from nothing_shared.pinning import primary
from nothing_shared.pinning.conf import pinning_settings, replicas_of
from nothing_shared.pinning.cursor import ChoosingCursor, ChoosingDebugCursor
from nothing_shared.pinning.fleet import Fleet
from nothing_shared.pinning.health import health_of
from nothing_shared.pinning.positions.base import Positions
from nothing_shared.pinning.positions.postgresql import PostgreSQL
from nothing_shared.pinning.replica import Replica

__all__ = ["PinningMixin"]

if TYPE_CHECKING:
    Base = BaseDatabaseWrapper
else:
    Base = object


IDLE = 0
"""libpq's word for a connection outside any transaction, whoever began it."""

MOST_DOUBTS = 100


class PinningMixin(Base):
    """Stand before a ``DatabaseWrapper``: ``class DatabaseWrapper(PinningMixin, postgis.DatabaseWrapper)``.

    Without ``"REPLICAS"`` it only says how far the database has got after each write. With them, the
    connection that it wraps is the primary's, made when it is needed; each replica has one of its own,
    under a private alias.
    """

    positions: Positions = PostgreSQL()

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        self.fleet: Fleet | None = None
        self.is_bound = False
        """Whether the session is not as it was, so that replicas' aren't like it."""
        self.health = health_of(alias)
        self._history: tuple[Any, tuple[int, int]] = (None, (0, 0))
        self._in_doubt: list[Any] = []
        """Statements that may have bound it: they were sent before it was known what they do."""
        given = settings_dict.get("REPLICAS")
        if given and alias != NO_DB_ALIAS:
            self._refuse_cursors_of_others()
            self.fleet = Fleet(self, replicas_of(alias, given))
            self.autocommit = settings_dict["AUTOCOMMIT"]  # as it will be, once it is connected
            wiring.install()
            observe(self)  # now: replicas may answer before this is ever connected

    def _refuse_cursors_of_others(self) -> None:
        """Refuse to stand before a backend whose own way to make cursors would be passed over."""
        owner = next(
            kind
            for kind in type(self).__mro__
            if kind is not PinningMixin and "_cursor" in vars(kind)
        )
        if owner is not BaseDatabaseWrapper:
            raise ImproperlyConfigured(
                f"REPLICAS can't be used with {owner.__module__}: it prepares each cursor's session, which "
                "nobody would do on a replica. Leave REPLICAS out."
            )

    has_positions = True
    """With replicas or without: other processes that write or read the same database may have them."""

    @property
    def has_replicas(self) -> bool:
        return self.fleet is not None

    # Connections ------------------------------------------------------------------------------

    def connect(self) -> None:
        super().connect()
        # What receivers of its signal do to the session, they do to the replicas' as well.
        self.is_bound = False
        self._in_doubt.clear()

    def close(self) -> None:
        super().close()
        if self.fleet is not None and not self.in_atomic_block:
            self.fleet.close()

    def close_pool(self) -> None:
        if self.fleet is not None:
            self.fleet.close_pool()
        super().close_pool()  # type: ignore[misc]

    def close_if_unusable_or_obsolete(self) -> None:
        super().close_if_unusable_or_obsolete()
        if self.fleet is not None and not self.in_atomic_block:
            self.fleet.close_if_unusable_or_obsolete()

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        if self.fleet is not None:  # a server that has become a standby is no primary
            params.setdefault("target_session_attrs", "primary")
        return params

    @contextmanager
    def temporary_connection(self) -> Iterator[Any]:
        """Connect to the primary, as all who ask for this look at ``connection.connection``."""
        was_connected = self.connection is not None
        self.reach()
        try:
            with super().temporary_connection() as cursor:
                yield cursor
        finally:
            if not was_connected:
                self.disconnect()

    @cached_property
    def pg_version(self) -> int:
        """The version of the servers, from whichever this is connected to."""
        fleet = self.fleet.replicas if self.fleet is not None else []
        open_ones = [replica.wrapper.connection for replica in fleet if replica.is_open]
        for raw in (self.connection, *open_ones):
            if raw is not None:
                return int(raw.info.server_version)
        with self.temporary_connection():
            return int(self.connection.info.server_version)

    def _cursor(self, name: str | None = None) -> Any:
        if self.fleet is None:
            return super()._cursor(name)  # type: ignore[misc]
        self.validate_thread_sharing()
        choosing = ChoosingDebugCursor if self.queries_logged else ChoosingCursor
        cursor = choosing(self, name)
        if not self.may_choose():
            cursor._bind()  # now, where Django does
        return cursor

    def primary_cursor(self, name: str | None) -> Any:
        """Return a cursor of the driver's on the primary, connecting if need be."""
        self.reach()
        self._refuse_stale()
        with self.wrap_database_errors:
            return self.create_cursor(name)

    def _refuse_stale(self) -> None:
        """Raise StalePrimary if this client has written on a later timeline than the primary's.

        Not in a transaction, whose first statement may have to be another.
        """
        unit = SCOPE.get()
        if self.fleet is None or unit is None or self.in_atomic_block or not unit.reader.floors:
            return
        own = unit.reader.floors.of(self.fleet.slot, None)
        if own is not None and own != UNKNOWN:
            self.fleet.refuse_stale(own)
            self.ensure_connection()

    # Choosing ---------------------------------------------------------------------------------

    def may_choose(self) -> bool:
        """Say whether replicas come into question at all, for whom and where this runs."""
        unit = SCOPE.get()
        return (
            unit is not None
            and unit.reader.may_use_replicas
            and not unit.is_unsafe
            and self.autocommit
            and not self.in_atomic_block
            and not self.is_bound
            and self.fleet is not None
            and (self.connection is None or self.connection.pgconn.transaction_status == IDLE)
            and self.fleet.database not in unit.reader.wrote
            and not primary.is_asked_for(self.alias)
        )

    def replica_for(
        self, footprint: Footprint, *, without: Collection[Replica] = ()
    ) -> Replica | None:
        """Return the replica that shall answer a statement; None: the primary."""
        if not footprint.is_replicable or not self.may_choose() or self._is_in_doubt():
            return None
        unit, fleet = SCOPE.get(), self.fleet
        assert unit is not None
        assert fleet is not None
        touched = footprint.at_large
        tables = None if touched.reads_unknown else touched.reads
        return fleet.replica_for(unit, tables, without=without)

    def stand_in_for(self, footprint: Footprint) -> Replica | None:
        """Return the replica that shall answer while the primary can't be reached, if one may."""
        if not footprint.is_replicable or not self.may_choose() or self._in_doubt:
            return None
        unit, touched = SCOPE.get(), footprint.at_large
        assert unit is not None
        assert self.fleet is not None
        return self.fleet.stand_in(unit, None if touched.reads_unknown else touched.reads)

    def note_refused(self) -> None:
        """Note that what looked like a query has written: its client must see that from now on."""
        unit = SCOPE.get()
        if unit is not None and self.fleet is not None:
            unit.reader.wrote.add(self.fleet.database)
            unit.reader.floors.add((Reached(self.fleet.slot, self.read_position()),))
            unit.reader.has_news = True

    def note_session(self, footprint: Footprint, sql: Any) -> None:
        """Keep to the primary from here on, if a statement leaves something behind on its session."""
        if not footprint.binds_session or self.is_bound or self.fleet is None:
            return
        self.is_bound = schema_for(self).is_complete or len(self._in_doubt) >= MOST_DOUBTS
        self._in_doubt.append(sql)

    def _is_in_doubt(self) -> bool:
        """Find out whether what was sent has bound the session; True while nobody knows."""
        if not self._in_doubt:
            return False
        schema = schema_for(self)
        if schema.is_complete:
            self.is_bound = any(analyse(sql, schema).binds_session for sql in self._in_doubt)
            self._in_doubt.clear()
        return self.is_bound or bool(self._in_doubt)

    # Positions --------------------------------------------------------------------------------

    def read_position(self) -> Position:
        """Return how far the primary has got, asked on the connection that there is."""
        raw = self.connection
        if raw is None:
            return UNKNOWN
        try:
            with self.wrap_database_errors:
                position = self.positions.of_primary(raw)
                if not raw.autocommit:  # it was idle, and is to stay so
                    raw.rollback()
        except Error:
            return UNKNOWN
        self._history = raw, position[:2]
        return position

    def look(self) -> Position:
        """Return how far the primary has got, connecting to it if need be; UNKNOWN if it is away.

        One that was away a moment ago is not tried again.
        """
        if self.connection is None and not self.health.is_up:
            return UNKNOWN
        try:
            self.reach()
        except Error:
            return UNKNOWN
        return self.read_position()

    def reach(self) -> None:
        """Connect to the primary, and note whether that could be done."""
        try:
            self.close_if_health_check_failed()
            self.ensure_connection()
        except Error:
            self.health.failed(pinning_settings().retry_after)
            raise
        self.health.answered()

    def history(self) -> tuple[int, int] | None:
        """Return system and timeline of the primary, asked once per connection; None if it is away."""
        if self.connection is None or self._history[0] is not self.connection:
            self.look()
        return self._history[1] if self._history[0] is self.connection else None

    def disconnect(self) -> None:
        """Close the connection to the primary alone."""
        super().close()

    def catalog(self) -> Any:
        """Return a raw connection to ask for what the database consists of, before there is one."""
        if self.fleet is None:
            return None
        return self.connection if self.look() != UNKNOWN else None
