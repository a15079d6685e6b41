"""Sources of frames: plain folders, our own renders, depth of other sizes, refusals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features
from tests.lab.curation.conftest import SIZE, Made
from tests.lab.curation.frames import first, fov_deg, refusal

from panodepth.errors import ConfigError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import z_depth_to_distance
from panodepth.lab.curation.frame import Frame
from panodepth.lab.curation.sources import SOURCES, open_frame_source, parse_source

H, W = SIZE
SHARED = Path(__file__).parents[4] / "shared" / "data" / "rgbd"


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_an_empty_folder_says_what_was_looked_for(kind: str, made: Made) -> None:
    if kind == "hypersim":
        pytest.importorskip("h5py")
    with pytest.raises(ConfigError, match="looked for"):
        open_frame_source(kind, made.root)
    with pytest.raises(ConfigError, match="no such folder"):
        open_frame_source(kind, made.root / "none")


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="vkitti2"):
        open_frame_source("kitti", ".")


# Plain folders


def test_plain_folder_with_a_field_of_view_for_all(made: Made) -> None:
    made.image("a/x.png")
    made.codes("a/x_depth.png", np.full(SIZE, 1500))
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m", "scale": 0.001, "licence": "CC0-1.0"})
    frame = first("frames", made)
    assert frame.name == "a/x"
    assert frame.unit == "m"
    np.testing.assert_allclose(frame.z_depth, 1.5, rtol=1e-6)
    assert frame.lens.fx == pytest.approx(W / 2)
    assert fov_deg(frame) == pytest.approx(90)
    assert frame.meta["licence"] == "CC0-1.0"


def test_a_plain_folder_s_path_may_hold_an_equals_sign(made: Made) -> None:
    made.image("fps=2/a.png")
    for text in (f"{made.root}/fps=2", f"frames={made.root}/fps=2"):
        assert len(parse_source(text, without_depth=True)) == 1


@pytest.mark.parametrize("name", ["x.JPG", "x.Png", "x.avif"])
def test_plain_pictures_of_any_kind_and_spelling(made: Made, name: str) -> None:
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    kind = {"JPG": "JPEG"}.get(name[2:], name[2:])
    Image.new("RGB", SIZE[::-1], "grey").save(made.root / name, kind)
    made.codes("x_depth.png", np.full(SIZE, 1500))
    made.json("camera.json", {"x_fov_deg": 90, "unit": "m", "scale": 0.001})
    assert first("frames", made).size == SIZE
    assert len(open_frame_source("frames", made.root, without_depth=True)) == 1


def test_plain_distance_with_holes_and_sky(made: Made) -> None:
    values = np.full(SIZE, 2.0, np.float32)
    values[0], values[1], values[2] = np.nan, np.inf, -1
    made.image("x.jpg")
    np.savez(made.path("x_distance.npz"), distance=values)
    made.json("x.json", {"x_fov_deg": 60})
    frame = first("frames", made)
    assert frame.unit == "relative"
    assert frame.z_depth is not None
    assert (frame.z_depth[0] == 0).all()
    assert np.isinf(frame.z_depth[1]).all()
    assert (frame.z_depth[2] == 0).all()


@pytest.mark.parametrize(
    ("camera", "reason"),
    [
        ({}, "intrinsics"),
        ({"intrinsics": {"fx": 9, "fy": 9}}, "intrinsics"),
        ({"x_fov_deg": 200}, "lying_intrinsics"),
        ({"intrinsics": [[0, 0, 8], [0, 9, 6], [0, 0, 1]]}, "lying_intrinsics"),
        ({"intrinsics": [[9, 0, 8], [0, 20, 6], [0, 0, 1]]}, "lying_intrinsics"),
        ({"intrinsics": [[9, 0, 80], [0, 9, 6], [0, 0, 1]]}, "lying_intrinsics"),
        ({"intrinsics": [[8, 0, 8], [0, 8, 6], [0, 0, 1]], "x_fov_deg": 60}, "lying_intrinsics"),
        (
            {"intrinsics": [[8, 0, 8], [0, 8, 6], [0, 0, 1]], "height": 16, "width": 12},
            "lying_intrinsics",
        ),
        ({"intrinsics": [[8, 0, 8], [0, 8, 6], [0, 0, 1]], "width": 2 * W}, "lying_intrinsics"),
        ({"intrinsics": [[16, 0, 16], [0, 16, 12], [0, 0, 2]]}, "lying_intrinsics"),
        ({"x_fov_deg": 60, "pose": "none"}, "lying_intrinsics"),
        ({"x_fov_deg": 60, "pose": [1, 2, 3]}, "lying_intrinsics"),
        ({"x_fov_deg": 60, "pose": [[1, 0, 0], [0, 1]]}, "lying_intrinsics"),
        ({"x_fov_deg": 60, "pose": np.diag([1, 1, -1, 1]).tolist()}, "lying_intrinsics"),
    ],
)
def test_missing_and_lying_intrinsics_are_refused(
    camera: dict[str, Any], reason: str, made: Made
) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", camera)
    assert refusal(open_frame_source("frames", made.root)).reason == reason


def test_intrinsics_of_another_resolution_are_scaled(made: Made) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    given = {"intrinsics": [[16, 0, 16], [0, 16, 12], [0, 0, 1]], "height": 2 * H, "width": 2 * W}
    made.json("camera.json", given)
    np.testing.assert_allclose(
        first("frames", made).lens.matrix(), [[8, 0, 8], [0, 8, 6], [0, 0, 1]]
    )


def test_distance_and_z_depth_that_contradict_the_intrinsics_are_refused(made: Made) -> None:
    from panodepth.lab.curation.frame import pinhole_from_fov

    made.image("x.png")
    z_depth = np.full(SIZE, 3.0, np.float32)
    distance = z_depth_to_distance(z_depth, pinhole_from_fov(90, SIZE))
    np.savez(made.path("x_distance.npz"), distance=distance, z_depth=z_depth)
    made.json("camera.json", {"x_fov_deg": 90})
    first("frames", made)
    made.json("camera.json", {"x_fov_deg": 60})
    assert refusal(open_frame_source("frames", made.root)).reason == "lying_intrinsics"


def test_other_sizes_and_damage_are_refused_and_the_rest_goes_on(made: Made) -> None:
    for name in "abc":
        made.image(f"{name}.png")
        made.npy(f"{name}_depth.npy", np.ones(SIZE if name != "a" else (5, 5)))
    made.json("camera.json", {"x_fov_deg": 90})
    made.path("b.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    source = open_frame_source("frames", made.root)
    assert [refusal(source, i).reason for i in (0, 1)] == ["size", "unreadable"]
    assert isinstance(source[2], Frame)


def test_frames_that_we_render(tmp_path: Path) -> None:
    from panodepth.lab.training.render import ViewJob, render_files

    render_files(ViewJob(count=1, views=2, size=(24, 32), kind="indoor"), tmp_path)
    source = open_frame_source("frames", tmp_path)
    frames = [source[i] for i in range(len(source))]
    assert len(frames) == 2
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.unit == "m"
        assert frame.level
        assert frame.group == "indoor_000000"
        assert frame.pose is not None
        assert fov_deg(frame) == pytest.approx(90, abs=1e-4)


@pytest.mark.parametrize("name", ["tum_open3d", "redwood_open3d"])
def test_real_sensor_samples(name: str) -> None:
    if not SHARED.is_dir():
        pytest.skip("the sample frames are not here")
    source = open_frame_source("frames", SHARED / name)
    frame = source[len(source) - 1]
    assert isinstance(frame, Frame)
    assert frame.size == (480, 640)
    assert frame.lens.cx == 320
    assert frame.z_depth is not None
    valid = frame.z_depth[frame.z_depth > 0]
    assert 0.3 < np.median(valid) < 5
    assert (frame.pose is not None) == (name == "redwood_open3d")


# Depth smaller than its picture, and what renderers write for the sky


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("kind", ["depth", "distance"])
def test_small_depth_of_the_picture_s_shape_is_enlarged_by_the_nearest_value(
    made: Made, factor: int, kind: str
) -> None:
    small = np.random.default_rng(0).uniform(1, 5, (H // factor, W // factor)).astype(np.float32)
    made.image("x.png")
    made.json("camera.json", {"x_fov_deg": 70, "unit": "m"})
    lens = Pinhole.from_fov(math.radians(70), small.shape)
    stored = small if kind == "depth" else z_depth_to_distance(small, lens)
    made.npy(f"x_{kind}.npy", stored)
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert frame.z_depth.shape == SIZE
    enlarged = small.repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_allclose(frame.z_depth, enlarged, rtol=1e-5)


@pytest.mark.parametrize("shape", [(H // 2, W // 4), (2 * H, 2 * W), (H, W // 2)])
def test_depth_of_another_shape_or_larger_is_refused_with_both_sizes(
    made: Made, shape: tuple[int, int]
) -> None:
    made.image("x.png")
    made.json("camera.json", {"x_fov_deg": 70})
    made.npy("x_depth.npy", np.ones(shape))
    refused = refusal(open_frame_source("frames", made.root))
    assert refused.reason == "size"
    assert refused.detail == f"depth is {shape[1]}x{shape[0]}, the picture {W}x{H}"


@pytest.mark.parametrize("far", [1e10, 3.4e38, np.inf])
def test_far_sentinels_of_plain_frames_are_sky(made: Made, far: float) -> None:
    z_depth = np.full(SIZE, 2.0, np.float32)
    z_depth[:4] = far
    made.image("x.png")
    made.json("camera.json", {"x_fov_deg": 70})
    made.npy("x_depth.npy", z_depth)
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert np.isinf(frame.z_depth[:4]).all()
    assert (frame.z_depth[4:] == 2).all()


def test_what_a_frame_s_files_hold_may_be_anything(made: Made) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    for said in ({"x_fov_deg": [1]}, {"x_fov_deg": {}}, {"x_fov_deg": 70, "pose": [[1]]}):
        made.json("camera.json", said)
        assert refusal(open_frame_source("frames", made.root)).reason in (
            "unreadable",
            "intrinsics",
            "lying_intrinsics",
        )
    made.path("camera.json").write_bytes(b"[" * 100_000)
    assert refusal(open_frame_source("frames", made.root)).reason == "unreadable"


def test_linked_folders_are_read_once_and_links_to_nowhere_are_none(tmp_path: Path) -> None:
    room, frames = Made(tmp_path / "room"), Made(tmp_path / "frames")
    for made, name in ((room, "a"), (frames, "b")):
        made.image(f"{name}.png")
        made.npy(f"{name}_depth.npy", np.ones(SIZE))
        made.json("camera.json", {"x_fov_deg": 70})
    (frames.root / "linked").symlink_to(room.root)
    (frames.root / "again").symlink_to(room.root)
    (frames.root / "loop").symlink_to(tmp_path)
    (frames.root / "gone_depth.npy").symlink_to(tmp_path / "nowhere.npy")
    source = open_frame_source("frames", frames.root)
    assert [source.label(i)[0] for i in range(len(source))] == ["again/a", "b"]
    assert [source[i].size for i in range(2)] == [SIZE, SIZE]


@pytest.mark.parametrize(
    "said",
    [
        {"x_fov_deg": "wide"},
        {"x_fov_deg": [70]},
        {"intrinsics": {"fx": "a", "fy": 9, "cx": 8, "cy": 6}},
        {"intrinsics": {"fx": 9, "fy": 9, "cx": 8, "cy": 6}, "width": 0, "height": 0},
    ],
)
def test_a_lens_that_is_no_number_is_named(made: Made, said: dict[str, Any]) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", said)
    refused = refusal(open_frame_source("frames", made.root))
    assert refused.reason == "lying_intrinsics"
    assert "of NAME.json or camera.json: expected numbers above 0" in refused.detail


def test_a_misspelt_unit_or_scale_is_named(made: Made) -> None:
    """Depths were relative, or of another scale, without a word."""
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", {"x_fov_deg": 70, "units": "m"})
    refused = refusal(open_frame_source("frames", made.root))
    assert refused.reason == "unreadable"
    assert refused.detail.endswith("camera.json: unknown key 'units'; did you mean 'unit'?")


def test_other_shapes_in_a_frame_s_own_files_are_named(made: Made) -> None:
    made.image("x.png")
    made.json("camera.json", {"x_fov_deg": 70})
    file = made.path("x_depth.npz")
    np.savez(file, depth=np.ones(SIZE), sky=np.zeros((3, 3), bool))
    refused = refusal(open_frame_source("frames", made.root))
    assert "sky bool (3, 3) does not match distance" in refused.detail
    np.savez(file, depth=np.zeros((0, 0)))
    assert refusal(open_frame_source("frames", made.root)).detail.startswith("depth is 0x0")
    made.json("x.json", [1, 2])
    assert "expected a JSON object" in refusal(open_frame_source("frames", made.root)).detail


@pytest.mark.parametrize("said", ["integr", "Integer", 0, [8, 6]])
def test_another_centre_than_those_known_is_named(made: Made, said: Any) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", {"fx": 8, "fy": 8, "cx": 7.5, "cy": 5.5, "centre": said})
    refused = refusal(open_frame_source("frames", made.root))
    assert refused.reason == "lying_intrinsics"
    assert f'"centre" is {said!r}: expected "integer"' in refused.detail


def test_the_size_that_intrinsics_hold_for_may_stand_within_them(made: Made) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    half = {"fx": 4, "fy": 4, "cx": W / 4, "cy": H / 4, "width": W // 2, "height": H // 2}
    made.json("camera.json", {"intrinsics": half})
    expected = [[8, 0, W / 2], [0, 8, H / 2], [0, 0, 1]]
    np.testing.assert_allclose(first("frames", made).lens.matrix(), expected)


def test_an_npz_says_what_is_not_given_and_its_unit(made: Made) -> None:
    z_depth, mask, sky = np.full(SIZE, 2.0), np.ones(SIZE, bool), np.zeros(SIZE, bool)
    sky[0], mask[:2] = True, False
    z_depth[:2] = 50
    made.image("x.png")
    made.json("camera.json", {"x_fov_deg": 70})
    file = made.path("x_depth.npz")
    np.savez(file, z_depth=z_depth, mask=mask, sky=sky, meta='{"unit": "m"}')
    frame = first("frames", made)
    assert frame.z_depth is not None
    assert [float(row[0]) for row in frame.z_depth[:3]] == [np.inf, 0, 2]
    assert frame.unit == "m"
    made.json("camera.json", {"x_fov_deg": 70, "unit": "mm"})
    np.savez(file, z_depth=z_depth)
    refused = refusal(open_frame_source("frames", made.root))
    assert "its unit is 'mm'; expected 'm' or 'relative'" in refused.detail


def test_a_flat_camera_is_taken_as_the_page_writes_it(made: Made) -> None:
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", {"fx": 8, "fy": 8, "cx": 7.5, "cy": 5.5, "centre": "integer"})
    np.testing.assert_allclose(
        first("frames", made).lens.matrix(), [[8, 0, 8], [0, 8, 6], [0, 0, 1]]
    )


@pytest.mark.parametrize(
    ("poses", "said"),
    [("", "the trajectory has 0 poses, none for it"), ("a b c d", "t.log: no trajectory")],
)
def test_a_trajectory_that_does_not_fit_is_named(made: Made, poses: str, said: str) -> None:
    made.image("c.png")
    made.codes("d.png", np.full(SIZE, 1500))
    made.text("t.log", poses)
    camera = {"fx": 8, "fy": 8, "cx": 7.5, "cy": 5.5, "width": W, "height": H}
    listed = {"pairs": [["c.png", "d.png"]], "intrinsics": camera, "depth": "value / 1000"}
    made.json("meta.json", {**listed, "trajectory": "t.log"})
    refused = refusal(open_frame_source("frames", made.root))
    assert said in refused.detail
    assert "Error:" not in refused.detail


def test_a_matrix_is_taken_wherever_numbers_are_with_its_pixel_centre(made: Made) -> None:
    matrix, size = [[8, 0, 7.5], [0, 8, 5.5], [0, 0, 1]], {"width": W, "height": H}
    made.image("x.png")
    made.npy("x_depth.npy", np.ones(SIZE))
    made.json("camera.json", {"intrinsics": matrix, "centre": "integer", **size})
    expected = [[8, 0, 8], [0, 8, 6], [0, 0, 1]]
    np.testing.assert_allclose(first("frames", made).lens.matrix(), expected)
    made.json("camera.json", {"intrinsics": [8, 0, 8, 0, 8, 6, 0, 0, 1]})
    assert "expected [[fx, 0, cx]" in refusal(open_frame_source("frames", made.root)).detail
    made.codes("d.png", np.full(SIZE, 1500))
    listed = {"pairs": [["x.png", "d.png"]], "intrinsics": matrix, "depth": "value / 1000"}
    made.json("meta.json", {**listed, **size})
    np.testing.assert_allclose(first("frames", made).lens.matrix(), expected)
