"""Gates, stitching and estimated depth."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from panodepth.errors import ConfigError
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.curation.estimate import (
    Estimate,
    TransformersEstimator,
    align_scales,
    estimate_z_depth,
)
from panodepth.lab.curation.frame import (
    REASONS,
    Frame,
    Matrix,
    RejectedError,
    pinhole_from_fov,
)
from panodepth.lab.curation.outpainters.diffuse import Diffusion
from panodepth.lab.curation.quality import (
    Limits,
    check_limits,
    edge_agreement,
    flying,
    is_duplicate,
    measure,
    perceptual_hash,
    without_flying,
)
from panodepth.lab.curation.stages import Curated, Plan, Tools, curate_views
from panodepth.lab.curation.stitch import Stitched, stitch

VIEW = (96, 128)
SIZE = (64, 128)
LENS = pinhole_from_fov(90, VIEW)
HALF = np.array([2.0, 1.5, 3.0])  # of the room that frames look at, metres
TOOLS = Tools(Diffusion())


def texture(seed: int = 0, size: tuple[int, int] = VIEW) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(20, 235, (size[0] // 2, size[1] // 2, 3)).astype(np.uint8)
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR)


def room(pose: Matrix) -> Frame:
    """A box room around the origin, seen from `pose`; colours are a pattern on its walls."""
    rays = LENS.rays(VIEW, dtype=np.float64)
    rays = rays / rays[..., 2:]
    world = rays @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        reach = np.where(world > 0, HALF - pose[:3, 3], HALF + pose[:3, 3]) / np.abs(world)
    z_depth = reach.min(-1).astype(np.float32)
    points = world * z_depth[..., None] + pose[:3, 3]
    colour = (
        128 + 70 * np.sin(3 * points + [0, 1, 2]) + 25 * np.sin(23 * points.sum(-1, keepdims=True))
    )
    image = np.rint(colour).astype(np.uint8)
    return Frame("view", image, z_depth, LENS, pose=pose, level=True, group="room")


def at(yaw: float, pitch: float = 0, place: tuple[float, float, float] = (0, 0, 0)) -> Matrix:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation_from_yaw_pitch_roll(*np.radians([yaw, pitch, 0])), place
    return pose


def true_distance(place: Matrix) -> Matrix:
    """(H, W) of the room from a place, in the panorama's axes."""
    import torch

    from panodepth.geometry.grid import erp_rays

    ray = erp_rays(*SIZE, dtype=torch.float64).numpy()
    with np.errstate(divide="ignore"):
        return (np.where(ray > 0, HALF - place, HALF + place) / np.abs(ray)).min(-1)


# Gates


def good() -> Frame:
    return room(at(20, 5))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"image": np.full((*VIEW, 3), 90, np.uint8)}, "blank"),
        ({"z_depth": np.zeros(VIEW, np.float32)}, "invalid_share"),
        ({"z_depth": np.full(VIEW, 2.0, np.float32)}, "depth_range"),
        (
            {"z_depth": np.float32(0.1) * np.linspace(0.8, 1.4, 96 * 128).reshape(VIEW)},
            "depth_range",
        ),
        ({"z_depth": np.full(VIEW, np.inf, np.float32)}, "sky_share"),
        ({"z_depth": None}, "no_depth"),
    ],
)
def test_each_gate_has_its_reason(change: dict[str, Any], reason: str) -> None:
    assert isinstance(curate_views([good()], Plan(size=SIZE), TOOLS), Curated)
    with pytest.raises(RejectedError) as caught:
        curate_views([replace(good(), **change)], Plan(size=SIZE), TOOLS)
    assert caught.value.reason == reason
    assert caught.value.reason in REASONS


def test_a_blurred_picture_is_told_from_a_sharp_one() -> None:
    sharp = replace(good(), image=texture())
    blurred = replace(sharp, image=cv2.GaussianBlur(sharp.image, (0, 0), 4))
    check_limits(measure(sharp), Limits())
    with pytest.raises(RejectedError, match="blur"):
        check_limits(measure(blurred), Limits())


def test_a_small_cover_is_rejected_by_solid_angle() -> None:
    with pytest.raises(RejectedError, match=r"coverage.*at least 0\.5"):
        curate_views([good()], Plan(size=SIZE, limits=Limits(coverage=0.5)), TOOLS)


def steps() -> tuple[np.ndarray, np.ndarray]:
    """Grey values and z-depth with the same edges: boxes before a wall."""
    grey, z_depth = np.full((120, 160), 60, np.float32), np.full((120, 160), 4.0, np.float32)
    for number, (row, column) in enumerate([(10, 20), (60, 90), (70, 10), (15, 110)]):
        grey[row : row + 35, column : column + 35] = 120 + 25 * number
        z_depth[row : row + 35, column : column + 35] = 1.5 + 0.3 * number
    return grey + np.random.default_rng(0).normal(0, 3, grey.shape).astype(np.float32), z_depth


def test_depth_of_another_picture_has_other_edges() -> None:
    grey, z_depth = steps()
    right = edge_agreement(grey, z_depth)
    wrong = edge_agreement(grey, np.ascontiguousarray(z_depth[:, ::-1]))
    moved = edge_agreement(grey, np.roll(z_depth, 9, 1))
    assert right is not None
    assert wrong is not None
    assert moved is not None
    assert right > 1.7
    assert wrong < 1.4
    assert moved < 1.4
    assert edge_agreement(grey, np.full_like(z_depth, 2)) is None


def test_flying_pixels_are_found_and_slanted_floors_are_not() -> None:
    _, z_depth = steps()
    assert not flying(z_depth).any()
    flown = z_depth.copy()
    flown[20:40, 20] = 2.4  # between 1.5 and 4
    assert set(zip(*map(list, np.nonzero(flying(flown))), strict=True)) == {
        (r, 20) for r in range(20, 40)
    }
    rows = np.arange(1, 121, dtype=np.float32)[:, None]
    floor = (120 / rows).repeat(160, 1)  # a plane up to near its horizon
    assert not flying(floor).any()
    frame = replace(good(), image=texture(0, (120, 160)), z_depth=flown)
    cleaned = without_flying(frame)
    assert cleaned.z_depth is not None
    assert (cleaned.z_depth[20:40, 20] == 0).all()
    assert np.count_nonzero(cleaned.z_depth) == flown.size - 20


def test_depths_next_to_nothing_fly_without_a_warning() -> None:
    z_depth = np.full((8, 9), 2, np.float32)
    z_depth[2:4, 2:6] = [[1e-40, 1e-20, 3e38, 1e-14]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flying(z_depth)


def test_hashes_know_a_picture_again_and_tell_others_apart() -> None:
    image = texture(1, (96, 128))
    same = np.clip(image.astype(int) + 6, 0, 255).astype(np.uint8)
    hashes = [perceptual_hash(texture(seed, (96, 128))) for seed in range(2, 30)]
    assert is_duplicate(perceptual_hash(same), [perceptual_hash(image)], Limits())
    assert not is_duplicate(perceptual_hash(image), hashes, Limits())
    assert not is_duplicate(perceptual_hash(image), [perceptual_hash(image)], Limits(same=-1))


def test_limits_are_read_strictly() -> None:
    assert Limits.parse(["far=50", "same=4"]) == Limits(far=50.0, same=4)
    with pytest.raises(ConfigError, match="sharpness"):
        Limits.parse(["sharp=1"])
    with pytest.raises(ConfigError, match="not a number"):
        Limits.parse(["far=many"])


@pytest.mark.parametrize("orientation", ["level", "front", "random"])
def test_a_level_pose_keeps_the_floor_below(orientation: str) -> None:
    plan = Plan(size=SIZE, orientation=orientation)  # type: ignore[arg-type]
    result = curate_views([room(at(0, -60))], plan, TOOLS)
    assert isinstance(result, Curated)
    mask = result.panorama.mask
    assert mask is not None
    below = mask[SIZE[0] // 2 :].sum() / mask.sum()
    assert {"level": below > 0.9, "front": 0.4 < below < 0.6, "random": True}[orientation]
    assert result.panorama.meta["view"]["size"] == list(VIEW)


def test_plans_that_cannot_work_are_refused() -> None:
    for bad in ({"size": (60, 100)}, {"size": (60, 120)}, {"orientation": "up"}, {"seed": -1}):
        with pytest.raises(ConfigError):
            Plan(**bad)  # type: ignore[arg-type]


# Stitching


def test_views_all_round_make_the_whole_panorama() -> None:
    frames = [room(at(yaw, pitch)) for pitch in (-45, 0, 45) for yaw in range(0, 360, 60)]
    frames += [room(at(0, pitch)) for pitch in (90, -90)]
    result = stitch(frames, SIZE)
    assert isinstance(result, Stitched)
    placed = result.placed
    assert placed.coverage.all()
    assert result.agreement > 0.99
    error = np.abs(placed.distance / true_distance(np.zeros(3)) - 1)
    assert np.median(error) < 1e-4
    assert np.quantile(error, 0.97) < 5e-3  # the rest is at the room's corners, where it is nearest
    steps = np.abs(np.diff(placed.image.astype(int), axis=1)).max(-1)
    seam = np.abs(placed.image[:, 0].astype(int) - placed.image[:, -1]).max(-1)
    assert seam.max() <= steps.max()


def test_moved_views_are_seen_from_the_first_one_s_place() -> None:
    first = at(0, 0, (0.5, 0.1, -0.4))
    frames = [room(first)] + [
        room(at(y, 0, (0.1 * i, 0, 0.3))) for i, y in enumerate((70, 150, 230))
    ]
    result = stitch(frames, SIZE)
    assert isinstance(result, Stitched)
    placed = result.placed
    valid = placed.coverage & (placed.distance > 0)
    assert valid.mean() > 0.4
    error = np.abs(placed.distance / true_distance(first[:3, 3]) - 1)[valid]
    assert np.median(error) < 0.02
    assert (placed.distance[~placed.coverage] == 0).all()


def test_views_that_contradict_each_other_are_rejected() -> None:
    frames = [room(at(0)), room(at(45))]
    assert isinstance(stitch(frames, SIZE), Stitched)
    depth = frames[1].z_depth
    assert depth is not None
    longer = replace(frames[1], z_depth=depth * np.float32(1.3))
    other_unit, placeless = replace(frames[1], unit="relative"), replace(frames[1], pose=None)
    for wrong in (longer, other_unit, placeless):
        with pytest.raises(RejectedError, match="inconsistent"):
            stitch([frames[0], wrong], SIZE)


def test_stitched_samples_go_through_all_stages() -> None:
    frames = [replace(room(at(yaw)), name=f"v{yaw}") for yaw in (0, 60, 120)]
    result = curate_views(frames, Plan(size=SIZE, stitch=True), TOOLS)
    assert isinstance(result, Curated)
    assert result.panorama.meta["views"] == ["v0", "v60", "v120"]
    assert result.panorama.meta["name"] == "room"
    assert result.measured["agreement"] > 0.99


# Estimated depth


class Inverse:
    """Predicts 1 / z of the room at half the size, times a factor of its own."""

    name = "made/inverse"

    def __init__(self, frame: Frame, factor: float = 7.0) -> None:
        assert frame.z_depth is not None
        small = cv2.resize(factor / frame.z_depth, (VIEW[1] // 2, VIEW[0] // 2))
        self.values = np.asarray(small, np.float32)

    def __call__(self, image: np.ndarray) -> Estimate:
        return Estimate(self.values, "inverse")


def test_estimated_depth_is_right_up_to_scale_and_marked() -> None:
    known = good()
    bare = replace(known, z_depth=None)
    found = estimate_z_depth(bare, Inverse(known))
    assert isinstance(found, Frame)
    assert found.unit == "relative"
    assert found.meta["pseudo_label"] == "made/inverse"
    assert found.z_depth is not None
    assert known.z_depth is not None
    ratio = found.z_depth / known.z_depth
    assert np.quantile(np.abs(ratio / np.median(ratio) - 1), 0.95) < 0.02
    curated = curate_views([bare], Plan(size=SIZE), Tools(Diffusion(), Inverse(known)))
    assert isinstance(curated, Curated)
    assert curated.panorama.meta["pseudo_label"] == "made/inverse"


@pytest.mark.parametrize("values", [np.full((4, 4), np.nan), np.zeros((4, 4)), np.zeros(3)])
def test_useless_estimates_are_rejected(values: np.ndarray) -> None:
    class Useless:
        name = "useless"

        def __call__(self, image: np.ndarray) -> Estimate:
            return Estimate(values.astype(np.float32), "inverse")

    with pytest.raises(RejectedError, match="no_depth"):
        estimate_z_depth(replace(good(), z_depth=None), Useless())


def test_views_are_put_on_one_scale() -> None:
    frames = [room(at(yaw)) for yaw in (0, 50, 100)] + [room(at(0, 90))]
    factors = [1.0, 3.0, 0.2, 5.0]
    scaled = [
        replace(f, z_depth=f.z_depth * np.float32(k)) for f, k in zip(frames, factors, strict=True)
    ]  # type: ignore[operator]
    aligned = align_scales(scaled)
    for known, got in zip(frames[:3], aligned, strict=False):
        assert known.z_depth is not None
        assert got.z_depth is not None
        assert np.median(got.z_depth / known.z_depth) == pytest.approx(1, rel=0.01)


def test_the_transformers_plug_in_calls_a_pipeline_once_and_reads_its_answer() -> None:
    made: list[tuple[str, str]] = []

    def make_pipeline(task: str, *, model: str, device: str) -> Any:
        made.append((task, model))
        return lambda picture: {"predicted_depth": np.full((1, 6, 8), picture.size[0], np.float32)}

    estimator = TransformersEstimator("org/depth", "z_depth", "m", make_pipeline=make_pipeline)
    for _ in range(2):
        estimate = estimator(np.zeros((*VIEW, 3), np.uint8))
    assert made == [("depth-estimation", "org/depth")]
    assert estimate.values.shape == (6, 8)
    assert estimate.values[0, 0] == VIEW[1]
    assert (estimate.form, estimate.unit, estimator.name) == ("z_depth", "m", "org/depth")


def test_real_posed_frames_agree() -> None:
    """Redwood's depth, intrinsics and poses, read by us, put five frames on the same surfaces."""
    from pathlib import Path

    from panodepth.lab.curation.sources import open_frame_source

    folder = Path(__file__).parents[4] / "shared" / "data" / "rgbd" / "redwood_open3d"
    if not folder.is_dir():
        pytest.skip("the sample frames are not here")
    source = open_frame_source("frames", folder)
    frames = [source[i] for i in range(len(source))]
    result = stitch([f for f in frames if isinstance(f, Frame)], (256, 512))
    assert isinstance(result, Stitched)
    assert result.agreement > 0.95
