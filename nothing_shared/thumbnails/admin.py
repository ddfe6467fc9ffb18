"""For the admin: a preview beside the upload, and a column of thumbnails in the list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.widgets import AdminFileWidget
from django.db.models import ImageField, Model
from django.utils.safestring import SafeString

from nothing_shared.thumbnails.markup import thumbnail

__all__ = ["ThumbnailAdminMixin", "ThumbnailWidget", "thumbnail_column"]


class ThumbnailWidget(AdminFileWidget):
    """Django's file widget with a thumbnail of what is there; ``spec`` is a class attribute."""

    template_name = "nothing_shared_thumbnails/widget.html"
    spec = "200x200"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        is_there = self.is_initial(value)
        context["thumbnail"] = thumbnail(value, self.spec, alt="") if is_there else SafeString("")
        return context


class ThumbnailAdminMixin:
    """Mix it into a ``ModelAdmin``, before its class: its image fields get :class:`ThumbnailWidget`."""

    formfield_overrides = {ImageField: {"widget": ThumbnailWidget}}


def thumbnail_column(
    field: str, spec: str = "60x60 cover", *, description: str | None = None
) -> Callable[[Model], SafeString]:
    """Return a column for ``list_display``: ``list_display = [thumbnail_column("picture"), "title"]``."""

    def column(row: Model) -> SafeString:
        return SafeString(thumbnail(getattr(row, field), spec, alt=""))

    column.short_description = description or field.replace("_", " ")  # type: ignore[attr-defined]
    column.admin_order_field = field  # type: ignore[attr-defined]
    column.__name__ = f"{field}_thumbnail"
    return column
