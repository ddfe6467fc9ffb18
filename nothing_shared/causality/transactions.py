"""What a connection is in the middle of."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from nothing_shared.causality.introspection import INTROSPECTIONS

__all__ = ["in_transaction", "is_idle", "is_manual"]


def in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Say whether writes wait for a block's commit; the blocks of ``TestCase`` never do, and don't count."""
    blocks: list[Any] = connection.atomic_blocks
    return (
        bool(blocks)
        and connection.commit_on_exit
        and not any(block._from_testcase for block in blocks)
    )


def is_manual(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the site itself calls ``commit()``, which nobody hears; blocks then commit nothing."""
    if connection.autocommit:
        return False
    return not connection.in_atomic_block or not connection.commit_on_exit


def is_idle(connection: BaseDatabaseWrapper) -> bool | None:
    """Say whether the session is outside any transaction; None where its engine can't be asked."""
    asking = INTROSPECTIONS.get(connection.vendor)
    if asking is None or connection.connection is None:
        return None
    return asking.is_idle(connection.connection)
