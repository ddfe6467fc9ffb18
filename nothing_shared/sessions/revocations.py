"""Sign sessions out, and know who was signed out."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router, transaction
from django.db.models import F
from django.db.models.functions import Greatest, Now

from nothing_shared.causality.pending import touch
from nothing_shared.causality.transactions import is_manual
from nothing_shared.locks import LockTimeout
from nothing_shared.node import process
from nothing_shared.sessions import wall
from nothing_shared.sessions.conf import session_settings
from nothing_shared.sessions.models import Revocation
from nothing_shared.sessions.revoked import (
    ANY,
    EVERYONE,
    SLOT_OF_EVERYONE,
    Bearer,
    Entry,
    Revoked,
    is_ended,
    session_name,
    slot_of_session,
    slot_of_user,
    user_name,
)
from nothing_shared.sessions.signals import sessions_revoked

__all__ = [
    "Withheld",
    "end_generation",
    "end_session",
    "generation_of",
    "is_asked_within_a_transaction",
    "is_revoked",
    "is_revoked_for_certain",
    "once_certain",
    "purge",
    "quick_verdict",
]

Result = TypeVar("Result")


class Withheld(Exception):
    """Whether this session was revoked can't be known now, and the site said to deny it then."""


_revoked: Revoked | None = None
_reading = threading.Lock()


def _forget_in_child() -> None:
    global _revoked, _reading
    _revoked, _reading = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_in_child)


def _current() -> Revoked:
    """Return this process's memory, made anew where the node's table was."""
    global _revoked
    table = process.current().table
    if _revoked is None or _revoked.table is not table:
        _revoked = Revoked(table)
    return _revoked


# Asking --------------------------------------------------------------------------------------


def quick_verdict(bearer: Bearer) -> bool | None:
    """Say, from memory alone, whether a session is revoked; None if the database must be asked."""
    return None if _revoked is None else _revoked.verdict(bearer)


def is_revoked(bearer: Bearer) -> bool:
    """Say whether a session is revoked; asks the database where memory can't tell.

    Raises :class:`Withheld`, or DatabaseError.
    """
    verdict = None if _revoked is None else _revoked.verdict(bearer)
    return _judge(bearer) if verdict is None else verdict


def is_revoked_for_certain(bearer: Bearer) -> bool:
    """Say so even where this node may be deaf and the site denies sessions then: something was done."""
    try:
        return is_revoked(bearer)
    except Withheld:
        return is_ended(bearer, _found(bearer))


def _judge(bearer: Bearer) -> bool:
    try:
        known = _current()
    except (OSError, LockTimeout, ImproperlyConfigured):  # without a node there is the database
        return _judge_without_node(bearer)
    choice = "" if not known.may_be_deaf else _choice(bearer)
    if known.is_void and choice in ("", "trust"):
        _read_all(known)
    verdict = known.verdict(bearer)
    if verdict is not None:
        return verdict
    if choice == "trust" and known.has_heard_nothing_of(bearer):
        return False
    if choice == "deny":
        raise Withheld
    return _ask(known, bearer)


def _judge_without_node(bearer: Bearer) -> bool:
    if _choice(bearer) == "deny":
        raise Withheld
    return is_ended(bearer, _found(bearer))


def _choice(bearer: Bearer) -> str:
    """Return what a deaf node does; who is not signed in can't be signed out behind its back."""
    return session_settings().when_partitioned if bearer.user else "trust"


def _read_all(known: Revoked) -> None:
    """Read the table, in one thread of this process at a time; others ask for one session each."""
    if not _may_remember() or not _reading.acquire(blocking=False):
        return
    try:
        begun = known.table.clock()
        # Those that have expired, too: this node's clock may be wrong.
        known.read(_unobserved(lambda: [Entry(*row) for row in _rows().iterator()]), begun)
    finally:
        _reading.release()


def _ask(known: Revoked, bearer: Bearer) -> bool:
    begun = known.table.clock()
    found = _found(bearer)
    if _may_remember():
        known.note(bearer, found, begun)
    return is_ended(bearer, found)


def _found(bearer: Bearer) -> list[Entry]:
    return _unobserved(lambda: [Entry(*row) for row in _rows().filter(name__in=bearer.names)])


def _rows() -> Any:
    return Revocation.objects.using(_alias()).values_list("name", "generation", "spared")


def _alias() -> str:
    return router.db_for_write(Revocation)


def _may_remember() -> bool:
    """Say whether the database shows what is true now, and will be: no open transaction's snapshot.

    Nor what a ``TestCase`` rolls back, though its blocks pass for none elsewhere.
    """
    connection = connections[_alias()]
    return not connection.in_atomic_block and not is_manual(connection)


def is_asked_within_a_transaction() -> bool:
    """Say whether views run in a transaction, in which no answer may be remembered."""
    return bool(connections[_alias()].settings_dict["ATOMIC_REQUESTS"])


def _unobserved(ask: Callable[[], Result]) -> Result:
    """Ask in a unit of work of its own: nothing that this request caches depends on the answer."""
    return contextvars.Context().run(ask)


def _now() -> int:
    return int(wall.clock())


# Revoking ------------------------------------------------------------------------------------


def end_session(sid: str, *, until: int) -> None:
    """Refuse every cookie of one session from now on, until none of them could count any more."""
    alias, name = _alias(), session_name(sid)
    with transaction.atomic(using=alias):
        row = Revocation(name=name, expires=until)
        Revocation.objects.using(alias).bulk_create([row], ignore_conflicts=True)
        touch((ANY, slot_of_session(sid)))
    sessions_revoked.send_robust(sender=Revocation, name=name)


def once_certain(call: Callable[[], object]) -> None:
    """Call when what was written here has been committed; never if it is rolled back.

    Nor in manual transaction mode, where nobody tells of the COMMIT.
    """
    alias = _alias()
    if not is_manual(connections[alias]):
        transaction.on_commit(call, using=alias)


def end_generation(user: str, *, until: int, spared: str = "") -> int:
    """Refuse every session of a user, or with "" of everyone, that there is now, except one.

    No clock decides which those are: each session carries the number of the last such sign-out that
    it outlives, and those numbers only grow. Returns the new one.
    """
    alias, name = _alias(), user_name(user) if user else EVERYONE
    with transaction.atomic(using=alias):
        rows = Revocation.objects.using(alias)
        newest = max(_now(), _newest(rows, name) + 1)
        rows.get_or_create(name=name, defaults={"expires": until})
        rows.filter(name=name).update(
            generation=Greatest(F("generation") + 1, newest),
            expires=Greatest(F("expires"), until),
            spared=spared,
        )
        generation: int = rows.values_list("generation", flat=True).get(name=name)
        touch((ANY, slot_of_user(user) if user else SLOT_OF_EVERYONE))
    sessions_revoked.send_robust(sender=Revocation, name=name)
    return generation


def _newest(rows: Any, name: str) -> int:
    """Return the highest generation that anybody under this name may have."""
    wanted = rows if name == EVERYONE else rows.filter(name__in=(name, EVERYONE))
    return max(wanted.values_list("generation", flat=True), default=0)


def generation_of(user: str) -> int:
    """Return the number that a session of this user which begins now carries; asks the database."""
    rows = Revocation.objects.using(_alias())
    return _unobserved(lambda: _newest(rows, user_name(user)))


def purge() -> int:
    """Delete what no cookie could need any more, and return how many rows that was.

    By the earlier of two clocks, the database's and this node's: one wrong clock signs nobody in.
    """
    return _unobserved(_purge)


def _purge() -> int:
    rows = Revocation.objects.using(_alias())
    theirs = rows.annotate(now=Now()).values_list("now", flat=True).first()
    if theirs is None:
        return 0
    deleted: int = rows.filter(expires__lt=min(_now(), theirs.timestamp())).delete()[0]
    return deleted
