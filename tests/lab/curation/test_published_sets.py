"""Published RGB-D sets on made mini-samples in their true file layouts: units and conventions."""

from __future__ import annotations

import gzip
import json
import math
from typing import Any

import numpy as np
import pytest
from tests.lab.curation.conftest import SIZE, Made
from tests.lab.curation.frames import first, fov_deg, refusal

from panodepth.geometry.points import z_depth_to_distance
from panodepth.lab.curation.frame import Frame
from panodepth.lab.curation.sources import open_frame_source

H, W = SIZE


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
    made.path("GTAV_540/0003/images/._0000.png").touch()
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
