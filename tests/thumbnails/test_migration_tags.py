"""Templates that were written for sorl-thumbnail and easy-thumbnails."""

from __future__ import annotations

from typing import Any

import pytest
from django.template import Context, Engine, TemplateSyntaxError

from nothing_shared.thumbnails import thumbnail_url


def render(library: str, source: str, **context: Any) -> str:
    path = f"nothing_shared.thumbnails.templatetags.thumbnails_like_{library}"
    engine = Engine(libraries={"thumbnail": path})
    return engine.from_string("{% load thumbnail %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("geometry", "options", "spec"),
    [
        ("100x100", 'crop="center"', "100x100 cover"),
        ("100x100", 'crop="center" quality=90 format="PNG"', "100x100 cover q90 png"),
        ("100x100", 'crop="10% 80%"', "100x100 cover at10x80"),
        ("100x100", 'crop="top"', "100x100 cover at50x0"),
        ("100x100", 'crop="left"', "100x100 cover at0x50"),
        ("100x100", 'crop="smart"', "100x100 cover smart"),
        ("200", "", "200x"),
        ("x200", "", "x200"),
        ("100x100", "", "100x100 enlarge"),
        ("100x100", "upscale=False", "100x100"),
        ("100x100", 'padding=True padding_color="#f00" upscale=False', "100x100 pad bgff0000"),
    ],
)
def test_sorl_s_tag_means_the_same_here(geometry: str, options: str, spec: str) -> None:
    tag = f'{{% thumbnail "a.jpg" "{geometry}" {options} as im %}}{{{{ im.url }}}}{{% endthumbnail %}}'
    assert render("sorl", tag) == thumbnail_url("a.jpg", spec)


def test_sorl_s_block_has_an_alternative_for_no_file() -> None:
    tag = '{% thumbnail photo "100" as im %}{{ im.width }}{% empty %}none{% endthumbnail %}'
    assert render("sorl", tag, photo="") == "none"
    assert render("sorl", tag, photo="a.jpg") == "None"


@pytest.mark.parametrize(
    ("options", "spec"),
    [
        ("300x200", "300x200"),
        ("300x0", "300x"),
        ("300x200 crop", "300x200 cover"),
        ("300x200 crop=smart upscale", "300x200 cover smart enlarge"),
        ("300x200 crop quality=80", "300x200 cover q80"),
        ("300x200 crop target=30,70", "300x200 cover at30x70"),
        ("300x200 background=#ffffff", "300x200 pad bgffffff"),
        ("size crop", "120x90 cover"),
    ],
)
def test_easy_s_tag_means_the_same_here(options: str, spec: str) -> None:
    found = render("easy", f"{{% thumbnail photo {options} %}}", photo="a.jpg", size=(120, 90))
    assert found == thumbnail_url("a.jpg", spec)


def test_easy_s_tag_takes_a_name_and_its_filter_an_alias(settings: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {"SPECS": {"card": "30x20 cover"}}
    tag = "{% thumbnail photo 30x20 crop as im %}{{ im.url }} {{ im.width }}"
    assert render("easy", tag, photo="a.jpg") == f"{thumbnail_url('a.jpg', 'card')} 30"
    url = thumbnail_url("a.jpg", "card")
    assert render("easy", "{{ photo|thumbnail_url:'card' }}", photo="a.jpg") == url
    assert render("easy", "{{ photo|thumbnail_url:'nothing' }}", photo="a.jpg") == ""


@pytest.mark.parametrize(
    ("library", "tag"),
    [
        ("sorl", '{% thumbnail "a.jpg" "100" rounded=4 as im %}{% endthumbnail %}'),
        ("sorl", '{% thumbnail "a.jpg" "100x100" crop="sideways" as im %}{% endthumbnail %}'),
        ("easy", "{% thumbnail photo 30x20 replace_alpha=True %}"),
    ],
)
def test_what_has_no_counterpart_is_named(library: str, tag: str) -> None:
    with pytest.raises(TemplateSyntaxError, match="allowed"):
        render(library, tag, photo="a.jpg")
