"""What can be wrong with the settings of thumbnails."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register as register_check
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.urls import NoReverseMatch, reverse

from nothing_shared.checks import TAG, settings_errors
from nothing_shared.thumbnails.conf import SETTING, ThumbnailSettings, thumbnail_settings
from nothing_shared.thumbnails.linking import NAMESPACE
from nothing_shared.thumbnails.specs import BadSpec, parse

__all__ = ["CHECKS", "register"]

CHECKS = {
    "nothing_shared_thumbnails.E001": f"`{SETTING}` has an unknown key or a bad value.",
    "nothing_shared_thumbnails.E002": "A named spec can't be understood.",
    "nothing_shared_thumbnails.E003": "`DERIVED_STORAGE` or `HASHED_NAMES` names what `STORAGES` has not.",
    "nothing_shared_thumbnails.E004": "A library is missing that thumbnails need.",
    "nothing_shared_thumbnails.E005": "The placeholder is not there.",
    "nothing_shared_thumbnails.E006": "The URLs of thumbnails are not in the URLconf.",
    "nothing_shared_thumbnails.E007": "`VERSION_FIELDS` names a model or a field that there isn't.",
    "nothing_shared_thumbnails.W001": "A storage of originals doesn't say when a file is replaced.",
    "nothing_shared_thumbnails.W002": "Originals are on the disk of one machine. Told with `--deploy`.",
    "nothing_shared_thumbnails.W003": "`ACCEL_HEADER` sends a web server to where it can't read.",
}

PREFIX = "nothing_shared_thumbnails"


def _options() -> ThumbnailSettings | None:
    try:
        return thumbnail_settings()
    except ImproperlyConfigured:
        return None


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    return list(settings_errors(SETTING, ThumbnailSettings, id=f"{PREFIX}.E001"))


def check_specs(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for name, text in (options.specs if (options := _options()) else {}).items():
        try:
            parse(text)
        except BadSpec as failure:
            where = f'{SETTING}["SPECS"]["{name}"]'
            found.append(
                Error(f"{where}: {failure}", hint=f'{where} = "300x200 cover"', id=f"{PREFIX}.E002")
            )
    return found


def check_storages(**kwargs: Any) -> list[CheckMessage]:
    options = _options()
    if options is None:
        return []
    named = [("DERIVED_STORAGE", alias) for alias in [options.derived_storage] if alias]
    named += [("HASHED_NAMES", alias) for alias in options.hashed_names]
    return [
        Error(
            f'{SETTING}["{key}"] names {alias!r}, and STORAGES has no such alias.',
            hint=f"Allowed: {', '.join(settings.STORAGES)}",
            id=f"{PREFIX}.E003",
        )
        for key, alias in named
        if alias not in settings.STORAGES
    ]


def check_libraries(**kwargs: Any) -> list[CheckMessage]:
    missing = [name for name in ("PIL", "whitenoise") if find_spec(name) is None]
    if not missing:
        return []
    text = (
        f"{' and '.join(missing)} can't be imported, and thumbnails are drawn and served with them."
    )
    return [Error(text, hint="pip install 'nothing-shared[thumbnails]'", id=f"{PREFIX}.E004")]


def check_placeholder(**kwargs: Any) -> list[CheckMessage]:
    options = _options()
    if options is None or options.placeholder is None or options.placeholder.is_file():
        return []
    text = f"The placeholder {str(options.placeholder)!r} is no file."
    hint = f'{SETTING} = {{"PLACEHOLDER": BASE_DIR / "placeholder.png"}}'
    return [Error(text, hint=hint, id=f"{PREFIX}.E005")]


def check_urls(**kwargs: Any) -> list[CheckMessage]:
    if not getattr(settings, "ROOT_URLCONF", ""):
        return []
    try:
        reverse(f"{NAMESPACE}:thumbnail", args=["x"])
    except NoReverseMatch:
        text = "The URLs of thumbnails are not in the URLconf, so no tag can write one."
        hint = 'urlpatterns += [path("thumbs/", include("nothing_shared.thumbnails.urls"))]'
        return [Error(text, hint=hint, id=f"{PREFIX}.E006")]
    return []


def check_version_fields(**kwargs: Any) -> list[CheckMessage]:
    from django.apps import apps
    from django.core.exceptions import FieldDoesNotExist

    found: list[CheckMessage] = []
    for label, field in (options.version_fields if (options := _options()) else {}).items():
        try:
            model = apps.get_model(label)
            model._meta.get_field(field)
            problem = None if model._meta.label == label else f"is written {model._meta.label}"
        except (LookupError, ValueError):
            problem = "is no model of an installed app"
        except FieldDoesNotExist:
            problem = f"has no field {field!r}"
        if problem:
            hint = f'{SETTING} = {{"VERSION_FIELDS": {{"shop.Product": "changed_at"}}}}'
            text = f'{SETTING}["VERSION_FIELDS"]: {label!r} {problem}.'
            found.append(Error(text, hint=hint, id=f"{PREFIX}.E007"))
    return found


def check_announcements(**kwargs: Any) -> list[CheckMessage]:
    from nothing_shared.thumbnails.storages import AnnouncesChanges

    options = _options()
    if options is None or "default" in options.hashed_names:
        return []
    storage = storages["default"]
    if isinstance(storage, AnnouncesChanges):
        return []
    text = (
        "The default storage doesn't say when a file is replaced or deleted: nodes serve what they drew of "
        f"it for up to {options.check_source:g} seconds longer."
    )
    hint = (
        'STORAGES = {"default": {"BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage"}, …}, '
        '"nothing_shared.thumbnails.s3.S3Storage", or AnnouncesChanges mixed into your own. Where no name '
        f'is ever used twice: {SETTING} = {{"HASHED_NAMES": ["default"]}}'
    )
    return [Warning(text, hint=hint, id=f"{PREFIX}.W001")]


def check_accel(**kwargs: Any) -> list[CheckMessage]:
    options = _options()
    if options is None or not options.accel_header or options.directory is not None:
        return []
    text = (
        f"{options.accel_header} names files in the node directory, which is open to its owner alone: a web "
        "server of another user can't read them."
    )
    hint = f'{SETTING} = {{"DIRECTORY": "/var/cache/mysite/thumbnails", …}}'
    return [Warning(text, hint=hint, id=f"{PREFIX}.W003")]


def check_where_originals_are(**kwargs: Any) -> list[CheckMessage]:
    if not isinstance(storages["default"], FileSystemStorage):
        return []
    text = (
        "The default storage is a directory: unless all nodes mount it, others can't draw from it."
    )
    hint = 'STORAGES = {"default": {"BACKEND": "nothing_shared.thumbnails.s3.S3Storage", "OPTIONS": …}, …}'
    return [Warning(text, hint=hint, id=f"{PREFIX}.W002")]


def register() -> None:
    for check in (
        check_settings,
        check_specs,
        check_storages,
        check_libraries,
        check_placeholder,
        check_urls,
        check_version_fields,
        check_announcements,
        check_accel,
    ):
        register_check(check, TAG)
    register_check(check_where_originals_are, TAG, deploy=True)
