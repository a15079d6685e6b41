"""The camera's faults: each does what it says, none touches the geometry, all can be repeated."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from panodepth.lab.worlds import render_batch
from panodepth.lab.worlds.camera.jpeg import jpeg
from panodepth.lab.worlds.camera.photograph import (
    SHOWN_HEIGHT,
    draw_camera,
    photograph,
    plain_camera,
)
from panodepth.lab.worlds.camera.stitching import Patch, Stitch, paint

H, W = SHOWN_HEIGHT, 2 * SHOWN_HEIGHT


@pytest.fixture(scope="module")
def linear():
    """One smooth panorama in linear light with an edge, a lamp and some texture."""
    v, u = torch.meshgrid(torch.linspace(0, 1, H), torch.linspace(0, 1, W), indexing="ij")
    base = 0.3 + 0.2 * torch.sin(40 * u) * torch.sin(25 * v) + 0.2 * (u > 0.31)
    base[100:104, 260:264] = 60.0
    return torch.stack([base, 0.9 * base, 0.8 * base])[None]


PLAIN = plain_camera(0, 0)


def shot(linear, **traits):
    return photograph(linear.clone(), [replace(PLAIN, **traits)])


def test_pictures_repeat_and_do_not_depend_on_their_neighbours():
    whole = render_batch(5, range(6), 48, 96)
    again = render_batch(5, range(6), 48, 96)
    assert torch.equal(whole.image, again.image)
    alone = render_batch(5, [4], 48, 96)
    assert float((alone.image[0] - whole.image[4]).abs().mean()) < 1e-3


def test_the_camera_changes_the_picture_and_nothing_else():
    on = render_batch(5, range(8), 48, 96)
    off = render_batch(5, range(8), 48, 96, camera=False)
    for name in ("distance", "normals", "sky", "label"):
        assert torch.equal(getattr(on, name), getattr(off, name)), name
    assert float((on.image - off.image).abs().flatten(1).mean(1).max()) > 0.005


def test_a_plain_camera_has_no_faults(linear):
    camera = plain_camera(3, 4)
    picture = photograph(linear.clone(), [camera])
    level = linear.mean(1)[:, 2::5, 2::5].flatten(1)
    x = linear * torch.tensor(camera.balance)[:, None, None]
    x = x * camera.target / (0.5 * level.median() + 0.5 * level.mean())
    x = x * (1 + x / camera.shoulder**2) / (1 + x)
    x = (x.mean(1, keepdim=True) * (1 - camera.saturation) + camera.saturation * x).clamp(0, 1)
    x = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    x = (0.5 + camera.contrast * (x - 0.5)).clamp(0, 1)
    torch.testing.assert_close(picture, x, atol=1e-5, rtol=0)


def test_drawn_cameras_repeat_and_every_fault_occurs():
    drawn = [draw_camera(1, i) for i in range(300)]
    again = draw_camera(1, 17)
    assert again.halo == drawn[17].halo
    assert again.grain_start == drawn[17].grain_start
    shares = {
        "bloom": np.mean([c.bloom > 0 for c in drawn]),
        "soft": np.mean([c.halo < 0 for c in drawn]),
        "sharp": np.mean([c.halo > 0 for c in drawn]),
        "fringe": np.mean([c.fringe > 0 for c in drawn]),
        "grain": np.mean([c.grain > 0 for c in drawn]),
        "jpeg": np.mean([c.quality > 0 for c in drawn]),
        "stitch": np.mean([c.stitch is not None for c in drawn]),
        "patches": np.mean([len(c.patches) > 0 for c in drawn]),
    }
    assert all(0.05 < share < 0.75 for share in shares.values()), shares
    view = [draw_camera(1, i, panorama=False) for i in range(300)]
    assert all(c.stitch is None and not c.patches for c in view)
    assert [c.grain for c in view] == [c.grain for c in drawn]


def test_bloom_lights_what_is_beside_a_lamp(linear):
    plain, bloomed = shot(linear), shot(linear, bloom=0.3)
    gain = bloomed - plain
    assert float(gain[0, :, 95:99, 250:258].mean()) > 0.02
    assert float(gain[0, :, 95:99, 250:258].mean()) > 2 * float(gain[0, :, 220:].mean())
    assert float(gain.min()) > -1e-4


def test_halos_overshoot_and_softness_does_not(linear):
    edge = slice(round(0.31 * W) - 2, round(0.31 * W) + 2)

    def contrast(picture):
        row = picture[0, 1, 60, edge]
        return float((row[1:] - row[:-1]).abs().max())

    assert contrast(shot(linear, halo=0.8)) > 1.15 * contrast(shot(linear))
    assert contrast(shot(linear, halo=-0.5)) < 0.85 * contrast(shot(linear))


def test_grain_has_the_asked_strength_and_differs_by_place(linear):
    plain = shot(linear)
    noise = shot(linear, grain=0.02, grain_start=5) - plain
    assert 0.01 < float(noise[:, :, :90].std()) < 0.04
    other = shot(linear, grain=0.02, grain_start=70_000) - plain
    pair = torch.stack([noise[0, 0, :90].flatten(), other[0, 0, :90].flatten()])
    assert abs(float(torch.corrcoef(pair)[0, 1])) < 0.05


def test_fringes_part_red_from_blue_and_leave_green(linear):
    plain, fringed = shot(linear), shot(linear, fringe=1.0)
    assert torch.equal(plain[:, 1], fringed[:, 1])
    difference = (fringed - plain)[0]
    assert float(difference[0].abs().max()) > 0.01
    assert float((difference[0] * difference[2]).mean()) < 0


def stitch(**traits):
    plain = {
        "lenses": 2,
        "yaw_rad": 1.0,
        "gains": np.ones((2, 3)),
        "vignette": 0.0,
        "blend_rad": 0.01,
        "shift_rad": np.zeros((2, 2)),
    }
    return Stitch(**(plain | traits))


def test_lens_gains_step_at_the_seams_and_nowhere_else():
    flat = torch.full((1, 3, H, W), 0.4)
    gains = np.array([[1.0] * 3, [1.2] * 3])
    row = shot(flat, stitch=stitch(gains=gains))[0, 1, H // 2]
    lon = (torch.arange(W) + 0.5) / W * 2 * torch.pi - torch.pi
    jump = (row - row.roll(1)).abs()
    at_seam = ((lon - 1.0).abs() < 0.05) | ((lon - 1.0 + torch.pi).abs() < 0.05)
    assert float(jump[~at_seam].max()) < 1e-5
    assert float(row.max() - row.min()) > 0.02


def test_the_rim_of_a_lens_is_darker_than_its_middle():
    flat = torch.full((1, 3, H, W), 0.4)
    picture = shot(flat, stitch=stitch(vignette=0.4))[0, 1]
    middle = round((1.0 + torch.pi / 2 + torch.pi) / (2 * torch.pi) * W) % W
    seam = round((1.0 + torch.pi) / (2 * torch.pi) * W)
    assert float(picture[H // 2, seam]) < float(picture[H // 2, middle]) - 0.03
    assert float(picture[2, middle]) < float(picture[H // 2, middle]) - 0.03


def test_a_seam_moves_the_picture_near_it_only(linear):
    plain = shot(linear)
    moved = shot(linear, stitch=stitch(shift_rad=np.full((2, 2), 0.03)))
    change = (moved - plain).abs().mean((0, 1, 2))
    seams = [round((a + torch.pi) / (2 * torch.pi) * W) for a in (1.0, 1.0 - torch.pi)]
    for seam in seams:
        assert float(change[seam - 4 : seam + 4].mean()) > 0.003
    far = [
        c
        for c in range(W)
        if min((c - s) % W for s in seams) > 60 < min((s - c) % W for s in seams)
    ]
    assert float(change[far].max()) < 1e-6


@pytest.mark.parametrize("kind", ["logo", "tripod", "smear", "hole"])
@pytest.mark.parametrize("zenith", [False, True])
def test_patches_cover_a_pole_and_nothing_else(linear, kind, zenith):
    plain = shot(linear)[0]
    patch = Patch(kind, 0.3, (0.9, 0.1, 0.5), texture=100, zenith=zenith)
    painted = paint(plain, (patch,))
    rows = round(0.3 / torch.pi * H)
    changed = (painted - plain).abs().amax((0, 2)) > 1e-6
    if not zenith:
        changed = changed.flip(0)
    assert not bool(changed[rows:].any())
    assert float(changed[: rows // 2].float().mean()) > 0.9


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize("size", [(H, W), (126, 252)])
def test_jpeg_agrees_with_a_real_encoder(linear, quality, size):
    noise = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    picture = (shot(linear)[..., : size[0], : size[1]] + 0.03 * noise).clamp(0, 1)
    eight_bit = (picture[0].permute(1, 2, 0) * 255).round().byte().numpy()
    file = io.BytesIO()
    Image.fromarray(eight_bit).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    real = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1) / 255.0
    start = torch.from_numpy(eight_bit).permute(2, 0, 1) / 255.0
    ours = jpeg(start[None], [quality])[0]
    loss = float((real - start).abs().mean())
    assert float((ours - real).abs().mean()) < 0.25 * loss
    assert float((ours - start).abs().mean()) == pytest.approx(loss, rel=0.1)


def test_jpeg_leaves_others_alone(linear):
    picture = shot(linear).expand(3, -1, -1, -1).clone()
    out = jpeg(picture, [0, 20, 0])
    assert torch.equal(out[0], picture[0])
    assert torch.equal(out[2], picture[2])
    assert float((out[1] - picture[1]).abs().mean()) > 0.003
