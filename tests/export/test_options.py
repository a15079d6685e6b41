"""Options of writers, by field and by format, from Python and as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from panodepth.errors import ConfigError
from panodepth.export.clouds.options import PlyOptions
from panodepth.export.clouds.selection import PointsOptions
from panodepth.export.meshes.gltf import GlbOptions
from panodepth.export.options import parse_settings, writer_options
from panodepth.export.rasters.distance import ExrOptions
from panodepth.types import Prediction


def test_a_field_goes_to_all_that_have_it_and_a_format_alone_to_itself() -> None:
    found = writer_options(["ply", "points-glb", "npz"], {"max_points": 7})
    assert found == {"ply": PlyOptions(max_points=7), "points-glb": PointsOptions(max_points=7)}
    found = writer_options(["ply", "points-glb"], {"ply.max_points": 7})
    assert found == {"ply": PlyOptions(max_points=7), "points-glb": PointsOptions()}


def test_text() -> None:
    settings = ["glb.max_columns=50", "exr.sky=infinity", "exr.alpha = false"]
    given = parse_settings(settings)
    assert given == {"glb.max_columns": 50, "exr.sky": "infinity", "exr.alpha": False}
    assert writer_options(["exr", "glb"], given) == {
        "exr": ExrOptions(sky="infinity", alpha=False),
        "glb": GlbOptions(max_columns=50),
    }


@pytest.mark.parametrize(
    ("formats", "given", "message"),
    [
        (["glb"], {"max_colums": 5}, "did you mean 'max_columns'"),
        (["glb"], {"glb.max_colums": 5}, "did you mean 'max_columns'"),
        (["glb"], {"gbl.max_columns": 5}, "unknown format 'gbl'"),
        (["glb"], {"ply.max_points": 5}, "format ply is not written"),
        (["npz"], {"npz.max_points": 5}, "format npz has no options"),
        (["npz"], {"max_points": 5}, "none has options"),
        (["glb"], {"max_columns": 7}, "at least 8"),
        (["html"], {"max_columns": 7}, "at least 8"),
        (["ply"], {"max_points": 0}, "at least 1"),
        (["glb"], {"max_columns": "many"}, "must be a whole number"),
        (["exr"], {"sky": "near"}, "choose one of far, infinity"),
    ],
)
def test_what_cannot_be_is_said(formats: list[str], given: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        writer_options(formats, given)


@pytest.mark.parametrize("text", ["glb.max_columns", "max_columns=5", "glb.=5", ".x=5", ""])
def test_text_of_another_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form FORMAT\.OPTION=VALUE"):
        parse_settings([text])


def test_save_takes_them(room: Prediction, tmp_path: Path) -> None:
    small, large = (room.save(tmp_path / f"{n}.glb", max_columns=n)[0] for n in (16, 128))
    assert small.stat().st_size < large.stat().st_size
    with pytest.raises(ConfigError, match="no option"):
        room.save(tmp_path / "x.glb", colour=1)
    assert not (tmp_path / "x.glb").exists()
