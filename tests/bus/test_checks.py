from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from nothing_shared.bus import process
from nothing_shared.checks import TAG


def found(id: str) -> list[str]:
    return [message.msg for message in run_checks(tags=[TAG]) if message.id == id]


def test_sound_settings_pass_the_checks(settings: Any, tmp_path: Path) -> None:
    settings.NOTHING_SHARED_BUS = {"LOCATION": str(tmp_path / "bus"), "MAX_PENDING": 10}
    assert not found("nothing_shared_bus.E001")
    assert not found("nothing_shared_bus.E002")
    assert not (tmp_path / "bus").exists(), "a check leaves nothing behind"


def test_a_misspelt_key_is_an_error_that_asks_what_was_meant(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"LOCATON": "/tmp/bus"}
    (text,) = found("nothing_shared_bus.E001")
    assert 'Did you mean "LOCATION"?' in text


def test_a_value_out_of_bounds_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"MAX_PENDING": 0}
    assert found("nothing_shared_bus.E001")


def test_a_backend_that_is_not_there_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"BACKEND": "nothing_shared.bus.backends.pigeon.PigeonBus"}
    (text,) = found("nothing_shared_bus.E002")
    assert "pigeon" in text
    with pytest.raises(ImproperlyConfigured, match="pigeon"):
        process.current()


def test_an_option_that_the_backend_does_not_know_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"OPTIONS": {"RING_BITES": 2**20}}
    (text,) = found("nothing_shared_bus.E002")
    assert 'Did you mean "RING_BYTES"?' in text


def test_a_ring_that_is_too_small_is_an_error(settings: Any) -> None:
    settings.NOTHING_SHARED_BUS = {"OPTIONS": {"RING_BYTES": 1000}}
    assert found("nothing_shared_bus.E002")
