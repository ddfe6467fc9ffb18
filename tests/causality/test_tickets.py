"""A ticket carries what a client changed; what this site did not sign carries nothing."""

from __future__ import annotations

import pytest
from django.test import override_settings
from hypothesis import given, settings, strategies as st

from nothing_shared.causality.tickets import (
    MAX_SLOTS,
    BadTicket,
    Carried,
    Ticket,
    decode,
    encode,
)
from nothing_shared.node.change import Change
from nothing_shared.node.positions import Position, Reached
from nothing_shared.signing import signer

LONGEST_COOKIE = 3_500

slot = st.integers(0, 2**32 - 1)
change = st.builds(
    Change, st.lists(slot, max_size=20).map(tuple), st.integers(1, 2**63), st.just(())
)
carried = st.builds(Carried, change, st.integers(0, 2**32 - 1))
word = st.integers(0, 2**32 - 1)
position = st.builds(Position, word, word, st.integers(0, 2**64 - 1))
reached = st.builds(Reached, word, position, st.lists(slot, max_size=20).map(tuple))
ticket = st.builds(
    Ticket,
    st.lists(carried, max_size=12).map(tuple),
    st.integers(0, 2**32 - 1),
    st.lists(reached, max_size=12).map(tuple),
)


def made(slots: int, *, changes: int = 1, at: int = 100) -> Ticket:
    return Ticket(
        tuple(
            Carried(Change(tuple(range(slots)), id=number + 1), at + number)
            for number in range(changes)
        )
    )


@given(ticket)
def test_what_is_written_is_read(original: Ticket) -> None:
    assert decode(encode(original, signer("ticket")), signer("ticket")) == original


@given(ticket)
def test_a_bounded_ticket_fits_into_a_cookie_whatever_it_says(original: Ticket) -> None:
    assert len(encode(original.bounded(), signer("ticket"))) <= LONGEST_COOKIE


@pytest.mark.parametrize(("slots", "changes"), [(1, 120), (477, 1), (2, 96), (237, 2), (0, 160)])
def test_the_largest_tickets_that_are_carried_fit_into_a_cookie(slots: int, changes: int) -> None:
    original = made(slots, changes=changes)
    assert original.bounded() is original
    assert len(encode(original, signer("ticket"))) <= LONGEST_COOKIE


def test_a_client_that_changed_too_much_is_noted_as_such() -> None:
    bounded = made(2, changes=MAX_SLOTS).bounded()
    assert bounded == Ticket(overflowed=100 + MAX_SLOTS - 1)
    assert bounded


def test_an_overflow_is_not_forgotten_by_the_next() -> None:
    """Not even if the node that saw the first has a wall clock ahead."""
    earlier = Ticket(overflowed=10_000)
    assert made(2, changes=MAX_SLOTS).joined([earlier]).bounded().overflowed == 10_000


@given(st.lists(ticket, max_size=4))
def test_tickets_are_joined_by_union_in_any_order(several: list[Ticket]) -> None:
    one, other = Ticket().joined(several), Ticket().joined(reversed(several))
    ids = {carried.change.id for ticket in several for carried in ticket.carried}
    assert {carried.change.id for carried in one.carried} == ids
    assert {carried.change.id for carried in other.carried} == ids
    assert one.overflowed == other.overflowed


def test_each_change_is_carried_once() -> None:
    assert made(3).joined([made(3)]) == made(3)


def test_a_ticket_drops_what_every_node_has_heard_by_now() -> None:
    original = Ticket((*made(1, at=100).carried, *made(2, at=200).carried), overflowed=150)
    assert original.since(120) == Ticket(made(2, at=200).carried, overflowed=150)
    assert original.since(160).overflowed == 0
    assert not original.since(201)


# What this site did not sign ----------------------------------------------------------------------


@given(st.text(max_size=200))
def test_a_forged_ticket_is_a_bad_one(text: str) -> None:
    with pytest.raises(BadTicket):
        decode(text, signer("ticket"))


@given(st.characters(), st.data())
def test_a_ticket_of_which_a_letter_was_changed_is_a_bad_one(
    letter: str, data: st.DataObject
) -> None:
    good = encode(made(3), signer("ticket"))
    at = data.draw(st.integers(0, len(good) - 1))
    forged = good[:at] + letter + good[at + 1 :]
    if forged == good:
        return
    try:
        read = decode(forged, signer("ticket"))
    except BadTicket:
        return
    assert read == made(3), "base64 has spare bits at its end"


@given(st.integers(0, 200))
def test_a_ticket_that_was_cut_short_is_a_bad_one(length: int) -> None:
    good = encode(made(3), signer("ticket"))
    if length < len(good):
        with pytest.raises(BadTicket):
            decode(good[:length], signer("ticket"))


@given(st.binary(max_size=80))
@settings(max_examples=300)
def test_even_what_is_signed_may_be_anything(body: bytes) -> None:
    """A key that another release of the site used in another way."""
    from base64 import urlsafe_b64encode

    text = signer("ticket").sign(urlsafe_b64encode(body)).decode()
    try:
        read = decode(text, signer("ticket"))
    except BadTicket:
        return
    assert isinstance(read, Ticket)


def test_a_signature_for_another_purpose_is_void() -> None:
    with pytest.raises(BadTicket):
        decode(encode(made(1), signer("session")), signer("ticket"))


def test_keys_rotate() -> None:
    with override_settings(SECRET_KEY="old"):
        old = encode(made(1), signer("ticket"))
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert decode(old, signer("ticket")) == made(1)
        new = encode(made(2), signer("ticket"))
    with override_settings(SECRET_KEY="old"), pytest.raises(BadTicket):
        decode(new, signer("ticket"))
    with override_settings(SECRET_KEY="old", SECRET_KEY_FALLBACKS=["new"]):
        assert decode(new, signer("ticket")) == made(2), "the other way to rotate"
