"""Files are written whole, or what was there stays."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from panodepth.atomic import atomic, write_atomic
from panodepth.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("content", "stored"), [("ä\n", b"\xc3\xa4\n"), (b"\x00\r", b"\x00\r")])
def test_text_is_utf8_and_bytes_are_bytes(tmp_path: Path, content: str, stored: bytes) -> None:
    write_atomic(tmp_path / "new" / "file", content)
    assert (tmp_path / "new" / "file").read_bytes() == stored
    write_atomic(tmp_path / "new" / "file", b"other")
    assert (tmp_path / "new" / "file").read_bytes() == b"other"
    assert names(tmp_path / "new") == ["file"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("old")

    def fail() -> None:
        with atomic(one, two) as (first, second):
            first.write_text("new")
            second.write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert one.read_text() == "old"
    assert names(tmp_path) == ["one"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/inside: cannot be written \(") as told:
        write_atomic(tmp_path / "file" / "inside", "x")
    assert "\n" not in str(told.value)
    with pytest.raises(OutputError, match="is a folder"):
        write_atomic(tmp_path, "x")


def test_a_name_that_is_no_text_is_written_all_the_same(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_atomic(tmp_path / "a.json", json.dumps({"name": name}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"name": name}
