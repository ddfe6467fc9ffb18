from __future__ import annotations

import io
import warnings

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import override_settings
from django.test.utils import isolate_apps

from nothing_shared.thumbnails import fields
from nothing_shared.thumbnails.forms import SafeImageField
from nothing_shared.thumbnails.limits import Limits
from tests.drawing.hostile import flat_png, named
from tests.drawing.pictures import encoded, exif, modes, scene

HARMLESS = {"8x30000.png", "1x1.png"}
PHOTO = encoded(scene(), "JPEG")


def error_of(field: forms.ImageField, data: bytes, name: str = "photo.jpg") -> str | None:
    """Return the code of what is wrong with an upload."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of bombs, through Django's field
            field.clean(SimpleUploadedFile(name, data))
    except forms.ValidationError as error:
        return error.error_list[0].code
    return None


@pytest.mark.parametrize("name", modes())
def test_pictures_are_let_in_whole_and_with_their_true_type(name: str) -> None:
    data, _ = modes()[name]
    cleaned = SafeImageField().clean(SimpleUploadedFile("misnamed.jpg", data, "text/html"))
    assert cleaned.read() == data
    true = name.rpartition(".")[2].replace("jpg", "jpeg")
    assert cleaned.content_type == f"image/{true}"


def test_hostile_files_are_refused_also_those_that_django_lets_in() -> None:
    let_in_by_django = 0
    for name, data, _ in named():
        if name not in HARMLESS:
            assert error_of(SafeImageField(), data) in ("invalid_image", "too_large", "empty"), name
            let_in_by_django += error_of(forms.ImageField(), data) is None
    assert let_in_by_django >= 6


@pytest.mark.slow
def test_a_bomb_of_169_megapixels_is_refused() -> None:
    bomb = flat_png(13000, 13000, depth=8, kind=6, samples=4)
    assert error_of(SafeImageField(), bomb, "bomb.png") == "too_large"
    assert error_of(forms.ImageField(), bomb, "bomb.png") is None


def test_half_a_picture_is_refused() -> None:
    half = PHOTO[: len(PHOTO) // 2]
    assert error_of(forms.ImageField(), half) is None
    assert error_of(SafeImageField(), half) == "invalid_image"
    for name in ("photo.exe", "photo.eps", "photo.jpg.html"):
        assert error_of(SafeImageField(), PHOTO, name) == "invalid_extension"


def test_the_limits_are_those_of_the_site_or_of_the_field() -> None:
    assert error_of(SafeImageField(limits=Limits(pixels=100)), PHOTO) == "too_large"
    assert error_of(SafeImageField(limits=Limits(seconds=-1)), PHOTO) == "busy"
    with override_settings(NOTHING_SHARED_THUMBNAILS={"LIMIT_PIXELS": 100}):
        assert error_of(SafeImageField(), PHOTO) == "too_large"
    field = SafeImageField(limits=Limits(pixels=100))
    with pytest.raises(forms.ValidationError, match="640 x 480 pixels; allowed: 100 together"):
        field.clean(SimpleUploadedFile("photo.jpg", PHOTO))


def test_nothing_uploaded_is_what_django_makes_of_it() -> None:
    assert error_of(SafeImageField(), b"") == "empty"
    with pytest.raises(forms.ValidationError, match="required"):
        SafeImageField().clean(None)
    assert SafeImageField(required=False).clean(None) is None


@isolate_apps("tests.causality.shop")
def test_a_model_s_field_knows_the_upright_size() -> None:
    class Photo(models.Model):
        file = fields.SafeImageField(width_field="width", height_field="height")
        width = models.IntegerField(null=True)
        height = models.IntegerField(null=True)

        class Meta:
            app_label = "shop"

    assert isinstance(Photo._meta.get_field("file").formfield(), SafeImageField)
    lying = encoded(scene(), "JPEG", exif=exif(6))
    photo = Photo(file=SimpleUploadedFile("photo.jpg", lying))
    assert (photo.width, photo.height) == (480, 640)
    assert (photo.file.width, photo.file.height) == (480, 640)
    assert photo.file.read() == lying
    broken = Photo(file=SimpleUploadedFile("photo.jpg", b"no picture"))
    assert (broken.width, broken.height) == (None, None)
    assert io.BytesIO(broken.file.read()).getvalue() == b"no picture"
