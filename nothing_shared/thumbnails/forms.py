"""A form field for pictures that can be drawn, by this site, within its limits."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.validators import FileExtensionValidator
from django.utils.translation import gettext_lazy as _

from nothing_shared.thumbnails.conf import limits_of, thumbnail_settings
from nothing_shared.thumbnails.drawing import draw_pixels
from nothing_shared.thumbnails.errors import PictureTooLarge, ThumbnailError
from nothing_shared.thumbnails.limits import Limits
from nothing_shared.thumbnails.probing import probe
from nothing_shared.thumbnails.source import Source

__all__ = ["SafeImageField"]

EXTENSIONS = (
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "webp", "avif", "heic", "heif", "svg",
)  # fmt: skip
"""Of names; what is in a file is told from the file. Django allows 69, those of programs among them."""
TYPES = {"heic": "image/heic", "svg": "image/svg+xml"}
CHECKED_AT = 32
"""Pixels a side that an upload is drawn at, to see whether it can be; few, so that a JPEG takes little."""


class SafeImageField(forms.ImageField):
    """An ``ImageField`` that lets in only what thumbnails can be drawn of.

    Django's looks at the header with whatever reader of Pillow feels responsible. This one decodes, once,
    within ``limits``, which are those of the site unless others are given. The file's ``content_type`` is
    afterwards the true one. There is no ``image`` on it.
    """

    default_validators = [FileExtensionValidator(EXTENSIONS)]
    default_error_messages = {
        "too_large": _("This image is larger than what is allowed here: %(reason)s"),
        "busy": _("This image could not be checked just now. Please try again."),
    }

    def __init__(self, *, limits: Limits | None = None, **kwargs: Any) -> None:
        self.limits = limits
        super().__init__(**kwargs)

    def to_python(self, data: Any) -> Any:
        # Past ImageField's own, which is what this field is there instead of.
        file = forms.FileField.to_python(self, data)
        if file is None:
            return None
        content = _content(file)
        limits = self.limits or limits_of(thumbnail_settings())
        try:
            cast(Any, file).content_type = _type(content, limits)
        except ThumbnailError as error:
            raise self._refusal(error) from error
        if isinstance(content, File):
            content.seek(0)
        return file

    def _refusal(self, error: ThumbnailError) -> ValidationError:
        code = "invalid_image"
        if isinstance(error, PictureTooLarge):
            code = "too_large"
        elif error.may_retry:
            code = "busy"
        return ValidationError(self.error_messages[code], code=code, params={"reason": str(error)})


def _content(file: Any) -> Any:
    """Return what can be read of an upload: itself, or the bytes of the older kind, a dict."""
    return file if hasattr(file, "read") else file["content"]


def _type(content: Any, limits: Limits) -> str:
    format = probe(Source(content, limits)).format
    if format != "svg":
        draw_pixels(content, CHECKED_AT, limits)
    return TYPES.get(format, f"image/{format}")
