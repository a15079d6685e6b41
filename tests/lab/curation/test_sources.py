"""Every source on a made mini-sample in its true file layout: units, conventions, refusals."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.lab.curation.conftest import SIZE, Made

from panodepth.errors import ConfigError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import z_depth_to_distance
from panodepth.lab.curation.frame import Frame, RejectedError
from panodepth.lab.curation.sources import SOURCES, FrameSource, open_frame_source

H, W = SIZE
SHARED = Path(__file__).parents[4] / "shared" / "data" / "rgbd"


def fov_deg(frame: Frame) -> float:
    """The full horizontal angle."""
    return math.degrees(frame.lens.fov_rad(frame.size)[0])


def first(kind: str, made: Made) -> Frame:
    frame = open_frame_source(kind, made.root)[0]
    assert isinstance(frame, Frame), frame
    return frame


def refusal(source: FrameSource, index: int = 0) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        source[index]
    return caught.value


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


# Published sets


def vkitti2(made: Made) -> None:
    place = "Scene01/clone"
    made.image(f"{place}/frames/rgb/Camera_1/rgb_00002.jpg", (375, 1242))
    codes = np.full((375, 1242), 1234)
    codes[0] = 65535
    made.codes(f"{place}/frames/depth/Camera_1/depth_00002.png", codes)
    rows = ["frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]", "2 0 1 1 1 1"]
    made.text(f"{place}/intrinsic.txt", "\n".join([*rows, "2 1 725.0087 725.0087 620.5 187"]))
    matrix = "1 0 0 -0.5 0 1 0 2 0 0 1 3 0 0 0 1"
    made.text(f"{place}/extrinsic.txt", f"frame cameraID r1,1 ...\n2 1 {matrix}\n")


def test_vkitti2(made: Made) -> None:
    vkitti2(made)
    frame = first("vkitti2", made)
    assert frame.name == "Scene01/clone/Camera_1/00002"
    assert frame.z_depth is not None
    assert np.isinf(frame.z_depth[0]).all()
    np.testing.assert_allclose(frame.z_depth[1:], 12.34, rtol=1e-6)
    np.testing.assert_allclose((frame.lens.cx, frame.lens.cy), [621, 187.5])  # the picture's centre
    assert frame.pose is not None
    np.testing.assert_allclose(frame.pose[:3, 3], [0.5, -2, -3])
    made.text("Scene01/clone/intrinsic.txt", "frame cameraID\n")
    assert refusal(open_frame_source("vkitti2", made.root)).reason == "intrinsics"


def test_mvs_synth(made: Made) -> None:
    made.image("GTAV_540/0003/images/0000.png")
    values = np.full(SIZE, 40.0)
    values[0] = np.inf
    made.exr("GTAV_540/0003/depths/0000.exr", values)
    extrinsic = np.diag([1.0, -1, 1, 1])  # a left-handed world, y up
    extrinsic[:3, 3] = 1, 2, 3
    camera = {"f_x": 12, "f_y": 12, "c_x": 8, "c_y": 6, "extrinsic": extrinsic.tolist()}
    made.json("GTAV_540/0003/poses/0000.json", camera)
    frame = first("mvs_synth", made)
    assert frame.unit == "relative"
    assert frame.z_depth is not None
    assert np.isinf(frame.z_depth[0]).all()
    assert (frame.z_depth[1:] == 40).all()
    assert frame.pose is not None
    assert np.linalg.det(frame.pose[:3, :3]) == pytest.approx(1)
    del camera["f_x"]
    made.json("GTAV_540/0003/poses/0000.json", camera)
    assert refusal(open_frame_source("mvs_synth", made.root)).reason == "intrinsics"


def test_unrealstereo4k(made: Made) -> None:
    for side, shift in (("0", 0.0), ("1", -0.2)):
        made.image(f"00001/Image{side}/00007.png", channels=4)
        made.npy(f"00001/Disp{side}/00007.npy", np.full(SIZE, 0.5, np.float32))
        camera = f"10 0 8 0 10 6 0 0 1\n1 0 0 {shift} 0 1 0 0 0 0 1 0\n"
        made.text(f"00001/Extrinsics{side}/00007.txt", camera)
    frame = first("unrealstereo4k", made)
    np.testing.assert_allclose(frame.z_depth, 0.2 * 10 / 0.5, rtol=1e-6)
    assert frame.unit == "m"
    made.npy("00001/Disp0/00007.npy", np.full(SIZE, 1e-9, np.float32))
    sky = first("unrealstereo4k", made)
    assert np.isinf(sky.z_depth).all()
    made.text("00001/Extrinsics1/00007.txt", "10 0 8 0 10 6 0 0 1\n1 0 0 0 0 1 0 0 0 0 1 0\n")
    assert refusal(open_frame_source("unrealstereo4k", made.root)).reason == "lying_intrinsics"


@pytest.mark.parametrize("folder", ["city-walking", "city-walking-depth"])
def test_ken_burns(folder: str, made: Made) -> None:
    made.image("city-walking/00001-bl-image.png")
    made.exr(f"{folder}/00001-bl-depth.exr", np.full(SIZE, 350.0))
    made.json("city-walking/00001-meta.json", {"fltFov": 70.0})
    frame = first("ken_burns", made)
    assert (frame.z_depth == 350).all()
    assert frame.unit == "relative"
    assert frame.lens.fx == pytest.approx(W / 2 / math.tan(math.radians(35)))
    made.json("city-walking/00001-meta.json", {})
    assert refusal(open_frame_source("ken_burns", made.root)).reason == "intrinsics"


def test_tartanair(made: Made) -> None:
    place = "office/Easy/P001"
    made.image(f"{place}/image_left/000001_left.png", (480, 640))
    values = np.full((480, 640), 4.0, np.float32)
    values[:10] = 10_000
    made.npy(f"{place}/depth_left/000001_left_depth.npy", values)
    half = math.sqrt(0.5)
    made.text(f"{place}/pose_left.txt", f"0 0 0 0 0 0 1\n1 2 3 0 0 {half} {half}\n")
    frame = first("tartanair", made)
    assert fov_deg(frame) == pytest.approx(90)
    assert frame.z_depth is not None
    assert np.isinf(frame.z_depth[:10]).all()
    assert frame.pose is not None
    # North, east, down = 1, 2, 3 is right 2, down 3, forward 1; turned right by 90° it looks east.
    np.testing.assert_allclose(frame.pose[:3, 3], [2, 3, 1], atol=1e-9)
    np.testing.assert_allclose(frame.pose[:3, 2], [1, 0, 0], atol=1e-9)
    np.testing.assert_allclose(frame.pose[:3, 1], [0, 1, 0], atol=1e-9)
    made.image(f"{place}/image_left/000001_left.png", (480, 480))
    assert refusal(open_frame_source("tartanair", made.root)).reason == "lying_intrinsics"


def hypersim(made: Made, matrix: np.ndarray[Any, Any]) -> None:
    scene = "ai_001_002"
    made.image(f"{scene}/images/scene_cam_00_final_preview/frame.0003.tonemap.jpg")
    values = np.full(SIZE, 2.5, np.float16)
    values[0] = np.nan
    folder = f"{scene}/images/scene_cam_00_geometry_hdf5"
    made.hdf5(f"{folder}/frame.0003.depth_meters.hdf5", values)
    detail = f"{scene}/_detail"
    turns = np.tile(np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), (2, 1, 1))
    made.hdf5(f"{detail}/cam_00/camera_keyframe_orientations.hdf5", turns)
    made.hdf5(
        f"{detail}/cam_00/camera_keyframe_positions.hdf5", np.array([[0, 0, 0], [10, 20, 30]])
    )
    made.hdf5(f"{detail}/cam_00/camera_keyframe_frame_indices.hdf5", np.array([1, 3]))
    made.text(f"{detail}/metadata_scene.csv", "parameter_name,value\nmeters_per_asset_unit,0.1\n")
    names = [f"M_cam_from_uv_{i}{j}" for i in range(3) for j in range(3)]
    row = ",".join(map(str, matrix.ravel()))
    made.text("metadata_camera_parameters.csv", f"scene_name,{','.join(names)}\n{scene},{row}\n")


def test_hypersim(made: Made) -> None:
    tan = math.tan(math.pi / 6)
    matrix = np.array([[tan, 0, 0.1], [0, tan * H / W, 0], [0, 0, -1]])
    hypersim(made, matrix)
    frame = first("hypersim", made)
    assert frame.z_depth is not None
    assert (frame.z_depth[0] == 0).all()
    distance = z_depth_to_distance(frame.z_depth, frame.lens)
    np.testing.assert_allclose(distance[1:], 2.5, rtol=1e-6)
    # The intrinsics must give back the rays of M (u, v, 1), turned to y down, z forward.
    for u, v in ((-1, -1), (0.5, 0.25), (1, 1)):
        pixel = np.array([(u + 1) / 2 * W, (1 - v) / 2 * H, 1])
        ray = matrix @ [u, v, 1]
        ours = np.linalg.inv(frame.lens.matrix()) @ pixel
        np.testing.assert_allclose(ours, [ray[0] / -ray[2], -ray[1] / -ray[2], 1], atol=1e-9)
    # Camera (right, up, back) = world (x, z, -y): it looks along world y, upright.
    assert frame.pose is not None
    np.testing.assert_allclose(frame.pose[:3, :3], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(frame.pose[:3, 3], [1, -3, 2])
    assert fov_deg(frame) == pytest.approx(60, abs=1)


def test_hypersim_tilted_lenses_and_missing_tables_are_refused(made: Made) -> None:
    hypersim(made, np.array([[0.57, 0, 0], [0, 0.43, 0], [0, 0.2, -1]]))
    assert refusal(open_frame_source("hypersim", made.root)).reason == "lying_intrinsics"
    made.path("metadata_camera_parameters.csv").unlink()
    assert refusal(open_frame_source("hypersim", made.root)).reason == "intrinsics"


def test_nyu_folders(made: Made) -> None:
    made.image("bathroom/rgb_00045.jpg", (480, 640))
    made.codes("bathroom/sync_depth_00045.png", np.full((480, 640), 2345))
    frame = first("nyu", made)
    assert frame.size == (426, 560)
    np.testing.assert_allclose(frame.z_depth, 2.345, rtol=1e-6)
    np.testing.assert_allclose(
        (frame.lens.cx, frame.lens.cy), [325.582449 - 41.5, 253.736166 - 45.5]
    )
    made.image("bathroom/rgb_00045.jpg", (240, 320))
    assert refusal(open_frame_source("nyu", made.root)).reason == "lying_intrinsics"


def test_nyu_labeled_file(made: Made) -> None:
    h5py = pytest.importorskip("h5py")
    images = np.zeros((2, 3, 640, 480), np.uint8)
    images[1, 0, 100, 50] = 200  # red at column 100, row 50
    depths = np.ones((2, 640, 480), np.float32)
    depths[1, 100, 50] = 7
    with h5py.File(made.path("nyu_depth_v2_labeled.mat"), "w") as file:
        file["images"], file["rawDepths"] = images, depths
    source = open_frame_source("nyu", made.root)
    assert len(source) == 2
    frame = source[1]
    assert isinstance(frame, Frame)
    assert frame.image[50 - 45, 100 - 41].tolist() == [200, 0, 0]
    assert frame.z_depth is not None
    assert frame.z_depth[50 - 45, 100 - 41] == 7


def test_dynamic_replica(made: Made) -> None:
    sequence = "009850-3_obj_source_left"
    made.image(f"train/{sequence}/images/{sequence}-0000.png")
    values = np.full(SIZE, 3.25, np.float16)
    values[0, 0] = 0
    depth = f"{sequence}/depths/{sequence}_0000.geometric.png"
    made.codes(f"train/{depth}", values.view(np.uint16))
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    record = {
        "sequence_name": "009850-3_obj",
        "image": {"path": f"{sequence}/images/{sequence}-0000.png", "size": [H, W]},
        "depth": {"path": depth, "scale_adjustment": 2.0},
        "viewpoint": {
            "R": turn.tolist(),
            "T": [1.0, 2.0, 3.0],
            "focal_length": [1.5, 1.5],
            "principal_point": [0.25, 0.0],
            "intrinsics_format": "ndc_isotropic",
        },
    }
    with gzip.open(made.path("train/frame_annotations_train.jgz"), "wt") as file:
        json.dump([record], file)
    frame = first("dynamic_replica", made)
    assert frame.z_depth is not None
    assert frame.z_depth[0, 0] == 0
    assert frame.z_depth[1, 1] == 6.5
    np.testing.assert_allclose(frame.lens.matrix(), [[9, 0, 6.5], [0, 9, 6], [0, 0, 1]])
    # A world point's place in the camera, in PyTorch3D's row form and by our pose.
    assert frame.pose is not None
    point = np.array([0.3, -0.7, 1.1])
    theirs = point @ turn + [1, 2, 3]
    ours = np.linalg.inv(frame.pose) @ [*point, 1]
    np.testing.assert_allclose(ours[:3], theirs * [-1, -1, 1], atol=1e-9)


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
