from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from nothing_shared.thumbnails.derived import Derived, derived_of, name_of
from nothing_shared.thumbnails.errors import PictureTooLarge, SourceMissing
from nothing_shared.thumbnails.origins import FileOrigin, StorageUnavailable, origin_of, read_within
from nothing_shared.thumbnails.wholeness import whole_picture
from tests.thumbnails.pictures import jpeg

MEMORY = "django.core.files.storage.InMemoryStorage"


class SilentStorage(Storage):
    """Answers nothing."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise ConnectionResetError("nobody there")

    def _save(self, name: str, content: Any) -> str:
        raise ConnectionResetError("nobody there")

    def exists(self, name: str) -> bool:
        raise ConnectionResetError("nobody there")


@pytest.fixture(params=["files", "memory"])
def alias(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    settings.STORAGES = {
        "files": {
            "BACKEND": "nothing_shared.thumbnails.storages.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        },
        "memory": {"BACKEND": MEMORY},
        "silent": {"BACKEND": f"{__name__}.SilentStorage"},
    }
    return str(request.param)


def test_the_fingerprint_tells_one_file_from_the_next(alias: str) -> None:
    storages[alias].save("a/b.jpg", ContentFile(b"one"))
    origin = origin_of(alias)
    data, first = origin.read("a/b.jpg", 3)
    assert data == b"one" and origin.fingerprint("a/b.jpg") == first
    storages[alias].delete("a/b.jpg")
    storages[alias].save("a/b.jpg", ContentFile(b"three"))
    assert origin.fingerprint("a/b.jpg") != first
    assert origin.read("a/b.jpg", 5)[0] == b"three"


def test_beyond_its_bound_a_file_is_not_read(alias: str) -> None:
    storages[alias].save("a.jpg", ContentFile(bytes(100)))
    with pytest.raises(PictureTooLarge):
        origin_of(alias).read("a.jpg", 99)

    class Endless:
        asked = 0

        def read(self, size: int) -> bytes:
            self.asked += size
            return bytes(size)

    endless = Endless()
    with pytest.raises(PictureTooLarge):
        read_within(1_000_000, endless)
    assert endless.asked == 1_000_001


@pytest.mark.parametrize("name", ["nowhere.jpg", "a" * 300, "../../etc/passwd"])
def test_what_isn_t_there_is_missing(alias: str, name: str) -> None:
    storages[alias].save("a.jpg", ContentFile(b"x"))
    for ask in (origin_of(alias).fingerprint, lambda name: origin_of(alias).read(name, 9)):
        with pytest.raises(SourceMissing):
            ask(name)


def test_a_storage_that_is_not_there_is_missing_and_one_that_is_silent_is_not(alias: str) -> None:
    with pytest.raises(SourceMissing):
        origin_of("nowhere")
    with pytest.raises(StorageUnavailable):
        origin_of("silent").read("a.jpg", 9)


def test_of_a_file_that_is_being_written_the_fingerprint_is_the_older(tmp_path: Path) -> None:
    from django.core.files.storage import FileSystemStorage

    file = tmp_path / "a.jpg"
    file.write_bytes(b"half")
    origin = FileOrigin(FileSystemStorage(tmp_path))
    _, fingerprint = origin.read("a.jpg", 100)
    with file.open("ab") as more:
        more.write(b" and half")
    assert origin.fingerprint("a.jpg") != fingerprint


def test_a_derived_storage_keeps_whole_files_and_loses_all_without_an_error(alias: str) -> None:
    derived, name = derived_of(alias), name_of("default", "a.jpg", "v1", "1-30x20")
    assert derived.get(name) is None
    derived.put(name, jpeg(), "image/jpeg")
    derived.put(name, jpeg(), "image/jpeg")
    assert derived.get(name) == (jpeg(), "image/jpeg")
    storages[alias].delete(name)
    storages[alias].save(name, ContentFile(jpeg()[:-10]))
    assert derived.get(name) is None
    derived.put(name, jpeg("blue"), "image/jpeg")
    assert derived.get(name) == (jpeg("blue"), "image/jpeg")
    assert derived.delete_all_of("default", "a.jpg") == 1
    assert derived.get(name) is None
    assert derived.delete_all_of("default", "b.jpg") == 0


def test_a_silent_derived_storage_has_nothing_and_breaks_nothing(alias: str) -> None:
    derived = derived_of("silent")
    assert isinstance(derived, Derived)
    assert derived.get("x") is None and derived.delete_all_of("default", "x") == 0
    derived.put("x", jpeg(), "image/jpeg")


def test_a_picture_that_was_cut_off_anywhere_is_not_whole() -> None:
    from PIL import Image

    for format in ("JPEG", "PNG", "WEBP", "GIF", "AVIF"):
        file = BytesIO()
        Image.new("RGB", (40, 30), "tomato").save(file, format)
        data = file.getvalue()
        assert whole_picture(data) == f"image/{format.lower()}"
        for end in range(len(data)):
            assert whole_picture(data[:end]) == "", (format, end)
