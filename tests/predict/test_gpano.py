"""A panorama's GPano tags: it is levelled for the network, and given back as it was."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.painted_world import PREDICTOR, error_percent, picture

from panodepth.errors import InputError
from panodepth.geometry.lens import ERP
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.predict.options import PredictOptions

SIZE = (120, 240)
POSE = {"PoseHeadingDegrees": 70, "PosePitchDegrees": 20, "PoseRollDegrees": 15}
TURN = rotation_from_yaw_pitch_roll(0.0, math.radians(20), math.radians(15))


def tagged(image: Any, tags: dict[str, Any]) -> bytes:
    """A PNG file of floats in [0, 1], with the tags in its XMP packet."""
    from PIL import PngImagePlugin

    listed = " ".join(f'GPano:{name}="{value}"' for name, value in tags.items())
    space = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", f"<rdf:Description {space} {listed}/>")
    file = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "PNG", pnginfo=texts)
    return file.getvalue()


def test_a_tilted_panorama_is_levelled_and_given_back(tmp_path: Path) -> None:
    """The network sees it level; the raster keeps its orientation, the cloud is level."""
    from plyfile import PlyData

    image = picture(ERP(), SIZE, TURN)
    request = PREDICTOR.prepare(tagged(image, POSE), None, PredictOptions(sky="none"))
    seen_by_network = np.moveaxis(request.pixels, 0, -1)
    level = picture(ERP(), (56, 112))
    assert np.abs(seen_by_network - level).mean() < 0.005
    found = PREDICTOR.predict(tagged(image, POSE), sky="none")
    np.testing.assert_array_equal(found.image, np.rint(image * 255).astype(np.uint8))
    rays = ERP().rays(SIZE) @ TURN.T.astype(np.float32)
    assert error_percent(found.distance, rays, found.mask) < 0.6
    np.testing.assert_allclose(found.rotation, TURN)
    np.testing.assert_allclose(TURN @ found.up, [0, -1, 0], atol=1e-12)
    assert found.meta["gpano_pose_deg"] == {"heading": 70, "pitch": 20, "roll": 15}
    assert "levelled by its GPano pose (pitch 20°, roll 15°)" in found.meta["notes"][0]
    found.save(tmp_path / "a.ply")
    vertices = PlyData.read(tmp_path / "a.ply")["vertex"]
    points = np.stack([vertices[axis] for axis in "xyz"], -1)
    expected = (found.distance[..., None] * rays).reshape(-1, 3)
    np.testing.assert_allclose(points, expected, atol=1e-4)


def test_what_is_known_counts_in_pixels_of_the_tilted_picture() -> None:
    image = tagged(picture(ERP(), SIZE, TURN), POSE)
    found = PREDICTOR.predict(image, sky="none", known_distance=(50.5, 40.5, 3.0))
    assert found.distance[40, 50] == pytest.approx(3.0, rel=0.01)


def test_the_pose_can_be_ignored_and_a_heading_turns_nothing() -> None:
    image = picture(ERP(), SIZE)
    usual = PREDICTOR.predict(tagged(image, {}), sky="none")
    for tags, options in ((POSE, {"pose": "ignore"}), ({"PoseHeadingDegrees": 70}, {})):
        found = PREDICTOR.predict(tagged(image, tags), sky="none", **options)
        np.testing.assert_array_equal(found.distance, usual.distance)
        assert found.rotation is None
        assert "notes" not in found.meta


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({}, False),
        ({"out_projection": "input"}, False),
        ({"pose": "ignore", "out_projection": "perspective"}, False),
        ({"out_projection": "perspective"}, True),
        ({"out_projection": "cubemap", "out_view": (30.0,)}, True),
        ({"top": 90.0, "bottom": -60.0}, True),
        ({"top": 90.0, "bottom": -60.0, "out_projection": "input"}, False),
    ],
)
def test_a_pose_of_0_is_written_only_where_pixels_were_turned(
    options: dict[str, Any], level: bool
) -> None:
    image = picture(ERP(), SIZE, TURN)
    found = PREDICTOR.predict(tagged(image, POSE), sky="none", **options)
    tilt = {"pitch": 0, "roll": 0} if level else {"pitch": 20, "roll": 15}
    assert found.meta["gpano_pose_deg"] == {"heading": 70, **tilt}


def area_tags(corner: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    """GPano tags of a part of a panorama of SIZE: its top and left, its height and width."""
    return {
        "FullPanoHeightPixels": SIZE[0],
        "FullPanoWidthPixels": SIZE[1],
        "CroppedAreaImageHeightPixels": size[0],
        "CroppedAreaImageWidthPixels": size[1],
        "CroppedAreaTopPixels": corner[0],
        "CroppedAreaLeftPixels": corner[1],
    }


@pytest.mark.parametrize("pose", [{}, POSE])
@pytest.mark.parametrize(("left", "width"), [(30, 150), (180, 120), (0, 240)])
def test_a_crop_is_given_back_pixel_for_pixel(pose: dict[str, Any], left: int, width: int) -> None:
    """Across the seam, too. The canvas has the same numbers, and nothing outside."""
    top, height = 25, 70
    turn = TURN if pose else None
    whole = picture(ERP(), SIZE, turn)
    columns = (np.arange(width) + left) % SIZE[1]
    image = whole[top : top + height, columns]
    tags = {**area_tags((top, left), (height, width)), **pose}
    canvas = PREDICTOR.predict(tagged(image, tags), sky="none")
    assert canvas.distance.shape == SIZE
    inside = np.zeros(SIZE, bool)
    inside[top : top + height, columns] = True
    assert not canvas.mask[~inside].any()
    crop = PREDICTOR.predict(tagged(image, tags), sky="none", out_projection="input")
    assert crop.distance.shape == (height, width)
    np.testing.assert_array_equal(crop.image, np.rint(image * 255).astype(np.uint8))
    np.testing.assert_array_equal(crop.distance, canvas.distance[top : top + height, columns])
    np.testing.assert_array_equal(crop.mask, canvas.mask[top : top + height, columns])
    assert crop.mask.mean() > 0.97
    assert crop.level == canvas.level  # the frame is the same
    rays = crop.lens.rays((height, width))
    np.testing.assert_allclose(rays, ERP().rays(SIZE)[top : top + height, columns], atol=1e-5)
    level = rays if turn is None else rays @ turn.T.astype(np.float32)
    assert error_percent(crop.distance, level, crop.mask) < 0.6


@pytest.mark.parametrize("pose", [{}, POSE])
@pytest.mark.parametrize("left", [30, 180])
def test_masks_and_pixels_of_a_crop_count_in_it(
    tmp_path: Path, pose: dict[str, Any], left: int
) -> None:
    top, height, width = 25, 70, 120
    columns = (np.arange(width) + left) % SIZE[1]
    image = picture(ERP(), SIZE, TURN if pose else None)[top : top + height, columns]
    tags = {**area_tags((top, left), (height, width)), **pose}
    mask = np.zeros((height, width), bool)
    mask[10:60, 20:90] = True
    known = {"known_distance": (60.5, 30.5, 3.0)}
    found = PREDICTOR.predict(tagged(image, tags), mask, sky="none", **known)
    assert found.distance.shape == SIZE
    assert found.distance[top + 30, columns[60]] == pytest.approx(3.0, rel=0.01)
    expected = np.zeros(SIZE, bool)
    expected[top + 10 : top + 60, columns[20:90]] = True
    assert (found.mask != expected).mean() < 0.01
    canvas = PREDICTOR.predict(tagged(image, tags), expected, sky="none", **known)
    np.testing.assert_array_equal(canvas.mask, found.mask)
    Image.fromarray(mask).save(tmp_path / "sky.png")
    sky = PREDICTOR.predict(tagged(image, tags), sky=str(tmp_path / "sky.png"))
    assert sky.sky_mask is not None
    assert (sky.sky_mask != expected).mean() < 0.01
    with pytest.raises(InputError, match=r"does not match image \(70, 120\)"):
        PREDICTOR.predict(tagged(image, tags), np.ones((70, 121), bool))
    with pytest.raises(InputError, match="of the 120x70 picture sees nothing"):
        PREDICTOR.predict(tagged(image, tags), known_distance=(121, 30, 3.0))


@pytest.mark.parametrize("tags", [{}, POSE])
def test_what_is_measured_from_the_tilted_camera_counts_as_it_sees(
    tmp_path: Path, tags: dict[str, Any]
) -> None:
    """Points and a coarse map of one corner: in the level world it lies elsewhere."""
    image = tagged(picture(ERP(), SIZE, TURN if tags else None), tags)
    found = PREDICTOR.predict(image, sky="none")
    corner = np.zeros(SIZE, bool)
    corner[30:60, 20:70] = True
    np.savetxt(tmp_path / "a.csv", 3 * found.points[corner], delimiter=",")
    np.savez(tmp_path / "a.npz", distance=np.where(corner, 3 * found.distance, 0))
    by_points = PREDICTOR.predict(image, sky="none", points=tmp_path / "a.csv")
    assert by_points.scale == pytest.approx(3, rel=0.002)
    assert by_points.metres_spread == pytest.approx(0, abs=0.005)
    by_map = PREDICTOR.predict(image, sky="none", anchor_depth=tmp_path / "a.npz")
    ratio = (by_map.distance / found.distance)[corner]
    np.testing.assert_allclose(ratio, 3, rtol=0.01)
