"""What the checks of all apps have in common.

Each app's ``checks.py`` describes its ids in ``CHECKS: dict[str, str]``, from which the reference
is generated, and registers its functions with :data:`TAG`.
"""

from __future__ import annotations

from typing import Any

from django.core.checks import Error

from nothing_shared.conf import options, problems

__all__ = ["TAG", "settings_errors"]

TAG = "nothing_shared"
"""``manage.py check --deploy --tag nothing_shared`` runs every check of every app."""


def settings_errors(setting: str, schema: type[Any], *, id: str, given: Any = None) -> list[Error]:
    """Return an error under ``id`` for each problem of a settings dict, with all defaults as hint.

    ``given`` is for a dict that is no setting of its own; ``setting`` then says where it stands.
    """
    defaults = ", ".join(f'"{known.key}": {known.default_text}' for known in options(schema))
    hint = f"Every key is optional. The defaults: {setting} = {{{defaults}}}"
    return [Error(text, hint=hint, id=id) for text in problems(setting, schema, given=given)]
