"""Pinhole views show the same world as the panorama, point for point."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from panodepth.cli import main
from panodepth.errors import ConfigError, OutputError
from panodepth.geometry.lens import Pinhole
from panodepth.geometry.points import distance_to_z_depth, z_depth_to_distance
from panodepth.geometry.rotation import rotate_vectors
from panodepth.geometry.sampling import sample_erp
from panodepth.lab.training.render import ViewJob, render_files
from panodepth.lab.worlds import ViewSpec, make_scene, render_batch, render_views
from panodepth.lab.worlds.views import moved

ANGLES = ((0.0, 0.0, 0.0), (1.1, 0.5, 0.2), (-2.4, -0.9, -0.3), (3.0, 1.4, 0.0))
SPEC = ViewSpec(size=(84, 112), x_fov_rad=math.radians(80), angles=ANGLES)
INDICES = range(5)


@pytest.fixture(scope="module")
def views():
    return render_views(3, INDICES, SPEC, camera=False)


@pytest.fixture(scope="module")
def panoramas():
    return render_batch(3, INDICES, 336, 672, camera=False)


def turned_rays(views):
    rays = Pinhole.from_matrix(views.intrinsics).rays(SPEC.size, dtype=torch.float32)
    return rotate_vectors(views.pose[..., :3, :3], rays.expand(*views.distance.shape, 3))


def test_distance_agrees_with_the_panorama_away_from_edges(views, panoramas):
    rays = turned_rays(views)
    # On planes, 1 / distance is linear in the ray, so its interpolation is all but exact there.
    inverse = torch.where(panoramas.valid, 1 / panoramas.distance, 0.0)[:, None, None]
    inverse = inverse.expand(-1, rays.shape[1], -1, -1, -1)
    smooth = sample_erp(inverse, rays)[..., 0, :, :]
    nearest = sample_erp(inverse, rays, "nearest")[..., 0, :, :]
    inside = views.distance > 0
    normals = panoramas.normals.permute(0, 3, 1, 2)[:, None]
    even = sample_erp(normals.expand(-1, rays.shape[1], -1, -1, -1), rays).norm(dim=2) > 0.9999
    flat = inside & even & ((smooth - nearest).abs() < 0.01 * smooth)
    error = (smooth * views.distance - 1).abs()[flat]
    assert float(flat.float().mean()) > 0.5
    assert float(error.median()) < 1e-4
    assert float((error < 1e-3).float().mean()) > 0.985


def test_normals_labels_and_sky_agree_with_the_panorama(views, panoramas):
    rays = turned_rays(views)

    def seen(maps):
        wide = maps[:, None].expand(-1, rays.shape[1], *maps.shape[1:])
        return sample_erp(wide, rays, "nearest")

    label = seen(panoramas.label[:, None].float())[..., 0, :, :]
    assert float((label == views.label).float().mean()) > 0.95
    sky = seen(panoramas.sky[:, None].float())[..., 0, :, :] > 0.5
    assert float((sky == views.sky).float().mean()) > 0.97
    normals = seen(panoramas.normals.permute(0, 3, 1, 2)).movedim(2, -1)
    turned = rotate_vectors(views.pose[..., :3, :3], views.normals)
    both = views.distance > 0
    assert float((turned * normals).sum(-1)[both].median()) > 0.9999


def test_z_depth_is_the_distance_along_the_axis(views):
    back = z_depth_to_distance(views.z_depth, Pinhole.from_matrix(views.intrinsics))
    torch.testing.assert_close(back, views.distance, rtol=1e-4, atol=1e-4)
    assert torch.equal(views.z_depth > 0, ~views.sky)


def test_moved_views_see_the_same_points():
    """Unprojected with its pose, what two views share lies in one place."""
    spec = ViewSpec(size=(90, 120), x_fov_rad=math.radians(90), count=2, move_m=0.6)
    views = render_views(9, range(4), spec, kind="indoor", camera=False)
    offset = views.pose[..., :3, 3].norm(dim=-1)
    assert 0.05 < float(offset.max()) < 0.75
    panorama = render_batch(9, range(4), 336, 672, kind="indoor", camera=False)
    rays = Pinhole.from_matrix(views.intrinsics).rays(spec.size, dtype=torch.float32)
    points = views.distance[..., None] * rays
    rotation, shift = views.pose[..., :3, :3], views.pose[..., :3, 3]
    placed = rotate_vectors(rotation, points) + shift[:, :, None, None]
    reach = placed.norm(dim=-1)
    known = sample_erp(panorama.distance[:, None, None].expand(-1, 2, -1, -1, -1), placed)[:, :, 0]
    # What a moved view sees may be hidden from the panorama, but never the other way round.
    error = (known / reach - 1).abs()
    assert float((error < 0.01).float().mean()) > 0.7
    assert float((known > 1.03 * reach).float().mean()) < 0.05


def test_a_view_without_turn_keeps_the_scene():
    scene = make_scene(1, 2)
    same = moved(scene, np.eye(4))
    np.testing.assert_allclose(same.camera, scene.camera)
    np.testing.assert_allclose(same.camera_rotation, scene.camera_rotation, atol=1e-12)


def test_views_repeat_and_their_pictures_resemble_the_panorama(panoramas):
    first = render_views(3, [1, 2], SPEC)
    again = render_views(3, [1, 2], SPEC)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.pose, again.pose)
    plain = render_views(3, [1, 2], SPEC, camera=False)
    assert torch.equal(plain.distance, first.distance)
    assert not torch.equal(plain.image, first.image)
    rays = turned_rays(plain)
    wide = panoramas.image[1:3, None].expand(-1, len(ANGLES), -1, -1, -1)
    cut = sample_erp(wide, rays).flatten(2)
    pairs = zip(plain.image.flatten(2).flatten(0, 1), cut.flatten(0, 1), strict=True)
    like = [float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs]
    assert np.median(like) > 0.9


def test_drawn_angles_go_round():
    spec = ViewSpec(size=(16, 16), count=4)
    views = render_views(0, range(2), spec, kind="indoor")
    axis = views.pose[..., :3, 2]
    assert float((axis.sum(1)[:, [0, 2]]).abs().max()) < 1.0
    assert float((axis[:, 0] * axis[:, 2]).sum(-1).max()) < -0.8


@pytest.mark.parametrize(
    "wrong", [{"size": (1, 5)}, {"x_fov_rad": 3.1}, {"x_fov_rad": 0.0}, {"count": 0}]
)
def test_impossible_views_are_refused(wrong):
    with pytest.raises(ConfigError):
        ViewSpec(**wrong)


def test_the_command_writes_rgbd_frames(tmp_path, capsys):
    arguments = "--count 2 --views 3 --fov 70 --size 24x32 --seed 4 --first 5 --kind indoor"
    assert main(["render", *arguments.split(), "--out", str(tmp_path)]) == 0
    assert "6 views" in capsys.readouterr().out
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names[:3] == [f"indoor_000005_v00{end}" for end in (".json", ".png", "_distance.npz")]
    assert len(names) == 18
    facts = json.loads((tmp_path / "indoor_000006_v02.json").read_text())
    with np.load(tmp_path / "indoor_000006_v02_distance.npz") as maps:
        distance, z_depth = (torch.from_numpy(maps[k]) for k in ("distance", "z_depth"))
    intrinsics = torch.tensor(facts["intrinsics"])
    assert 2 * math.degrees(math.atan(16 / intrinsics[0, 0])) == pytest.approx(70, abs=1e-3)
    torch.testing.assert_close(
        distance_to_z_depth(distance, Pinhole.from_matrix(intrinsics)), z_depth
    )
    spec = ViewSpec(size=(24, 32), x_fov_rad=math.radians(70), count=3)
    views = render_views(4, [6], spec, kind="indoor")
    torch.testing.assert_close(views.distance[0, 2], distance, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(views.pose[0, 2], torch.tensor(facts["pose"]))


@pytest.mark.parametrize(
    "wrong",
    [{"fov_deg": 175.0}, {"kind": "moon"}, {"size": (1, 8)}, {"count": 0}, {"views": 0}],
)
def test_impossible_jobs_are_refused(wrong):
    with pytest.raises(ConfigError):
        ViewJob(**({"count": 1, "views": 1} | wrong))


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        render_files(ViewJob(1, size=(8, 8)), tmp_path / "file" / "under")
