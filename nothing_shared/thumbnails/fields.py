"""A model field for pictures that can be drawn."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.db import models
from django.db.models.fields.files import ImageFieldFile

from nothing_shared.thumbnails.conf import limits_of, thumbnail_settings
from nothing_shared.thumbnails.drawing import upright_size_of
from nothing_shared.thumbnails.errors import ThumbnailError
from nothing_shared.thumbnails.forms import SafeImageField as SafeImageFormField

__all__ = ["SafeImageField", "SafeImageFieldFile"]

Size = tuple[int | None, int | None]


class SafeImageFieldFile(ImageFieldFile):
    """Its width and height are those of the upright picture: what ``<img>`` and specs count from.

    Django's are those that are stored, which for a photograph of a phone held upright are the other way
    round. Of a picture that can't be drawn both are None.
    """

    _measured: Size | None = None

    @property
    def width(self) -> int:
        return cast(int, self._size()[0])

    @property
    def height(self) -> int:
        return cast(int, self._size()[1])

    def _size(self) -> Size:
        if self._measured is None:
            was_closed = self.closed
            self.open()
            try:
                self._measured = upright_size_of(cast(Any, self), limits_of(thumbnail_settings()))
            except ThumbnailError:
                self._measured = (None, None)
            finally:
                self.close() if was_closed else self.seek(0)
        return self._measured

    def save(self, name: str, content: Any, save: bool = True) -> None:
        self._measured = None
        super().save(name, content, save)

    def delete(self, save: bool = True) -> None:
        self._measured = None
        super().delete(save)


class SafeImageField(models.ImageField):
    """An ``ImageField`` whose forms refuse what can't be drawn, and whose sizes are upright."""

    attr_class = SafeImageFieldFile

    def formfield(self, **kwargs: Any) -> forms.Field:
        return cast(forms.Field, super().formfield(**{"form_class": SafeImageFormField, **kwargs}))
