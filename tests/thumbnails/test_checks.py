from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from nothing_shared.thumbnails import checks

FILES = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
OURS = {"BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage"}


def found(**changed: Any) -> dict[str, CheckMessage]:
    with override_settings(SILENCED_SYSTEM_CHECKS=[], **changed):
        messages = run_checks(tags=["nothing_shared"], include_deployment_checks=True)
    prefix = "nothing_shared_thumbnails."
    return {m.id.removeprefix(prefix): m for m in messages if m.id and m.id.startswith(prefix)}


def test_a_good_site_is_told_of_its_one_disk_only() -> None:
    assert set(found()) == {"W002"}


@pytest.mark.parametrize(
    ("id", "changed"),
    [
        ("E001", {"NOTHING_SHARED_THUMBNAILS": {"MAX_AGES": 1}}),
        ("E002", {"NOTHING_SHARED_THUMBNAILS": {"SPECS": {"card": "300x200 covr"}}}),
        ("E003", {"NOTHING_SHARED_THUMBNAILS": {"DERIVED_STORAGE": "s3"}}),
        ("E003", {"NOTHING_SHARED_THUMBNAILS": {"HASHED_NAMES": ["s3"]}}),
        ("E005", {"NOTHING_SHARED_THUMBNAILS": {"PLACEHOLDER": Path("/nowhere.png")}}),
        ("E006", {"ROOT_URLCONF": "django.contrib.auth.urls"}),
        ("E007", {"NOTHING_SHARED_THUMBNAILS": {"VERSION_FIELDS": {"shop.Nothing": "x"}}}),
        ("E007", {"NOTHING_SHARED_THUMBNAILS": {"VERSION_FIELDS": {"shop.Book": "nothing"}}}),
        ("E007", {"NOTHING_SHARED_THUMBNAILS": {"VERSION_FIELDS": {"shop.book": "pages"}}}),
        ("W003", {"NOTHING_SHARED_THUMBNAILS": {"ACCEL_HEADER": "X-Sendfile"}}),
        ("W001", {"STORAGES": {"default": FILES}}),
    ],
)
def test_a_mistake_is_told_with_a_hint(id: str, changed: dict[str, Any]) -> None:
    messages = found(**changed)
    assert id in messages and messages[id].hint


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert "nothing-shared[thumbnails]" in str(found()["E004"].hint)


def test_hashed_names_need_no_announcing() -> None:
    options = {"HASHED_NAMES": ["default"]}
    assert "W001" not in found(STORAGES={"default": FILES}, NOTHING_SHARED_THUMBNAILS=options)


def test_every_check_is_described() -> None:
    known = {f"nothing_shared_thumbnails.{id}" for id in ("E001", "E002", "E003", "E004", "E005")}
    assert known <= set(checks.CHECKS)
