"""What a program can do at the demo, and what it is told when it does it wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .running import FORM, Demo, Visitor

pytestmark = pytest.mark.slow

MISSING = [0, 999, 10**30]


def test_an_event_says_what_it_sold_and_which_tier_knew(demo: Demo, visitor: Visitor) -> None:
    answer = visitor.get(f"{demo.front}/api/events/9/")
    assert answer.status == 200
    assert set(answer.json) == {"id", "title", "sold", "tier"}
    assert answer.json["id"] == 9
    assert answer.json["title"] == "Orchard House"
    assert answer.json["sold"] == 46
    assert answer.json["tier"] in {"l1", "l2", "miss"}


def test_the_list_has_every_event_and_a_tier(demo: Demo, visitor: Visitor) -> None:
    answer = visitor.get(f"{demo.front}/api/events/")
    assert answer.status == 200
    assert [event["id"] for event in answer.json["events"]] == list(range(1, 13))
    assert all({"id", "title", "sold"} <= set(event) for event in answer.json["events"])
    assert answer.json["tier"] in {"l1", "l2", "miss"}


def test_a_ticket_costs_one_request_without_token_or_body(demo: Demo, visitor: Visitor) -> None:
    before = demo.facts("The Paper Orchestra")
    answer = visitor.send("POST", f"{demo.front}/api/events/{before['id']}/buy/")
    assert answer.status == 201
    assert set(answer.json) == {"ticket", "sold"}
    assert answer.json["sold"] == before["sold"] + 1
    assert (
        visitor.get(f"{demo.front}/api/events/{before['id']}/").json["sold"] == before["sold"] + 1
    )


@pytest.mark.parametrize("how", ["json", "form"])
def test_the_body_may_name_the_buyer(demo: Demo, visitor: Visitor, how: str) -> None:
    event = demo.facts("Sugar Roofs")["id"]
    send = visitor.post_json if how == "json" else visitor.post
    bought = send(f"{demo.front}/api/events/{event}/buy/", {"buyer": f"  Zoë  {how} "})
    assert bought.status == 201
    page = visitor.get(f"{demo.front}/users/zo%C3%AB-{how}/")
    assert f"Zoë {how}" in page.text
    assert str(bought.json["ticket"]) in page.text


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"[1]", "application/json"),
        (b'"Ada"', "application/json"),
        (b'{"buyer": 7}', "application/json"),
        (b'{"buyer": null}', "application/json"),
        (b'{"buyer": "\\ud800"}', "application/json"),
        (b'{"buyer": "\\u0000Ada"}', "application/json"),
        (b'{"buyer": "!!!"}', "application/json"),
        (b'{"buyer": "' + b"a" * 61 + b'"}', "application/json"),
        (b"buyer=%00Ada", FORM),
        (b"buyer=" + b"a" * 61, FORM),
        (b"nothing like it", "multipart/form-data; boundary="),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_makes_no_sense_sells_nothing(
    demo: Demo, visitor: Visitor, body: bytes, content_type: str
) -> None:
    event = demo.facts("Quiet Planet")
    url = f"{demo.front}/api/events/{event['id']}/buy/"
    assert visitor.send("POST", url, body, content_type=content_type).status == 400
    assert demo.facts("Quiet Planet")["sold"] == event["sold"]


def test_a_body_that_is_too_long_is_refused(demo: Demo, visitor: Visitor) -> None:
    body = b'{"buyer": "' + b"a" * 3_000_000 + b'"}'
    url = f"{demo.front}/api/events/10/buy/"
    assert visitor.send("POST", url, body, content_type="application/json").status in {400, 413}


@pytest.mark.parametrize("number", MISSING)
def test_an_unknown_event_is_not_found(demo: Demo, visitor: Visitor, number: int) -> None:
    for path in (f"/api/events/{number}/", f"/events/{number}/"):
        assert visitor.get(demo.front + path).status == 404, path
    assert visitor.send("POST", f"{demo.front}/api/events/{number}/buy/").status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/events/1/buy/", "POST"),
        ("PUT", "/api/events/1/buy/", "POST"),
        ("POST", "/api/events/1/", "GET, HEAD"),
        ("DELETE", "/api/events/", "GET, HEAD"),
        ("POST", "/api/events/", "GET, HEAD"),
    ],
)
def test_the_wrong_method_is_refused(
    demo: Demo, visitor: Visitor, method: str, path: str, allowed: str
) -> None:
    answer = visitor.send(method, demo.front + path)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed


def test_twenty_buyers_at_once_get_the_nine_tickets_there_are(demo: Demo) -> None:
    event = demo.facts("Night Swim")
    left = event["capacity"] - event["sold"]
    assert 0 < left < 20

    def buy(number: int) -> tuple[int, int | None]:
        node = demo.nodes[number % len(demo.nodes)]
        answer = Visitor().post(f"{node}/api/events/{event['id']}/buy/")
        return answer.status, answer.json.get("sold")

    with ThreadPoolExecutor(20) as buyers:
        answers = list(buyers.map(buy, range(20)))
    counts = sorted(sold for status, sold in answers if status == 201 and sold is not None)
    assert counts == list(range(event["sold"] + 1, event["capacity"] + 1))
    assert [status for status, _ in answers].count(409) == 20 - left


def test_what_is_sold_out_stays_so(demo: Demo, visitor: Visitor) -> None:
    event = demo.facts("Bread & Circuits")
    answer = visitor.post(f"{demo.front}/api/events/{event['id']}/buy/")
    assert answer.status == 409
    assert "sold out" in answer.json["error"]
    assert demo.facts("Bread & Circuits")["sold"] == event["sold"] == event["capacity"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/events/1/",
        "/users/",
        "/sign-in/",
        "/api/events/",
        "/api/events/999/",
        "/api/events/1/buy/",
        "/no/such/page",
        "/static/demo_site/site.css",
        "/static/no.css",
        "/media/../secret.key",
    ],
)
def test_every_response_says_who_served_it(demo: Demo, visitor: Visitor, path: str) -> None:
    for number, node in enumerate(demo.nodes, start=1):
        answer = visitor.get(node + path)
        name, _, worker = answer.headers["x-served-by"].partition("/")
        assert name == f"node-{number}"
        assert demo.processes()[int(worker)] == name


def test_the_front_port_is_served_by_all_nodes(demo: Demo) -> None:
    served = {Visitor().get(f"{demo.front}/health/").node for _ in range(100)}
    assert served == {"node-1", "node-2", "node-3"}
