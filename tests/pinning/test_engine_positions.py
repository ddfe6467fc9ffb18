"""What PostgreSQL says of its log, as positions."""

from __future__ import annotations

import pytest

from nothing_shared.pinning.positions.postgresql import end_of_record, folded

PAGE, SEGMENT = 8192, 16 * 2**20


@pytest.mark.parametrize(
    ("lsn", "end"),
    [
        (PAGE + 24, PAGE),
        (SEGMENT + 40, SEGMENT),
        (SEGMENT + PAGE + 24, SEGMENT + PAGE),
        (PAGE, PAGE),
        (PAGE + 25, PAGE + 25),
        (PAGE + 40, PAGE + 40),
        (SEGMENT + 24, SEGMENT + 24),
        (5 * PAGE + 4000, 5 * PAGE + 4000),
    ],
)
def test_p12_where_the_next_record_would_begin_is_past_where_the_last_one_ended(
    lsn: int, end: int
) -> None:
    assert end_of_record(lsn, PAGE, SEGMENT) == end


def test_a_system_s_identifier_is_told_by_32_bits_of_all() -> None:
    assert folded(7_000_000_000_000_000_001) < 2**32
    assert folded(2**63 + 5) != folded(5)
    assert folded(2**32 + 5) != folded(5)
