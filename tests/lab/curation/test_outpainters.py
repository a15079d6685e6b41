"""Learned out-painters on tiny random models: known pixels, the seam, the poles, the seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lab.curation.tiny_painters import save_tiny

from panodepth.errors import ConfigError
from panodepth.lab.curation.outpaint import make_outpainter
from panodepth.lab.curation.outpainters import bases, circular, painter
from panodepth.lab.curation.outpainters.loading import Weights, load_base, load_prompts
from panodepth.lab.curation.outpainters.seam import blur_poles, columns_to_middle
from panodepth.lab.curation.outpainters.settings import PAINTERS, PaintSettings
from panodepth.lab.curation.outpainters.spherical import attach, token_places

SIZE = (32, 64)
CPU = torch.device("cpu")


def settings_for(folder: Path, **changes: Any) -> PaintSettings:
    values = {"model": str(folder), "steps": 2, "device": "cpu", "dtype": "float32"}
    return PaintSettings(**{**values, **changes})


def panorama(first_column: int = 5) -> tuple[Any, Any]:
    """A textured view on black, and what is known."""
    rng = np.random.default_rng(0)
    image = np.zeros((*SIZE, 3), np.uint8)
    known = np.zeros(SIZE, bool)
    known[6:22, first_column : first_column + 17] = True
    image[known] = rng.integers(0, 255, (int(known.sum()), 3))
    return image, known


@pytest.mark.parametrize("name", PAINTERS)
def test_known_pixels_stay_and_turning_the_input_turns_the_output(
    name: str, tiny: Callable[[str], Path]
) -> None:
    made = make_outpainter(name, settings_for(tiny(name)))
    image, known = panorama()
    filled = made.fill(image, known, seed=3)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[known], image[known])
    assert filled[~known].std() > 5
    np.testing.assert_array_equal(made.fill(image, known, seed=3), filled)
    assert (made.fill(image, known, seed=4) != filled)[~known].mean() > 0.5
    for columns in (1, 13, 50):  # also over the seam
        turned = made.fill(np.roll(image, columns, 1), np.roll(known, columns, 1), seed=3)
        np.testing.assert_array_equal(turned, np.roll(filled, columns, 1))


@pytest.mark.parametrize("name", PAINTERS)
def test_no_step_at_the_seam_and_poles_of_one_colour(
    name: str, tiny: Callable[[str], Path]
) -> None:
    made = make_outpainter(name, settings_for(tiny(name)))
    image, known = panorama(24)  # the view lies in the middle: nothing is turned
    filled = made.fill(image, known, seed=0).astype(float)
    steps = np.abs(np.diff(filled, axis=1, append=filled[:, :1]))
    free = ~known & ~np.roll(known, -1, 1)
    middle = steps[10:22][free[10:22]].reshape(-1, 3).mean()
    assert steps[10:22, -1].mean() < 2 * middle
    assert filled[0].std(axis=0).max() < filled[16, :20].std(axis=0).min()
    assert np.ptp(filled[[0, -1]], axis=1).max() <= 4


@pytest.mark.parametrize("name", PAINTERS)
def test_the_vae_goes_round(name: str, tiny: Callable[[str], Path]) -> None:
    weights = Weights(name, "tiny", tiny(name))
    base = load_base(weights, CPU, torch.float32)
    image = torch.rand(1, 3, *SIZE) * 2 - 1
    tokens = base.encode(image)
    assert tokens.shape[-2:] == (SIZE[0] // base.stride, SIZE[1] // base.stride)
    turned = base.encode(image.roll(3 * base.stride, -1))
    torch.testing.assert_close(turned, tokens.roll(3, -1), atol=1e-4, rtol=1e-3)
    decoded = base.decode(tokens)
    assert decoded.shape == image.shape
    torch.testing.assert_close(
        base.decode(tokens.roll(3, -1)), decoded.roll(3 * base.stride, -1), atol=1e-4, rtol=1e-3
    )


def test_without_circular_convolutions_the_vae_would_not(
    tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bases, "make_circular", lambda vae: None)
    base = load_base(Weights("flux", "tiny", tiny("flux")), CPU, torch.float32)
    image = torch.rand(1, 3, *SIZE) * 2 - 1
    turned, tokens = base.encode(image.roll(3 * base.stride, -1)), base.encode(image).roll(3, -1)
    assert (turned - tokens).abs().max() > 0.05


def test_a_strip_comes_back_without_a_seam() -> None:
    tokens = torch.rand(2, 3, 4, 16)
    strip = circular.unroll(tokens, 4)
    torch.testing.assert_close(strip[..., :4], tokens[..., -4:])
    torch.testing.assert_close(circular.reroll(strip, 4), tokens)
    # A model that says something else at each of its columns still ends where it begins.
    columns = torch.arange(24.0).expand(1, 1, 4, 24)
    found = circular.reroll(columns, 4)[0, 0, 0]
    steps = (found - found.roll(1)).abs()
    assert steps.max() < 3  # 15 with a cut


@given(st.integers(0, 2**32 - 1), st.integers(1, 63))
@settings(max_examples=40, deadline=None)
def test_the_middle_turns_with_the_input(seed: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    known = rng.random((8, 64)) < rng.random((1, 64)) ** 2
    image = rng.integers(0, 255, (8, 64, 3)).astype(np.uint8)
    here = np.roll(known, columns_to_middle(known, image), 1)
    turned, moved = np.roll(known, columns, 1), np.roll(image, columns, 1)
    np.testing.assert_array_equal(np.roll(turned, columns_to_middle(turned, moved), 1), here)


def test_the_middle_of_symmetric_masks() -> None:
    image = np.random.default_rng(0).integers(0, 255, (4, 32, 3)).astype(np.uint8)
    known = np.zeros((4, 32), bool)
    known[:, 3:8] = True
    assert np.roll(known, columns_to_middle(known, image), 1)[:, 14:19].all()
    known[:, 19:24] = True  # two views back to back: the picture decides
    for columns in range(32):
        moved = np.roll(image, columns, 1), np.roll(known, columns, 1)
        turn = columns_to_middle(moved[1], moved[0])
        shown = np.where(np.roll(moved[1], turn, 1)[..., None], np.roll(moved[0], turn, 1), 0)
        if columns == 0:
            first = shown
        np.testing.assert_array_equal(shown, first)


def test_poles_lose_what_they_have_no_room_for() -> None:
    image = np.random.default_rng(0).random((64, 128, 3)).astype(np.float32)
    calm = blur_poles(image)
    assert np.ptp(calm[[0, -1]], axis=1).max() < 0.02
    np.testing.assert_allclose(calm[31:33], image[31:33], atol=1e-3)
    np.testing.assert_allclose(calm.mean(axis=1), image.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(blur_poles(np.roll(image, 9, 1)), np.roll(calm, 9, 1), atol=1e-5)


@pytest.mark.parametrize("name", PAINTERS)
def test_flat_sampling_equals_the_pipeline_of_diffusers(
    name: str, tiny: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what makes it a sphere, our loop is the pipeline's, for the same noise."""
    import diffusers

    monkeypatch.setattr(bases, "make_circular", lambda vae: None)
    monkeypatch.setattr(circular, "WRAP", 0)
    weights = Weights(name, "tiny", tiny(name))
    base = load_base(weights, CPU, torch.float32)
    prompt, empty = load_prompts(weights, ["a room", ""], CPU, torch.float32)
    torch.manual_seed(0)
    image = torch.rand(1, 3, *SIZE)
    known = torch.zeros(1, 1, *SIZE)
    known[..., 8:24, 16:40] = 1
    wanted = PaintSettings(steps=3, guidance=5.0)
    with torch.no_grad():
        ours = painter.sample(base, image * 2 - 1, known, [prompt, empty], wanted, seed=9)
    shape = base.encode(image).shape
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(9))
    pipe = getattr(diffusers, PAINTERS[name][0]).from_pretrained(tiny(name))
    pipe.set_progress_bar_config(disable=True)
    encode = pipe.vae.encode

    def encode_mode(x: torch.Tensor) -> Any:  # the pipeline of FLUX.1 draws from the posterior
        return type("Found", (), {"latents": encode(x).latent_dist.mode()})

    monkeypatch.setattr(pipe.vae, "encode", encode_mode)
    masked = (image * 2 - 1) * known / 2 + 0.5
    embeds = {"prompt_embeds": prompt.tokens}
    if prompt.pooled is not None:
        embeds["pooled_prompt_embeds"] = prompt.pooled
        noise = noise.flatten(2).transpose(1, 2)
    theirs = pipe(
        image=masked,
        mask_image=1 - known,
        height=SIZE[0],
        width=SIZE[1],
        strength=1.0,
        num_inference_steps=3,
        guidance_scale=5.0,
        latents=noise,
        output_type="pt",
        **embeds,
    ).images
    torch.testing.assert_close((ours / 2 + 0.5).clamp(0, 1), theirs, atol=2e-4, rtol=1e-3)


def test_guidance_by_an_empty_prompt(tmp_path: Path) -> None:
    folder = save_tiny("flux2-klein", tmp_path / "base", is_distilled=False)
    image, known = panorama()
    painted = [
        make_outpainter("flux2-klein", settings_for(folder, guidance=g)).fill(image, known, 0)
        for g in (1.0, 4.0)
    ]
    assert (painted[0] != painted[1]).mean() > 0.2


def test_another_working_height(tiny: Callable[[str], Path]) -> None:
    made = make_outpainter("flux", settings_for(tiny("flux"), height=50))
    image, known = panorama()
    filled = made.fill(image, known, 0)
    assert filled.shape == image.shape
    np.testing.assert_array_equal(filled[known], image[known])
    assert painter.working_size(40, None, 16) == (48, 96)
    assert painter.working_size(40, 64, 16) == (64, 128)


@pytest.mark.parametrize("name", PAINTERS)
def test_spherical_channels(name: str, tiny: Callable[[str], Path]) -> None:
    base = load_base(Weights(name, "tiny", tiny(name)), CPU, torch.float32)
    prompt = load_prompts(base_weights(name, tiny), ["a"], CPU, torch.float32)[0]
    scene = base.scene(torch.zeros(1, 3, *SIZE), torch.zeros(1, 1, *SIZE))
    step = bases.Step(torch.ones(1), prompt, 1.0)
    torch.manual_seed(0)
    noise = torch.randn(scene.clean.shape)
    with torch.no_grad():
        plain = base.erp_velocity(noise, scene, step)
        channels = attach(base.transformer)
        torch.testing.assert_close(base.erp_velocity(noise, scene, step), plain)
        channels.weight.normal_()
        assert (base.erp_velocity(noise, scene, step) - plain).abs().max() > 1e-3


def base_weights(name: str, tiny: Callable[[str], Path]) -> Weights:
    return Weights(name, "tiny", tiny(name))


def test_places_go_round_without_a_step() -> None:
    places = token_places(4, 8, wrap=2).view(4, 12, 4)
    torch.testing.assert_close(places[:, :2], places[:, 8:10])
    steps = places.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(steps, steps[:1, :1].expand_as(steps))
    assert (places[0, :, 2] < 0).all()  # sine of the latitude: positive downwards


def test_nothing_known_or_all_known_is_left_alone(tiny: Callable[[str], Path]) -> None:
    made = make_outpainter("flux", settings_for(tiny("flux")))
    image, known = panorama()
    for mask in (np.zeros_like(known), np.ones_like(known)):
        np.testing.assert_array_equal(made.fill(image, mask, 0), image)
    with pytest.raises(ConfigError, match="W = 2H"):
        made.fill(image[:, :40], known[:, :40], 0)
