"""Guarantees 3 and 4, as far as sessions go, on real nodes: no lost session, and no forged one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.cluster.harness import Cluster, WorkerProcess
from tests.cluster.zygote import Zygote
from tests.servers import NATSServer, RedisServer
from tests.wait import wait_until

pytestmark = pytest.mark.slow

VISITS = """
import json
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from nothing_shared.sessions import revoke_sessions
from tests.sessions.browser import Browser

def visit(path, cookies, **form):
    browser = Browser()
    browser.cookies = dict(cookies)
    answer = browser.post(path, **form) if form or path != "/" else browser.get(path)
    return [answer.status, browser.cookies]

def who(cookies):
    browser = Browser()
    browser.cookies = dict(cookies)
    answer = browser.get("/permitted/")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)["user"]

def asked(cookies):
    with CaptureQueriesContext(connection) as captured:
        name = who(cookies)
    return [name, [query["sql"] for query in captured]]
"""


@pytest.fixture
def make_site(make_cluster: Callable[..., Cluster]) -> Callable[..., Cluster]:
    def make(**environment: str) -> Cluster:
        site = make_cluster(CLUSTER_SESSIONS="{}", **environment)
        maker = worker_of(site, "maker")
        maker("[User.objects.create(username=name) for name in ('ada', 'ben')]")
        maker("process.close()")
        return site

    return make


@pytest.fixture(scope="module")
def shared(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("sessions")
    directory.chmod(0o700)
    cluster = Cluster(zygote, directory, CLUSTER_SESSIONS="{}")
    yield cluster
    cluster.close()


@pytest.fixture
def site(shared: Cluster) -> Iterator[Cluster]:
    """A site of two people, whose nodes leave it in order."""
    maker = worker_of(shared, "maker")
    maker("[User.objects.create(username=name) for name in ('ada', 'ben')]")
    yield shared
    maker("User.objects.all().delete()")
    shared.close()


@pytest.fixture
def lone_site(make_site: Callable[..., Cluster]) -> Cluster:
    """A site whose nodes may come to harm."""
    return make_site()


def worker_of(site: Cluster, node: str) -> WorkerProcess:
    worker = site.worker(node)
    worker(VISITS)
    return worker


def sign_in(worker: WorkerProcess, user: str = "ada") -> dict[str, str]:
    status, cookies = worker(f"visit('/in/', {{}}, user={user!r})")
    assert status == 200
    return dict(cookies)


def sign_out(worker: WorkerProcess, cookies: dict[str, str]) -> None:
    status, left = worker(f"visit('/out/', {cookies!r}, really='yes')")
    assert (status, left) == (200, {})


def who(worker: WorkerProcess, cookies: dict[str, str]) -> str:
    return str(worker(f"who({cookies!r})"))


def is_out(worker: WorkerProcess, cookies: dict[str, str]) -> bool:
    return who(worker, cookies) == ""


def go_deaf(*workers: WorkerProcess) -> None:
    """Let a node hear no more: the agent's thread is gone, and nobody else stands."""
    for worker in workers:
        worker("process.current().agent.stop()")
    for worker in workers:
        wait_until(partial(worker, "not process.current().table.leased()"), 20)


def test_who_signs_in_on_one_node_is_known_on_every_other(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    assert who(there, sign_in(here)) == "ada"


def test_a_copied_cookie_ends_with_the_sign_out_on_every_node(site: Cluster) -> None:
    here, colleague = worker_of(site, "a"), worker_of(site, "a")
    there = [worker_of(site, "b"), worker_of(site, "b")]
    for _ in range(5):
        cookies = sign_in(here)
        assert {who(worker, cookies) for worker in (here, colleague, *there)} == {"ada"}
        sign_out(here, cookies)
        assert who(here, cookies) == who(colleague, cookies) == "", "on the same node at once"
        for worker in there:
            wait_until(partial(is_out, worker, cookies))


def test_a_sign_out_costs_nobody_else_a_query(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    leaving, staying = sign_in(here, "ada"), sign_in(here, "ben")
    assert who(there, staying) == "ben"
    sign_out(here, leaving)
    wait_until(lambda: who(there, leaving) == "")
    assert there(f"asked({staying!r})") == ["ben", []]
    assert there(f"asked({leaving!r})") == ["", []], "and it is remembered"


def test_a_sign_out_is_known_with_the_bus_down(make_site: Callable[..., Cluster]) -> None:
    site = make_site(CLUSTER_LEASE="0.5")
    here, there = worker_of(site, "a"), worker_of(site, "b")
    cookies = sign_in(here)
    assert who(there, cookies) == "ada"
    go_deaf(there)
    name, queries = there(f"asked({cookies!r})")
    assert name == "ada"
    assert sum("revocation" in query for query in queries) == 1, "one indexed query"
    sign_out(here, cookies)
    assert who(there, cookies) == ""


def test_a_sign_out_travels_over_a_broker_and_is_known_without_it(
    make_site: Callable[..., Cluster], broker: RedisServer | NATSServer, bus: str
) -> None:
    lease = 1.0
    site = make_site(CLUSTER_LEASE=str(lease), CLUSTER_BUS=bus)
    here, there = worker_of(site, "a"), worker_of(site, "b")
    for worker in (here, there):
        wait_until(partial(worker, "process.current().table.leased()"), 20)
    heard, unheard, third = (sign_in(here) for _ in range(3))
    assert {who(there, each) for each in (heard, unheard, third)} == {"ada"}
    sign_out(here, heard)
    wait_until(partial(is_out, there, heard))
    assert there(f"asked({heard!r})") == ["", []], "it was told, and did not ask"
    assert there(f"asked({unheard!r})") == ["ada", []]
    broker.stop()
    sign_out(here, unheard)
    wait_until(partial(is_out, there, unheard), 6 * lease, what="the lease lapses")
    broker.start()
    wait_until(partial(there, "process.current().table.leased()"), 20)
    assert [is_out(there, each) for each in (heard, unheard, third)] == [True, True, False]
    sign_out(here, third)
    wait_until(partial(is_out, there, third))


@pytest.mark.parametrize(("choice", "name"), [("trust", "ada"), ("deny", "")])
def test_what_a_deaf_node_does_is_the_sites_choice(
    make_cluster: Callable[..., Cluster], choice: str, name: str
) -> None:
    site = make_cluster(CLUSTER_LEASE="0.5", CLUSTER_SESSIONS=f'{{"WHEN_PARTITIONED": "{choice}"}}')
    here, there = worker_of(site, "a"), worker_of(site, "b")
    here("User.objects.create(username='ada')")
    cookies = sign_in(here)
    wait_until(lambda: there(f"asked({cookies!r})") == ["ada", []], what="the node to have settled")
    go_deaf(there)
    sign_out(here, cookies)
    assert who(there, cookies) == name
    status, kept = there(f"visit('/', {cookies!r})")
    assert (status, kept) == (200, cookies), "its cookies are left alone"
    sign_out(there, sign_in(there))


@pytest.mark.parametrize("directory", ["kept", "lost"])
def test_a_restarted_node_refuses_with_its_first_request(
    lone_site: Cluster, directory: str
) -> None:
    here, there = worker_of(lone_site, "a"), worker_of(lone_site, "b")
    cookies = sign_in(here)
    assert who(there, cookies) == "ada"
    there.kill()
    sign_out(here, cookies)
    if directory == "lost":
        shutil.rmtree(lone_site.directory / "node-b")
    assert who(worker_of(lone_site, "b"), cookies) == ""


def test_a_node_that_loses_its_directory_goes_on_refusing(lone_site: Cluster) -> None:
    here, there = worker_of(lone_site, "a"), worker_of(lone_site, "b")
    gone, staying = sign_in(here), sign_in(here, "ben")
    sign_out(here, gone)
    wait_until(lambda: who(there, gone) == "")
    shutil.rmtree(lone_site.directory / "node-b")
    for _ in range(20):
        assert (who(there, gone), who(there, staying)) == ("", "ben")


def test_a_killed_node_signs_nobody_out(lone_site: Cluster) -> None:
    here, there = worker_of(lone_site, "a"), worker_of(lone_site, "b")
    status, cookies = here(
        f"visit('/put/', {sign_in(here)!r}, content='{{\"colour\": \"green\"}}')"
    )
    assert status == 200
    here.kill()
    assert who(there, cookies) == "ada"
    assert there(f"visit('/', {cookies!r})") == [200, cookies]


def test_nodes_killed_amid_their_writes_sign_nobody_out_and_nobody_in(lone_site: Cluster) -> None:
    survivor = worker_of(lone_site, "z")
    staying, leaving = [], []
    for number in range(4):
        node = worker_of(lone_site, f"n{number}")
        staying.append(sign_in(node))
        leaving.append(sign_in(node, "ben"))
        sign_out(node, leaving[-1])
        node.start("while True: visit('/out/', visit('/in/', {}, user='ben')[1], really='yes')")
        assert who(node, staying[-1]) == "ada", "it is at work"
        node.kill()
        assert [who(survivor, cookies) for cookies in staying] == ["ada"] * len(staying)
        for cookies in leaving:
            wait_until(partial(is_out, survivor, cookies))


def test_a_worker_that_is_killed_between_a_sign_outs_commit_and_its_news_signs_out_all_the_same(
    make_site: Callable[..., Cluster],
) -> None:
    site = make_site(CLUSTER_LEASE="0.5")
    colleague, there, here = worker_of(site, "a"), worker_of(site, "b"), worker_of(site, "a")
    cookies = sign_in(colleague)
    for worker in (colleague, there, here):
        assert who(worker, cookies) == "ada"
    here.start(
        f"""
import signal
from nothing_shared.node.process import Node
Node.commit = lambda *args: os.kill(os.getpid(), signal.SIGKILL) if connection.run_on_commit == [] else True
visit('/out/', {cookies!r}, really='yes')
"""
    )
    here.wait_for_end()
    wait_until(lambda: who(colleague, cookies) == "", 20, what="the same node to refuse")
    wait_until(lambda: who(there, cookies) == "", 20, what="the other node to refuse")


def test_all_sessions_of_a_user_end_but_the_one_that_asked(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    mine, other, bens = sign_in(here), sign_in(there), sign_in(there, "ben")
    assert [who(there, cookies) for cookies in (mine, other, bens)] == ["ada", "ada", "ben"]
    status, kept = here(f"visit('/end-others/', {mine!r}, really='yes')")
    assert status == 200
    wait_until(lambda: who(there, other) == "")
    for worker in (here, there):
        assert who(worker, mine) == who(worker, kept) == "ada", "before and after its next cookie"
        assert who(worker, bens) == "ben"
    assert who(there, sign_in(there)) == "ada", "and who signs in anew is in"
    here("revoke_sessions(User.objects.get(username='ada'))")
    wait_until(lambda: who(there, kept) == "")
    assert who(here, kept) == who(here, mine) == ""


def test_a_command_signs_a_user_out_while_the_site_runs(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    adas, bens = sign_in(here), sign_in(here, "ben")
    assert [who(there, cookies) for cookies in (adas, bens)] == ["ada", "ben"]
    run = "from django.core.management import call_command; call_command('revoke_sessions', {})"
    worker_of(site, "console")(run.format("'ada', verbosity=0"))
    wait_until(lambda: who(there, adas) == "")
    assert who(there, bens) == "ben"
    worker_of(site, "console")(run.format("everyone=True"))
    wait_until(lambda: who(there, bens) == "")
    assert who(there, sign_in(here)) == "ada"


def test_a_signed_in_page_on_a_warm_node_asks_no_database(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    cookies = sign_in(here)
    warm = ["ada", []]
    wait_until(lambda: there(f"asked({cookies!r})") == warm, what="the node to have settled")
    assert [there(f"asked({cookies!r})") for _ in range(5)] == [warm] * 5


def test_a_changed_permission_is_seen_with_the_next_request_everywhere(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    cookies = sign_in(here)

    def may(worker: WorkerProcess) -> Any:
        browser = f"b = Browser(); b.cookies = {cookies!r}; "
        return worker(browser + "json.loads(b.get('/permitted/').text)['may']")

    assert not may(here) and not may(there)
    here(
        """
from django.contrib.auth.models import Group, Permission
group = Group.objects.create(name="viewers")
group.permissions.add(Permission.objects.get(codename="view_group", content_type__app_label="auth"))
group.user_set.add(User.objects.get(username="ada"))
"""
    )
    assert may(here), "on the same node at once"
    wait_until(lambda: may(there))
    here("Group.objects.get(name='viewers').permissions.clear()")
    assert not may(here)
    wait_until(lambda: not may(there))
    here("User.objects.filter(username='ada').update(is_active=False)")
    assert who(here, cookies) == ""
    wait_until(lambda: who(there, cookies) == "")


def test_a_changed_password_ends_the_session_everywhere(site: Cluster) -> None:
    here, there = worker_of(site, "a"), worker_of(site, "b")
    cookies = sign_in(here)
    assert who(there, cookies) == "ada"
    here("ada = User.objects.get(username='ada'); ada.password = 'another'; ada.save()")
    assert who(here, cookies) == ""
    wait_until(lambda: who(there, cookies) == "")
