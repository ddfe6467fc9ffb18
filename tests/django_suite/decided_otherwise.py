"""The lists of what we decide otherwise than Django's tests expect, and why."""

from __future__ import annotations

__all__ = ["DECIDED_OTHERWISE", "ON_REPLICAS"]

COUNTS = (
    "MAX_ENTRIES and CULL_FREQUENCY count entries, whatever their size, and drop a share of them "
    "at once. MachineCache bounds bytes (L1_BYTES, L2_BYTES) and drops what is used least; so the "
    "cull aliases keep all of the few small entries that these tests set."
)

DECIDED_OTHERWISE = {
    "test_cull": COUNTS,
    "test_zero_cull": COUNTS,
}
"""Of ``MachineCache``, by method."""

OBSERVED = (
    "The observer of causality is one of ``execute_wrappers``, where anybody may be; the test says that "
    "nobody else is."
)
LAZY = (
    "The primary is connected when it has to answer something: a cursor that nobody uses, or whose query "
    "a replica answers, does without, so that reads go on while the primary is down."
)

COLLECTED = (
    "A connection and its replicas know each other, and so does the observer know it: what is dropped "
    "unclosed waits for the collector. Django's own connection does without since 6.1."
)

ON_REPLICAS = {
    "backends.base.test_base.DatabaseWrapperTests.test_release_memory_without_garbage_collection": COLLECTED,
    "backends.postgresql.tests.Tests.test_nodb_cursor": LAZY,
    "backends.base.test_base.ExecuteWrapperTests.test_wrapper_connection_specific": OBSERVED,
    "backends.base.test_base.ConnectionHealthChecksTests.test_health_checks_enabled": LAZY,
    "backends.tests.ConnectionCreatedSignalTest.test_signal": LAZY,
}
"""Of ``nothing_shared.pinning.postgresql``, by the test's name."""
