from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote

import pytest
from django.core.files.storage import storages
from django.db import connection, models
from django.template import Context, Template, TemplateSyntaxError
from django.test import Client
from django.test.utils import CaptureQueriesContext, isolate_apps

from nothing_shared.thumbnails import markup, thumbnail_url
from tests.thumbnails.pictures import jpeg, upload

URL = r"/thumbs/[\w-]{16}/default/-/300x200/a\.jpg"


def render(source: str, **context: Any) -> str:
    return Template("{% load thumbnails %}" + source).render(Context(context))


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.NOTHING_SHARED_THUMBNAILS = {"DIRECTORY": tmp_path / "drawn"}
    return tmp_path


@pytest.fixture
def photo() -> Any:
    """A row of a model whose fields know a version and a size."""
    with isolate_apps("tests.causality.shop"):

        class Photo(models.Model):
            image = models.ImageField(width_field="width", height_field="height")
            width = models.IntegerField(null=True)
            height = models.IntegerField(null=True)
            changed = models.IntegerField(default=7)

            class Meta:
                app_label = "shop"

        yield Photo(pk=1, image="a.jpg", width=1200, height=900)


def test_the_tag_prints_a_url() -> None:
    assert re.fullmatch(URL, render('{% thumbnail "a.jpg" "300x200" %}'))
    assert render('{% thumbnail "a.jpg" "300x200" %}') == thumbnail_url("a.jpg", "300x200")


def test_with_alt_it_prints_an_img_with_the_size_that_it_will_have(photo: Any) -> None:
    img = render(
        '{% thumbnail photo.image "300x300" alt=alt class="big" %}', photo=photo, alt='a "b"'
    )
    assert 'width="300" height="225"' in img
    assert 'alt="a &quot;b&quot;"' in img and 'class="big"' in img
    assert 'width="300" height="200"' in render(
        '{% thumbnail "a.jpg" "300x200 cover dpr2" alt="" %}'
    )
    assert "width" not in render('{% thumbnail "a.jpg" "300x200" alt="" %}')


def test_attributes_are_written_as_html_names_them() -> None:
    img = markup.thumbnail("a.jpg", "30x", alt="", class_="x", data_id=7, hidden=True, title=None)
    assert str(img).endswith(' alt="" class="x" data-id="7" hidden>')
    assert "<" not in str(markup.thumbnail("a.jpg", "30x", alt="<b>"))[1:]


def test_under_a_name_it_is_an_object(photo: Any) -> None:
    source = (
        '{% thumbnail photo.image "300x" as t %}{{ t.width }} {{ t.height }} {{ t.url }} {{ t }}'
    )
    width, height, url, again = render(source, photo=photo).split()
    assert (width, height) == ("300", "225") and url == again == thumbnail_url(photo.image, "300x")


def test_a_field_without_a_file_prints_nothing_and_fails_nothing(photo: Any) -> None:
    photo.image = ""
    for tag in ("thumbnail", "picture"):
        assert render(f'{{% {tag} photo.image "300x200" %}}', photo=photo) == ""
        assert render(f'{{% {tag} nothing "300x200" %}}') == ""
        assert render(f'{{% {tag} "../etc/passwd" "300x200" alt="" %}}') == ""


def test_a_bad_spec_is_a_template_error_that_says_what_is_allowed() -> None:
    with pytest.raises(TemplateSyntaxError, match=r"Did you mean 'cover'.*Allowed"):
        Template('{% load thumbnails %}{% thumbnail photo "300x200 covr" %}')
    with pytest.raises(TemplateSyntaxError, match="Allowed"):
        render('{% picture "a.jpg" spec %}', spec="300")


def test_specs_have_names_in_the_settings(settings: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {"SPECS": {"card": "300x200 cover"}}
    assert "/300x200-cover-webp/" in render('{% thumbnail "a.jpg" "card webp" %}')


def test_the_model_knows_the_version(settings: Any, photo: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {"VERSION_FIELDS": {"shop.Photo": "changed"}}
    assert "/default/7/300x/" in thumbnail_url(photo.image, "300x")
    photo.changed = 8
    assert "/default/8/300x/" in thumbnail_url(photo.image, "300x")
    assert "/default/v9/300x/" in thumbnail_url(photo.image, "300x", version="v9")


def test_a_picture_has_a_source_per_format_and_density(photo: Any) -> None:
    found = render('{% picture photo.image "300x200 cover" alt="x" %}', photo=photo)
    kinds = re.findall(r'<source type="([^"]+)" srcset="([^"]+)"', found)
    assert [kind for kind, _ in kinds] == ["image/avif", "image/webp"]
    for kind, srcset in kinds:
        name = kind.partition("/")[2]
        one, two = srcset.split(", ")
        assert f"300x200-cover-{name}/" in one and one.endswith(" 1x")
        assert f"300x200-cover-{name}-dpr2/" in two and two.endswith(" 2x")
    assert 'width="300" height="200"' in found and 'loading="lazy"' in found
    eager = render('{% picture photo.image "300x200" lazy=False %}', photo=photo)
    assert "loading" not in eager


def test_a_picture_of_widths_offers_none_beyond_the_source(photo: Any) -> None:
    found = render(
        '{% picture photo.image "300x200 cover" widths="400 800 1600" sizes="50vw" %}', photo=photo
    )
    assert re.findall(r"/(\d+x\d+)-cover-avif/", found) == ["400x267", "800x533"]
    assert found.count('sizes="50vw"') == 3
    assert " 800w" in found and "1600w" not in found


def test_a_comma_in_a_name_ends_no_candidate() -> None:
    found = render('{% picture "a, b.jpg" "300x200 cover" %}')
    for srcset in re.findall(r'srcset="([^"]+)"', found):
        assert len(srcset.split(", ")) == 2
        assert unquote(srcset).count("a, b.jpg") == 2


def test_the_placeholder_is_known_once_something_was_drawn(client: Client, media: Path) -> None:
    upload("a.jpg", jpeg("#ff8000"))
    tag = '{% picture "a.jpg" "30x20" placeholder=True %}'
    assert "style" not in render(tag)
    client.get(thumbnail_url("a.jpg", "30x20"))
    (colour,) = re.findall(r'style="background-color:#(\w{6});"', render(tag))
    red, green, blue = bytes.fromhex(colour)
    assert red > 240 and 110 < green < 145 and blue < 15
    upload("a.jpg", jpeg("blue"))
    assert "style" not in render(tag)


def test_the_placeholder_may_be_a_blur(client: Client, media: Path, settings: Any) -> None:
    settings.NOTHING_SHARED_THUMBNAILS = {
        **settings.NOTHING_SHARED_THUMBNAILS,
        "PREVIEWS": "blur",
    }
    upload("a.jpg", jpeg("#ff8000"))
    client.get(thumbnail_url("a.jpg", "30x20"))
    found = render('{% picture "a.jpg" "30x20" placeholder=True style="color:red" %}')
    pattern = (
        r'style="background:#\w{6} url\(data:image/png;base64,[\w+/=]+\) center/cover;color:red"'
    )
    assert len(re.findall(pattern, found)) == 1


def test_a_page_asks_nobody(photo: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """No query, no storage, a hundred times two tags."""

    def asked(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a storage was asked")

    for name in ("_open", "exists", "size", "get_modified_time", "path", "url"):
        monkeypatch.setattr(type(storages["default"]), name, asked)
    page = (
        '{% for i in range %}{% thumbnail photo.image "300x200 cover" alt="" %}'
        '{% picture photo.image "300x200 cover" placeholder=True %}{% endfor %}'
    )
    with CaptureQueriesContext(connection) as queries:
        assert render(page, photo=photo, range=range(100)).count("<picture>") == 100
    assert len(queries) == 0


def test_jinja_has_the_same_functions(photo: Any) -> None:
    from jinja2 import Environment

    environment = Environment(
        extensions=["nothing_shared.thumbnails.jinja.ThumbnailExtension"], autoescape=True
    )
    page = environment.from_string(
        '{{ thumbnail(photo.image, "300x200") }} {{ thumbnail(photo.image, "300x", alt="") }}'
        '{{ picture(photo.image, "300x") }}'
    )
    url, img = page.render(photo=photo).split(" ", 1)
    assert url == thumbnail_url(photo.image, "300x200")
    assert img.startswith("<img ") and "<picture>" in img


def test_a_source_that_is_no_file_is_named_as_such() -> None:
    with pytest.raises(TypeError, match="allowed: the file of a FileField"):
        thumbnail_url(42, "300x")


def test_an_object_is_false_where_there_is_no_source() -> None:
    assert not markup.thumbnail("", "300x")
    assert markup.thumbnail("a.jpg", "300x") == markup.Thumbnail(ANY, None, None)
