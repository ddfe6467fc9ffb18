from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from nothing_shared.checks import TAG
from nothing_shared.node import checks
from nothing_shared.node.directory import (
    UnsafeDirectory,
    ensure,
    node_directory,
    project_directory,
    unsafe_because,
)

IS_ROOT = os.geteuid() == 0
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ids() -> list[str | None]:
    return [message.id for message in run_checks(tags=[TAG])]


def test_the_default_directory_is_of_this_user_and_project(settings: Any) -> None:
    settings.NOTHING_SHARED_NODE = {}
    first = node_directory()
    assert str(os.geteuid()) in str(first)
    assert first == node_directory() == project_directory() / "node"
    settings.BASE_DIR = Path("/srv/another")
    assert node_directory() != first


def test_the_default_directory_is_the_same_where_settings_are_overridden() -> None:
    outside = project_directory()
    with override_settings(USE_TZ=True):
        assert project_directory() == outside


def test_settings_name_the_directory(settings: Any, tmp_path: Path) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(tmp_path / "here")}
    assert node_directory() == tmp_path / "here"
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": "~/here"}
    assert node_directory() == Path.home() / "here"


def test_what_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = ensure(tmp_path / "a" / "b" / "node")
    assert [mode(path) for path in (made, made.parent, made.parent.parent)] == [0o700] * 3
    assert ensure(made) == made


@pytest.mark.parametrize("open_to", [0o770, 0o777, 0o755, 0o701, 0o720])
def test_a_directory_open_to_others_is_refused_and_the_message_says_what_to_run(
    tmp_path: Path, open_to: int
) -> None:
    tmp_path.chmod(open_to)
    with pytest.raises(UnsafeDirectory, match=f"mode {open_to:o}.*chmod 700 {tmp_path}"):
        ensure(tmp_path)
    tmp_path.chmod(0o700)
    ensure(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UnsafeDirectory, match="link"):
        ensure(tmp_path / "link")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnsafeDirectory, match="not a directory"):
        ensure(tmp_path / "file")


def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path if IS_ROOT else Path("/")
    if IS_ROOT:
        os.chown(theirs, NOBODY, NOBODY)
    with pytest.raises(UnsafeDirectory, match="belongs to user"):
        ensure(theirs)


if IS_ROOT:  # nobody else can give a directory away

    def test_a_parent_that_a_stranger_was_first_to_make_in_a_public_place_is_refused(
        tmp_path: Path,
    ) -> None:
        public, squatted = tmp_path / "public", tmp_path / "public" / "nothing_shared-0"
        public.mkdir()
        public.chmod(0o1777)
        squatted.mkdir()
        ensure(squatted / "node")
        os.chown(squatted, NOBODY, NOBODY)
        with pytest.raises(UnsafeDirectory, match=f"{squatted}.*belongs to user {NOBODY}"):
            ensure(squatted / "node")


def test_a_directory_that_cannot_be_made_is_a_matter_of_configuration() -> None:
    with pytest.raises(ImproperlyConfigured, match="can't be made"):
        ensure(Path("/proc/nothing_shared/node"))


def test_sound_settings_pass_the_checks(settings: Any, tmp_path: Path) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(tmp_path / "node")}
    assert [id for id in ids() if id and "node" in id] == []
    assert not (tmp_path / "node").exists(), "a check leaves nothing behind"


def test_a_misspelt_key_is_an_error_that_asks_what_was_meant(settings: Any) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTRY": "/tmp/node"}
    (error,) = [found for found in run_checks(tags=[TAG]) if found.id == "nothing_shared_node.E001"]
    assert 'Did you mean "DIRECTORY"?' in error.msg
    with pytest.raises(ImproperlyConfigured, match="Did you mean"):
        node_directory()


@pytest.mark.parametrize(
    "wrong", [{"LEASE": 0.1}, {"LEASE": "long"}, {"SLOTS": 1000}, {"MAX_STALENESS": -1}]
)
def test_a_value_out_of_bounds_is_an_error(settings: Any, wrong: dict[str, Any]) -> None:
    settings.NOTHING_SHARED_NODE = wrong
    assert "nothing_shared_node.E001" in ids()


def test_an_unsafe_directory_is_an_error_with_a_command_to_paste(
    settings: Any, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(tmp_path)}
    (error,) = checks.check_directory()
    assert error.id == "nothing_shared_node.E002"
    assert error.hint == f"chmod 700 {tmp_path}"


def test_a_network_file_system_is_warned_of(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.NOTHING_SHARED_NODE = {"DIRECTORY": str(tmp_path)}
    kind = checks._file_system(str(tmp_path))
    assert checks._file_system("/proc") == "proc"
    monkeypatch.setattr(checks, "NETWORKED", {kind})
    (warning,) = checks.check_directory()
    assert warning.id == "nothing_shared_node.W001"
    assert kind in warning.msg


def test_a_directory_that_is_safe_has_nothing_wrong_with_it(tmp_path: Path) -> None:
    assert unsafe_because(ensure(tmp_path / "node")) is None
