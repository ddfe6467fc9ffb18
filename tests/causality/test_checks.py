"""Each check of each app is shown by what it finds, and gives a hint that can be pasted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings

from nothing_shared.bus.checks import CHECKS as BUS
from nothing_shared.cache.checks import CHECKS as CACHE
from nothing_shared.causality.checks import CHECKS as CAUSALITY
from nothing_shared.node import checks as node_checks
from nothing_shared.node.checks import CHECKS as NODE

CHECKS = {**NODE, **BUS, **CAUSALITY, **CACHE}

MACHINE = "nothing_shared.cache.backends.MachineCache"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
FILES = "django.core.cache.backends.filebased.FileBasedCache"
SQLITE = {"ENGINE": "django.db.backends.sqlite3"}


def found(*, deploy: bool = True, **changed: Any) -> dict[str, CheckMessage]:
    with override_settings(**changed):
        messages = run_checks(tags=["nothing_shared"], include_deployment_checks=deploy)
    return {str(message.id): message for message in messages if not message.is_silenced()}


def unsafe(directory: Path) -> dict[str, Any]:
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    return {"NOTHING_SHARED_NODE": {"DIRECTORY": str(directory)}}


def networked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    directory.mkdir(mode=0o700)
    here = node_checks._file_system(str(directory))
    monkeypatch.setattr(node_checks, "NETWORKED", {here})
    return {"NOTHING_SHARED_NODE": {"DIRECTORY": str(directory)}}


def options(**given: Any) -> dict[str, Any]:
    return {"CACHES": {"default": {"BACKEND": MACHINE, "OPTIONS": given}}}


WRONG: dict[str, Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]] = {
    "nothing_shared_node.E001": lambda path, patch: {"NOTHING_SHARED_NODE": {"LAESE": 2}},
    "nothing_shared_node.E002": lambda path, patch: unsafe(path / "open"),
    "nothing_shared_node.W001": lambda path, patch: networked(path / "node", patch),
    "nothing_shared_bus.E001": lambda path, patch: {"NOTHING_SHARED_BUS": {"MAX_PENDING": 0}},
    "nothing_shared_bus.E002": lambda path, patch: {"NOTHING_SHARED_BUS": {"BACKEND": "no.Bus"}},
    "nothing_shared_causality.E001": lambda path, patch: {
        "NOTHING_SHARED_CAUSALITY": {"TICKET_NAME": "with spaces"}
    },
    "nothing_shared_causality.E002": lambda path, patch: {
        "NOTHING_SHARED_CAUSALITY": {"SAME_DATABASE": {"replica": "default"}}
    },
    "nothing_shared_causality.W001": lambda path, patch: {"MIDDLEWARE": []},
    "nothing_shared_causality.W002": lambda path, patch: {
        "DATABASES": {alias: {**SQLITE, "NAME": "db.sqlite3"} for alias in ("default", "reader")}
    },
    "nothing_shared_cache.E001": lambda path, patch: options(WHEN_PARTITIONED="sometimes"),
    "nothing_shared_cache.E002": lambda path, patch: {
        "CACHES": {
            "default": {"BACKEND": MACHINE, "OPTIONS": {"JITTER": 0}},
            "other": {"BACKEND": MACHINE, "OPTIONS": {"JITTER": 0.5}},
        }
    },
    "nothing_shared_cache.E003": lambda path, patch: {
        **options(),
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
    },
    "nothing_shared_cache.W001": lambda path, patch: options(MAX_ENTRIES=300),
    "nothing_shared_cache.W002": lambda path, patch: {"CACHES": {"default": {"BACKEND": FILES}}},
}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("id", sorted(WRONG))
def test_every_check_finds_what_it_is_for_and_gives_a_hint(
    id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = found(**WRONG[id](tmp_path, monkeypatch))[id]
    assert message.hint
    assert re.match(r".+[.]$", message.msg.splitlines()[0])
    assert (message.level >= 40) == id.rpartition(".")[2].startswith("E"), "what E and W say"


def test_a_good_site_is_told_nothing() -> None:
    good = {"default": {"BACKEND": MACHINE}}
    assert found(CACHES=good) == {}


def test_the_doctor_alone_names_what_ties_a_site_to_one_machine() -> None:
    tied = {"default": {"BACKEND": LOCMEM}}
    assert "nothing_shared_cache.W002" in found(CACHES=tied)
    assert "nothing_shared_cache.W002" not in found(CACHES=tied, deploy=False)


def test_the_middleware_in_the_wrong_place_is_told_from_none_at_all() -> None:
    ours = "nothing_shared.causality.middleware.CausalityMiddleware"
    late = ["django.middleware.common.CommonMiddleware", ours]
    assert "is not first in" in found(MIDDLEWARE=late)["nothing_shared_causality.W001"].msg
    assert "is missing from" in found(MIDDLEWARE=[])["nothing_shared_causality.W001"].msg
    assert "nothing_shared_causality.W001" not in found(MIDDLEWARE=(ours,))


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_aliases_that_are_said_to_be_one_database_are_none_to_warn_of() -> None:
    databases = {alias: {**SQLITE, "NAME": "db.sqlite3"} for alias in ("default", "reader")}
    same = {"SAME_DATABASE": {"reader": "default"}}
    messages = found(DATABASES=databases, NOTHING_SHARED_CAUSALITY=same)
    assert "nothing_shared_causality.W002" not in messages


GARBAGE: list[Any] = ["text", 7, ["a"], {"a": 1}, {1: 2}, {"SAME_DATABASE": 3}, {"OPTIONS": ()}]


@pytest.mark.parametrize("setting", ["NODE", "BUS", "CAUSALITY"])
@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_no_setting_however_wrong_breaks_the_checks(setting: str, garbage: Any) -> None:
    label = f"nothing_shared_{setting.lower()}.E001"
    assert label in found(**{f"NOTHING_SHARED_{setting}": garbage})


@pytest.mark.parametrize("garbage", ["text", 7, ["a"], {1: 2}], ids=repr)
def test_no_options_however_wrong_break_the_checks(garbage: Any) -> None:
    caches = {"default": {"BACKEND": MACHINE, "OPTIONS": garbage}}
    assert "nothing_shared_cache.E001" in found(CACHES=caches)


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_wrong_settings_don_t_break_the_checks_of_others(garbage: Any) -> None:
    databases = {alias: {**SQLITE, "NAME": "db.sqlite3"} for alias in ("default", "reader")}
    messages = found(DATABASES=databases, NOTHING_SHARED_CAUSALITY=garbage)
    assert "nothing_shared_causality.E001" in messages
