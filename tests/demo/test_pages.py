"""What a person sees of the demo: pages that need no script and no other server."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.wait import wait_until

from .running import Demo, Visitor

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")
CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
PAGES = ["/", "/events/1/", "/users/", "/users/ada-okafor/", "/sign-in/"]


@pytest.mark.parametrize("path", [*PAGES, "/no/such/page"])
def test_a_page_is_complete_and_says_at_its_foot_who_made_it(
    demo: Demo, visitor: Visitor, path: str
) -> None:
    page = visitor.get(demo.front + path)
    assert page.status == (404 if "no/such" in path else 200)
    assert page.text.rstrip().endswith("</html>")
    node, _, worker = page.worker.partition("/")
    assert f"Served by <strong>{node}</strong>" in page.text
    assert f"<strong>{worker}</strong></p>" in page.text


@pytest.mark.parametrize("path", PAGES)
def test_the_foot_names_every_fragment_with_its_tier_and_age(
    demo: Demo, visitor: Visitor, path: str
) -> None:
    page = visitor.get(demo.front + path)
    fragments = re.findall(
        r'<li class="tier-(l1|l2|miss|stale)"><span class="tier">\1</span> '
        r'<span class="name">[^<]+</span> <span class="faint">(?:made now|[\d.]+ (?:s|min) old)<',
        page.text,
    )
    assert fragments


@pytest.mark.parametrize("path", PAGES)
def test_no_page_asks_another_server_for_anything(demo: Demo, visitor: Visitor, path: str) -> None:
    page = visitor.get(demo.front + path)
    loaded = re.findall(r'(?:src|rel="stylesheet" href|rel="icon" href)="([^"]+)"', page.text)
    for candidates in re.findall(r'srcset="([^"]+)"', page.text):
        loaded += [candidate.split()[0] for candidate in candidates.split(", ")]
    assert all(url.startswith(("/static/", "/thumbs/")) for url in loaded)
    assert "<script" not in page.text
    assert "style=" not in page.text
    style = visitor.get(f"{demo.front}/static/demo_site/site.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "//" not in style.text
    assert "@import" not in style.text


def test_a_poster_is_drawn_by_any_node_and_may_be_kept_for_ever(
    demo: Demo, visitor: Visitor
) -> None:
    home = visitor.get(f"{demo.nodes[0]}/")
    posters = set(re.findall(r'src="(/thumbs/[^"]+/320x400-cover/[^"]+)"', home.text))
    assert len(posters) == 12
    for poster in posters:
        answer = visitor.get(demo.front + poster, Accept="image/avif,image/webp,*/*")
        assert answer.headers["content-type"] == "image/avif"
        assert "immutable" in answer.headers["cache-control"]
    tags = {visitor.get(node + poster).headers["etag"] for node in demo.nodes}
    assert len(tags) == 1
    known = {"If-None-Match": tags.pop()}
    assert visitor.get(demo.front + poster, **known).status == 304


def test_the_pictures_of_a_page_weigh_a_fraction_of_the_originals(
    demo: Demo, visitor: Visitor
) -> None:
    home = visitor.get(f"{demo.front}/")
    sources = re.findall(r'<source type="image/avif" srcset="(\S+) 300w', home.text)
    assert len(sources) == 12
    names = [source.rpartition("/posters/")[2] for source in sources]
    drawn = [len(visitor.get(demo.front + source).body) for source in sources]
    whole = [len(visitor.get(f"{demo.front}/media/posters/{name}").body) for name in names]
    assert sum(drawn) < sum(whole) / 4


@pytest.mark.parametrize(
    "path", ["/media/../secret.key", "/media/..%2fsecret.key", "/media//etc/passwd"]
)
def test_only_pictures_are_handed_out(demo: Demo, visitor: Visitor, path: str) -> None:
    assert visitor.get(demo.front + path).status in {400, 404}


def test_a_person_buys_with_a_form_and_sees_it_on_the_next_page(
    demo: Demo, visitor: Visitor
) -> None:
    event = demo.facts("Tidewater Sessions")
    place = f"/events/{event['id']}/"
    token = visitor.form_token(visitor.get(demo.nodes[0] + place))
    form = {"csrfmiddlewaretoken": token, "buyer": "Ada <b>Lovelace</b>"}
    bought = visitor.post(f"{demo.nodes[0]}{place}buy/", form)
    assert (bought.status, bought.headers["location"]) == (302, place)
    page = visitor.get(demo.nodes[1] + place)
    assert f'data-sold="{event["sold"] + 1}"' in page.text
    assert re.search(r"Ticket no. \d+ is yours", page.text)
    assert "Ada &lt;b&gt;Lovelace&lt;/b&gt;" in page.text


def test_a_form_without_its_token_is_refused(demo: Demo, visitor: Visitor) -> None:
    assert visitor.post(f"{demo.front}/events/5/buy/", {"buyer": "Mallory"}).status == 403


def test_who_signs_in_on_one_node_is_known_on_all(demo: Demo, visitor: Visitor) -> None:
    page = visitor.get(f"{demo.nodes[0]}/sign-in/?next=/events/3/")
    form = {
        "csrfmiddlewaretoken": visitor.form_token(page), "user": "jun-takeda", "next": "/events/3/"
    }  # fmt: skip
    assert visitor.post(f"{demo.nodes[0]}/sign-in/", form).headers["location"] == "/events/3/"
    for node in demo.nodes:
        page = visitor.get(f"{node}/events/3/")
        assert "in the name of Jun Takeda" in page.text
    form = {"csrfmiddlewaretoken": visitor.form_token(page)}
    assert visitor.post(f"{demo.nodes[1]}/sign-out/", form).status == 302
    assert "Jun Takeda</span>" not in visitor.get(f"{demo.nodes[2]}/users/").text.split("<main")[0]


def signed_in(demo: Demo, handle: str) -> Visitor:
    visitor = Visitor()
    token = visitor.form_token(visitor.get(f"{demo.nodes[0]}/sign-in/"))
    visitor.post(f"{demo.nodes[0]}/sign-in/", {"csrfmiddlewaretoken": token, "user": handle})
    return visitor


@pytest.mark.parametrize("way", ["/sign-out/", "/sign-out/everywhere/"])
def test_who_signs_out_on_one_node_is_out_on_all_with_every_copy_of_the_cookie(
    demo: Demo, way: str
) -> None:
    person, other_browser = signed_in(demo, "jun-takeda"), signed_in(demo, "jun-takeda")
    thief = Visitor(dict(person.cookies))
    token = person.form_token(person.get(f"{demo.nodes[1]}/users/jun-takeda/"))
    assert person.post(demo.nodes[1] + way, {"csrfmiddlewaretoken": token}).status == 302
    for node in demo.nodes:
        wait_until(lambda node=node: "Sign out" not in thief.get(f"{node}/users/").text)  # type: ignore[misc]
    is_in = "Sign out" in other_browser.get(f"{demo.nodes[0]}/users/").text
    assert is_in == (way == "/sign-out/")


@pytest.mark.parametrize(
    "target", ["https://example.com/", "//example.com/", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(demo: Demo, visitor: Visitor, target: str) -> None:
    token = visitor.form_token(visitor.get(f"{demo.front}/sign-in/"))
    form = {"csrfmiddlewaretoken": token, "user": "jun-takeda", "next": target}
    assert visitor.post(f"{demo.front}/sign-in/", form).headers["location"] == "/"


def test_only_this_machine_is_answered(demo: Demo, visitor: Visitor) -> None:
    assert visitor.get(f"{demo.front}/", Host="example.com").status == 400


@pytest.fixture
def chromium(tmp_path: Path) -> list[str]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return [CHROMIUM, *CHROMIUM_OPTIONS, f"--user-data-dir={tmp_path / 'profile'}"]


def run(command: list[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_browser_renders_the_programme(demo: Demo, chromium: list[str]) -> None:
    dom = run([*chromium, "--dump-dom", f"{demo.front}/"])
    assert len(re.findall(r'class="card(?: is-gone)?"', dom)) == 12
    assert "The Paper Orchestra" in dom
    assert "Served by" in dom


@pytest.mark.parametrize(
    ("name", "path", "size"),
    [
        ("programme", "/", (1280, 1600)),
        ("event", "/events/2/", (1280, 1200)),
        ("narrow", "/", (500, 1600)),
    ],
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screenshot_is_full_of_colour(
    demo: Demo, chromium: list[str], tmp_path: Path,
    name: str, path: str, size: tuple[int, int], scheme: str,
) -> None:  # fmt: skip
    picture = tmp_path / f"{name}-{scheme}.png"
    options = [
        f"--screenshot={picture}",
        f"--window-size={size[0]},{size[1]}",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
    ]
    run([*chromium, *options, demo.front + path])
    with Image.open(picture) as seen:
        assert seen.size == size
        small = seen.convert("RGB").resize((160, 200))
    colours = small.getcolors(160 * 200)
    assert colours is not None
    assert len(colours) > 3000
    share, ground = max(colours, key=lambda found: found[0])
    assert share < 0.75 * 160 * 200
    assert isinstance(ground, tuple)
    assert (sum(ground) < 200) == (scheme == "dark")
