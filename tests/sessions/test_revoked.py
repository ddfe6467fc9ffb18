from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nothing_shared.node import layout
from nothing_shared.node.change import Change
from nothing_shared.node.table import ChangeTable
from nothing_shared.sessions.revoked import (
    ANY,
    SLOT_OF_EVERYONE,
    Bearer,
    Entry,
    Revoked,
    session_name,
    slot_of_session,
    slot_of_user,
    user_name,
)

ADA = Bearer("a" * 32, "1", 5)
BEN = Bearer("b" * 32, "2", 5)
NOBODY = Bearer("c" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def revoked(tmp_path: Path) -> Revoked:
    """Memory that has read an empty table, on a node that hears."""
    known = Revoked(ChangeTable(tmp_path, slot_count=1024, clock=Clock()))
    known.table.words[layout.LEASE_UNTIL] = 10**9
    known.read([], known.table.clock())
    return known


def revoke(known: Revoked, slot: int) -> None:
    known.table.apply(Change((ANY, slot)))


def test_before_anything_was_read_memory_knows_nothing(tmp_path: Path) -> None:
    known = Revoked(ChangeTable(tmp_path, slot_count=1024))
    assert known.is_void
    assert known.verdict(ADA) is None


def test_what_was_read_is_known(revoked: Revoked) -> None:
    entries = [Entry(session_name(ADA.sid)), Entry(user_name("2"), 6)]
    revoked.read(entries, revoked.table.clock())
    assert [revoked.verdict(bearer) for bearer in (ADA, BEN, NOBODY)] == [True, True, False]
    assert revoked.verdict(BEN._replace(generation=6)) is False


def test_a_revocation_makes_only_its_own_session_a_question(revoked: Revoked) -> None:
    revoke(revoked, slot_of_session(ADA.sid))
    assert revoked.verdict(ADA) is None
    assert revoked.verdict(BEN) is False
    begun = revoked.table.clock()
    revoked.note(ADA, [Entry(session_name(ADA.sid))], begun)
    assert revoked.verdict(ADA) is True


def test_a_question_that_found_nothing_is_answered_until_the_next_change(revoked: Revoked) -> None:
    revoke(revoked, slot_of_user(ADA.user))
    assert revoked.verdict(ADA) is None
    revoked.note(ADA, [], revoked.table.clock())
    assert revoked.verdict(ADA) is False
    revoke(revoked, slot_of_user(ADA.user))
    assert revoked.verdict(ADA) is None


def test_a_question_that_was_asked_before_the_change_answers_nothing(revoked: Revoked) -> None:
    begun = revoked.table.clock()
    revoke(revoked, slot_of_session(ADA.sid))
    revoked.note(ADA, [], begun)
    assert revoked.verdict(ADA) is None


def test_an_older_answer_does_not_bring_back_what_a_newer_one_has_ended(revoked: Revoked) -> None:
    before = revoked.table.clock()
    revoke(revoked, slot_of_user("1"))
    revoked.note(ADA, [Entry(user_name("1"), 6)], revoked.table.clock())
    revoked.note(ADA._replace(sid="d" * 32), [Entry(user_name("1"), 5)], before)
    assert revoked.verdict(ADA) is True


def test_all_that_is_read_between_an_answer_and_its_note_loses_nothing(revoked: Revoked) -> None:
    before = revoked.table.clock()
    revoke(revoked, slot_of_session(ADA.sid))
    begun = revoked.table.clock()

    def found() -> Iterator[Entry]:
        yield Entry(session_name(ADA.sid))
        revoked.read([], before)

    revoked.note(ADA, found(), begun)
    assert revoked.verdict(ADA) is True
    revoked.read([], before)
    assert revoked.verdict(ADA) is not False, "what was read earlier is older"


def test_a_question_about_a_session_alone_answers_nothing_about_its_user(revoked: Revoked) -> None:
    revoke(revoked, slot_of_user("1"))
    revoke(revoked, slot_of_session(ADA.sid))  # or another of the same slot
    alone = Bearer(ADA.sid)
    assert (revoked.verdict(alone), revoked.verdict(ADA)) == (None, None)
    revoked.note(alone, [], revoked.table.clock())
    assert (revoked.verdict(alone), revoked.verdict(ADA)) == (False, None)


def test_a_sign_out_of_everyone_is_a_question_of_all_who_are_signed_in(revoked: Revoked) -> None:
    revoke(revoked, SLOT_OF_EVERYONE)
    assert [revoked.verdict(bearer) for bearer in (ADA, BEN, NOBODY)] == [None, None, False]


def test_a_gap_voids_what_is_known_except_what_has_ended(revoked: Revoked) -> None:
    revoked.read([Entry(session_name(ADA.sid))], revoked.table.clock())
    revoked.table.forget_everything()
    assert revoked.is_void
    assert (revoked.verdict(ADA), revoked.verdict(BEN)) == (True, None)


def test_a_node_that_may_be_deaf_knows_only_what_has_ended(revoked: Revoked) -> None:
    revoked.read([Entry(session_name(ADA.sid))], revoked.table.clock())
    revoked.table.words[layout.LEASE_UNTIL] = 0
    assert (revoked.verdict(ADA), revoked.verdict(BEN)) == (True, None)
    assert revoked.has_heard_nothing_of(BEN)


def test_the_spared_session_goes_on(revoked: Revoked) -> None:
    revoked.read([Entry(user_name("1"), 6, ADA.sid)], revoked.table.clock())
    assert revoked.verdict(ADA) is False
    assert revoked.verdict(ADA._replace(sid="d" * 32)) is True


def test_too_many_single_answers_make_it_read_all_anew(revoked: Revoked) -> None:
    for number in range(2001):
        revoked.note(Bearer(f"{number:032x}"), [], revoked.table.clock())
    assert revoked.is_void


def test_a_user_of_any_key_has_a_name_that_fits_the_table() -> None:
    assert len(user_name("x" * 5000)) < 255
    assert user_name("x" * 5000) != user_name("x" * 5001)
