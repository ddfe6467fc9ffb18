"""What a client has written travels with it: joined, signed, and only where it must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.cache import CacheMiddleware
from django.test import override_settings

from nothing_shared.causality import ticket
from nothing_shared.causality.tickets import decode
from nothing_shared.node.positions import UNKNOWN
from nothing_shared.signing import signer
from tests.pinning.local import ALIAS, Client, connection, count, make, node_at, warm
from tests.servers import Replication

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("pinned")]

HEADER = "NS-Ticket"


@pytest.fixture
def client(pinned: Replication) -> Client:
    """A client on whose replicas nothing new shows."""
    warm()
    for replica in pinned.replicas:
        replica.pause()
    return Client()


def elsewhere(client: Client, directory: Path) -> int:
    """Count authors for a client on a node that has heard of nothing."""
    with node_at(directory / "elsewhere"):
        return client.get(count)


def positions(text: str) -> list[int]:
    return [reached.position.lsn for reached in decode(text, signer("ticket")).positions]


def test_p8_tickets_of_responses_that_overtake_each_other_are_joined(
    client: Client, tmp_path: Path
) -> None:
    before = count()
    first, second = Client(), Client()
    first.post(lambda: make("first"))
    second.post(lambda: make("second"))
    for order in ([first, second], [second, first]):
        both = Client()
        for one in order:  # both requests were sent before either response came
            both.receive(one.response)
        assert len(both.jar) == 2
        assert elsewhere(both, tmp_path / str(order.index(first))) == before + 2


def test_p8_a_response_deletes_the_names_that_it_received_and_no_other(client: Client) -> None:
    client.post(lambda: make("first"))
    (old,) = client.jar
    client.jar["ns_ticket_unseen"] = "set by a response that came after the request was sent"
    sent = Client()
    sent.jar = {old: client.jar[old]}
    sent.post(lambda: make("second"))
    client.receive(sent.response)
    assert old not in client.jar
    assert "ns_ticket_unseen" in client.jar


def test_p8_a_client_that_writes_on_and_on_keeps_one_cookie_of_one_size(client: Client) -> None:
    sizes = set()
    for number in range(30):
        client.post(lambda number=number: make(f"author {number}"))
        sizes.add(len(next(iter(client.jar.values()))))
        assert len(client.jar) == 1
    assert max(sizes) < 3_500


def test_positions_outlast_what_caches_have_to_know(client: Client, tmp_path: Path) -> None:
    client.post(lambda: make("Ursula"))
    (morsel,) = [m for m in client.response.cookies.values() if m["max-age"] != 0]
    assert morsel["max-age"] == ""  # for as long as the browser runs
    assert morsel["httponly"] and morsel["samesite"] == "Lax"
    with override_settings(NOTHING_SHARED_CAUSALITY={"CLOCK_SKEW": 0.0}):
        carried = decode(morsel.value, signer("ticket"))
        assert carried.since(carried.carried[0].made + 1).positions == carried.positions


@pytest.mark.parametrize("cookie", ["", "forged", "a.b", "\x00", "A" * 4000])
def test_p18_a_forged_ticket_costs_one_look_at_the_primary_and_a_good_ticket(
    client: Client, cookie: str, tmp_path: Path
) -> None:
    client.jar = {"ns_ticket_forged": cookie}
    client.get(count)
    assert client.response.status_code == 200
    assert client.served == {ALIAS: 1}
    assert "ns_ticket_forged" not in client.jar
    (good,) = client.jar.values()
    assert positions(good) == [UNKNOWN.lsn]
    client.get(count)
    (good,) = client.jar.values()
    assert 0 < positions(good)[0] < UNKNOWN.lsn


def test_p18_a_ticket_under_a_key_of_yesterday_is_believed(client: Client, tmp_path: Path) -> None:
    from django.conf import settings

    before = count()
    client.post(lambda: make("Ursula"))
    with override_settings(SECRET_KEY="new " * 20, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert elsewhere(client, tmp_path) == before + 1


def test_p18_a_ticket_of_the_release_before_is_not_misread(client: Client) -> None:
    old = "AQAAAAA"  # version 1, of nothing
    client.jar = {"ns_ticket_old": signer("ticket").sign(old).decode()}
    client.get(count)
    assert client.served == {ALIAS: 1}


def test_p22_only_a_response_that_wrote_sets_a_cookie(client: Client) -> None:
    client.get(count)
    assert not client.response.cookies
    assert not client.response.has_header("Cache-Control")
    client.post(lambda: make("Ursula"))
    assert "private" in client.response["Cache-Control"]
    assert "Cookie" in client.response["Vary"]
    client.get(count)
    assert not client.response.cookies


def test_p22_no_shared_cache_is_left_to_keep_a_ticket(client: Client) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        make("Ursula")
        return HttpResponse(headers={"Cache-Control": "public, max-age=600"})

    assert client.send(view, "get")["Cache-Control"] == "max-age=600, private"


def test_p22_a_page_in_the_cache_of_the_site_has_nobody_s_ticket(client: Client) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        count()
        return HttpResponse("page")

    client.post(lambda: make("Ursula"))
    cached = CacheMiddleware(view, key_prefix="p22", cache_timeout=60)  # type: ignore[arg-type]
    for _ in range(2):
        assert not client.send(cached, "get").cookies


def test_an_error_after_a_commit_hands_out_a_ticket(client: Client, tmp_path: Path) -> None:
    before = count()

    def view(request: HttpRequest) -> HttpResponse:
        make("Ursula")
        return HttpResponse(status=500)

    assert client.send(view, "post").status_code == 500
    assert elsewhere(client, tmp_path) == before + 1


def test_a_stream_that_writes_after_its_headers_leaves_its_client_with_the_primary(
    client: Client, tmp_path: Path
) -> None:
    before = count()

    def body() -> Iterator[bytes]:
        yield b"begun"
        make("late")
        yield ticket().encode()

    response = client.send(lambda request: StreamingHttpResponse(body()), "post")
    parts = b"".join(response.streaming_content).removeprefix(b"begun")  # type: ignore[attr-defined]
    assert elsewhere(client, tmp_path) == before + 1
    assert client.used_primary
    by_hand = Client(headers={HEADER: parts.decode()})
    assert elsewhere(by_hand, tmp_path / "another") == before + 1


def test_a_client_without_cookies_carries_its_ticket_in_a_header(
    client: Client, tmp_path: Path
) -> None:
    before = count()
    writer = Client(headers={HEADER: ""})
    writer.post(lambda: make("Ursula"))
    assert not writer.response.cookies
    assert HEADER in writer.response["Vary"]
    one = writer.response[HEADER]
    writer.post(lambda: make("Octavia"))
    reader = Client(headers={HEADER: f"{one}, {writer.response[HEADER]}"})
    assert elsewhere(reader, tmp_path) == before + 2
    assert reader.used_primary


def test_a_forged_header_is_answered_with_a_good_one(client: Client) -> None:
    reader = Client(headers={HEADER: "forged"})
    reader.get(count)
    assert reader.served == {ALIAS: 1}
    assert positions(reader.response[HEADER]) == [UNKNOWN.lsn]


def test_a_site_without_tickets_reads_from_the_primary(client: Client) -> None:
    with override_settings(NOTHING_SHARED_CAUSALITY={"TICKETS": False}):
        client.get(count)
    assert client.served == {ALIAS: 1}


def test_a_write_whose_position_can_t_be_read_pins_until_the_primary_was_asked(
    client: Client, tmp_path: Path
) -> None:
    before = count()

    def view() -> None:
        make("Ursula")
        connection().disconnect()

    client.post(view)
    assert elsewhere(client, tmp_path) == before + 1
