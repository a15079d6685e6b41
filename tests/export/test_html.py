"""The viewer's page: what is packed into it comes back, and nothing outside is asked for."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import InputError, OutputError
from panodepth.export.html.packing import NOTHING, SKY, pack
from panodepth.export.html.page import HtmlOptions, Place, write_html, write_rooms
from panodepth.export.mark import stated
from panodepth.export.reprojection import reprojected
from panodepth.export.saved import read_saved
from panodepth.geometry.lens import View
from panodepth.geometry.lenses import EquidistantFisheye
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.types import Prediction

WEB = Path(__file__).parents[2] / "web"
SOURCE = WEB.parent / "src" / "panodepth"
FINEST = 65533  # steps between the nearest and the farthest code


def unpacked(text: str, size: tuple[int, int]) -> np.ndarray:
    """The codes, as web/viewer/room.ts reads them."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, *size)
    rest = planes[0].astype(np.uint16) + (planes[1].astype(np.uint16) << 8)
    return rest.cumsum(0, dtype=np.uint16).cumsum(1, dtype=np.uint16)


def element(page: str, key: str) -> str:
    found = re.search(rf'<script type="[^"]+" id="{key}">(.*?)</script>', page)
    assert found, key
    return found[1]


def rooms_of(path: Path) -> list[dict[str, Any]]:
    rooms: list[dict[str, Any]] = json.loads(element(path.read_text(), "rooms"))
    return rooms


@given(seed=st.integers(0, 1000), spread=st.floats(0, 5), share=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_packed_distances_come_back(seed: int, spread: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    distance = np.exp(rng.normal(0, spread, (6, 12))).astype(np.float32)
    mask = rng.random((6, 12)) < share
    sky = rng.random((6, 12)) < 0.5
    packed = pack(distance, mask, sky)
    codes = unpacked(packed.text, (6, 12))
    assert ((codes == SKY) == (sky & ~mask)).all()
    assert ((codes == NOTHING) == (~sky & ~mask)).all()
    step = np.log(packed.far / packed.near) / FINEST
    found = packed.near * np.exp(step * (codes[mask] - 1.0))
    assert np.abs(np.log(found / distance[mask])).max(initial=0) <= 0.5 * step + 1e-6


def test_a_page_holds_the_room_and_says_what_it_is(room: Prediction, tmp_path: Path) -> None:
    path = tmp_path / "room.html"
    assert room.save(path) == [path]
    page = path.read_text()
    info = rooms_of(path)[0]
    assert (info["name"], info["unit"], info["stride"]) == ("room", "m", 1)
    codes = unpacked(element(page, "distance-0"), room.distance.shape)
    assert ((codes > 0) == room.mask).all()
    photo = np.frombuffer(base64.b64decode(element(page, "photo-0")), np.uint8)
    assert cv2.imdecode(photo, cv2.IMREAD_COLOR).shape == room.image.shape
    meta = stated(path)
    assert meta is not None
    assert (meta["unit"], meta["prediction"]["model"]) == ("m", "truth")


def test_nothing_outside_is_asked_for(room: Prediction, tmp_path: Path) -> None:
    [path] = write_html(room, tmp_path / "room.html")
    page = path.read_text()
    markup = page.split("<script>")[0]
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?!data:,)[\w/.]""", markup)
    assert not re.search(r"\bimport\(|\bfetch\(|XMLHttpRequest|type=.?module", page)
    assert "Copyright © 2010-" in page  # three.js's licence
    assert "Permission is hereby granted" in page


def test_large_maps_are_thinned(make_room: Any, tmp_path: Path) -> None:
    prediction = make_room(64, 128)
    options = HtmlOptions(max_columns=40, max_texture_width=32)
    [path] = write_html(prediction, tmp_path / "small.html", options)
    info = rooms_of(path)[0]
    assert (info["stride"], info["columns"], info["rows"], info["first"]) == (4, 32, 16, [2, 2])
    codes = unpacked(element(path.read_text(), "distance-0"), (16, 32))
    assert ((codes > 0) == prediction.mask[2::4, 2::4]).all()


def test_names_cannot_end_their_element(make_room: Any, tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>"
    [path] = write_html(make_room(8, 16, masked=False, name=name), tmp_path / "bad.html")
    assert rooms_of(path)[0]["name"] == name
    assert "alert(1)</script>" not in path.read_text()


def test_several_rooms_with_places(make_room: Any, tmp_path: Path) -> None:
    rooms = [make_room(8, 16, masked=False, name=name) for name in ("a", "b")]
    places = [Place(), Place(90.0, (1.0, 0.0, 2.0), 0.5)]
    [path] = write_rooms(rooms, tmp_path / "two.html", places)
    infos = rooms_of(path)
    assert [info["name"] for info in infos] == ["a", "b"]
    assert infos[1]["place"] == {"yaw_deg": 90.0, "position": [1.0, 0.0, 2.0], "scale": 0.5}


def test_without_a_surface_there_is_no_page(room: Prediction, tmp_path: Path) -> None:
    empty = Prediction(room.distance, np.zeros_like(room.mask), room.image, room.meta)
    with pytest.raises(OutputError, match="no pixel"):
        write_html(empty, tmp_path / "no.html")
    assert not list(tmp_path.iterdir())


def test_saved_predictions_are_read_back(room: Prediction, tmp_path: Path) -> None:
    file = tmp_path / "room_distance.npz"
    room.save(file)
    found = read_saved(file)
    assert (found.distance == room.distance).all()
    assert (found.mask == room.mask).all()
    assert found.meta == room.meta
    cv2.imwrite(str(tmp_path / "room.png"), room.image[..., ::-1])
    assert (read_saved(file).image == room.image).all()


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"depth": np.ones((4, 8))}, "no array `distance`"),
        ({"distance": np.ones((4, 4))}, "no whole panorama"),
        ({"distance": np.ones((4, 8)), "mask": np.ones((2, 4), bool)}, "does not match"),
        ({"distance": np.ones((4, 8)), "meta": np.array("{")}, "metadata"),
    ],
)
def test_other_files_are_no_saved_predictions(
    arrays: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, **arrays)
    with pytest.raises(InputError, match=reason):
        read_saved(file)


def test_a_rendered_world_is_in_metres_and_its_sky_behind(tmp_path: Path) -> None:
    distance = np.full((4, 8), 2.0, np.float32)
    distance[0] = np.nan
    np.savez(tmp_path / "w_distance.npz", distance=distance, sky=np.isnan(distance))
    found = read_saved(tmp_path / "w_distance.npz")
    assert found.unit == "m"
    assert (found.mask == (distance == 2)).all()
    assert (found.sky == np.isnan(distance)).all()
    assert (found.distance == 2).all()


@pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").exists(),
    reason="needs the program node and web/node_modules",
)
def test_the_bundles_are_made_of_their_source(tmp_path: Path) -> None:
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True, capture_output=True)
    built = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    site = {Path("app/site") / file.name for file in (SOURCE / "app" / "site").iterdir()}
    assert built == site | {Path("export/html/viewer.html")}
    for name in built:
        ours, kept = (
            (tmp_path / name).read_bytes(),
            (SOURCE / name).read_bytes(),
        )
        if name.suffix == ".bin":  # compressors differ
            ours, kept = gzip.decompress(ours), gzip.decompress(kept)
        assert ours == kept, name
        assert name.suffix == ".bin" or len(kept) < 1_000_000


def test_the_lock_file_names_no_registry() -> None:
    assert "http" not in (WEB / "package-lock.json").read_text()


def test_up_is_that_of_what_is_shown(room: Prediction, tmp_path: Path) -> None:
    """A picture found tilted that a fisheye sees level; and one turned by its tags, too."""
    found = {"level": {"turned": True, "up": [0.0, -0.6, 0.8], "source": "estimate"}}
    turn = np.asarray(rotation_from_yaw_pitch_roll(0.2, 0.3, 0.1))
    tilted = replace(room, rotation=turn, meta={**room.meta, **found})
    fisheye = EquidistantFisheye.from_fov(3.0, (64, 64))
    seen = reprojected(tilted, View(fisheye, (64, 64)))
    for prediction, up in ((tilted, [0, -1, 0] @ turn), (seen, [0, -1, 0])):
        write_html(prediction, tmp_path / "a.html")
        assert np.allclose(rooms_of(tmp_path / "a.html")[0]["up"], up)


def test_a_panorama_made_of_what_a_lens_sees_does_not_name_the_lens(
    room: Prediction, tmp_path: Path
) -> None:
    fisheye = EquidistantFisheye.from_fov(3.0, (64, 64))
    turn = np.asarray(rotation_from_yaw_pitch_roll(0.2))
    seen = reprojected(room, View(fisheye, (64, 64), turn))
    assert {"lens", "rotation_to_level"} <= seen.meta.keys()
    for name in ("a.glb", "a.html"):
        seen.save(tmp_path / name)
        said = stated(tmp_path / name)
        assert said is not None
        assert said["projection"].startswith("equirectangular")
        assert not {"lens", "rotation_to_level"} & said["prediction"].keys()
