"""The one list of what ``MachineCache`` decides otherwise than Django's tests expect, and why."""

from __future__ import annotations

__all__ = ["DECIDED_OTHERWISE"]

COUNTS = (
    "MAX_ENTRIES and CULL_FREQUENCY count entries, whatever their size, and drop a share of them "
    "at once. MachineCache bounds bytes (L1_BYTES, L2_BYTES) and drops what is used least; so the "
    "cull aliases keep all of the few small entries that these tests set."
)

DECIDED_OTHERWISE = {
    "test_cull": COUNTS,
    "test_zero_cull": COUNTS,
}
