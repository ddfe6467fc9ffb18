"""What a replica's failure means: whether somebody else is asked, and who.

The one place that says so. A statement is sent once more, at the most, and only outside transactions.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from django.db import InterfaceError, OperationalError

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
    """Who is asked after a replica has failed to answer."""

    NOBODY = "nobody"
    """The statement itself is wrong, or was cancelled: it would fail anywhere."""
    PRIMARY = "primary"
    """No replica can do this."""
    WRITES = "writes"
    """It writes, whatever it looks like: the primary."""
    ANOTHER = "another"
    """This replica can't, now."""


READ_ONLY = "25006"
ONLY_PRIMARY = frozenset(
    (
        "0A000",  # feature_not_supported: not in recovery
        "3F000",  # invalid_schema_name, and what else may not have been replayed yet
        "22P02",  # invalid_text_representation: an enum's new label, for one
        "3D000",
        "42501",  # insufficient_privilege, of the role that reads there
        "42703",
        "42704",
        "42883",
        "42P01",
        "55000",  # object_not_in_prerequisite_state: not in recovery
    )
)
THIS_REPLICA = frozenset(
    (
        "40001",  # serialization_failure: what it reads was removed on the primary
        "40P01",  # deadlock_detected: with the replay
        "53300",  # too_many_connections
        "55P03",
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now
        "58030",
        "XX000",
        "XX001",
        "XX002",
    )
)


def judge(failure: BaseException, *, is_connected: bool) -> Verdict:
    state: Any = getattr(failure.__cause__, "sqlstate", None) or ""
    if state == READ_ONLY:
        return Verdict.WRITES
    if state in ONLY_PRIMARY:
        return Verdict.PRIMARY
    if state in THIS_REPLICA or state.startswith("08"):
        return Verdict.ANOTHER
    if not is_connected and isinstance(failure, (InterfaceError, OperationalError)):
        return Verdict.ANOTHER
    return Verdict.NOBODY
