from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps

from nothing_shared.thumbnails import thumbnail_url
from tests.settings import INSTALLED_APPS


@pytest.fixture
def photo() -> Iterator[Any]:
    with isolate_apps("tests.causality.shop"):

        class Photo(models.Model):
            image = models.ImageField(blank=True)

            class Meta:
                app_label = "shop"

        yield Photo(pk=1, image="a.jpg")


@pytest.fixture(autouse=True)
def admin() -> Iterator[None]:
    with override_settings(INSTALLED_APPS=[*INSTALLED_APPS, "django.contrib.admin"]):
        yield


def test_the_list_has_a_column_of_thumbnails(photo: Any) -> None:
    from nothing_shared.thumbnails.admin import thumbnail_column

    column = thumbnail_column("image", "40x40 cover")
    url = thumbnail_url("a.jpg", "40x40 cover")
    assert column(photo) == f'<img src="{url}" width="40" height="40" alt="">'
    photo.image = ""
    assert column(photo) == ""


def test_the_form_shows_what_is_there(photo: Any) -> None:
    from nothing_shared.thumbnails.admin import ThumbnailWidget

    shown = ThumbnailWidget().render("image", photo.image)
    assert thumbnail_url("a.jpg", "200x200") in shown and 'type="file"' in shown
    assert "<img" not in ThumbnailWidget().render("image", None)
