"""What files say of themselves is JSON whatever numbers a prediction's metadata hold."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panodepth.export.mark import stated
from panodepth.export.metadata import to_json
from panodepth.streams import print_document

SPOILT = {"temperature": float("nan"), "range": [1.5, float("-inf")], "gain": np.float32("inf")}
MENDED = {"temperature": None, "range": [1.5, None], "gain": None}


def _strict(text: str | bytes) -> Any:
    """JSON as browsers read it, without NaN and Infinity."""

    def refused(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refused)


def test_numbers_that_json_lacks_are_null() -> None:
    assert _strict(to_json(SPOILT)) == MENDED
    assert to_json({"a": (1, 2.5), "é": "NaN"}, indent=1) == json.dumps(
        {"a": [1, 2.5], "é": "NaN"}, indent=1
    )


def test_a_document_of_the_command_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_document({"speed": float("inf")})
    assert _strict(capsys.readouterr().out) == {"speed": None}


@pytest.mark.parametrize("ending", ["glb", "ply", "exr", "png", "obj"])
def test_files_hold_what_every_reader_takes(
    make_room: Callable[..., Any], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    make_room(**SPOILT).save(path)
    meta = stated(path)
    assert meta is not None
    assert {key: meta["prediction"][key] for key in SPOILT} == MENDED
    if ending == "glb":
        content = path.read_bytes()
        _strict(content[20 : 20 + int.from_bytes(content[12:16], "little")])


@pytest.mark.parametrize("kind", ["views", "nerfstudio"])
def test_packages_of_views_too(make_room: Callable[..., Any], tmp_path: Path, kind: str) -> None:
    make_room(**SPOILT).save(f"{tmp_path}/", formats=[kind])
    with zipfile.ZipFile(next(tmp_path.glob("*.zip"))) as package:
        texts = [name for name in package.namelist() if name.endswith(".json")]
        assert texts
        for name in texts:
            _strict(package.read(name))
