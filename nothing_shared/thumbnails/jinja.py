"""For Jinja2: ``{{ thumbnail(photo.image, "300x200") }}`` and ``{{ picture(…) }}``."""

from __future__ import annotations

from jinja2 import Environment
from jinja2.ext import Extension

from nothing_shared.thumbnails import markup

__all__ = ["ThumbnailExtension"]


class ThumbnailExtension(Extension):
    """Adds the functions; name it in ``OPTIONS["extensions"]`` of the template engine."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals["thumbnail"] = markup.thumbnail
        environment.globals["picture"] = markup.picture
