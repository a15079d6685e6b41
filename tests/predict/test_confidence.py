"""Confidence is 1 where every view of a picture gets the same answer, and less where not."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests import painted_world
from tests.predict.test_level import SIZE, Painted

from panodepth.cli import main
from panodepth.errors import OutputError
from panodepth.export.mark import stated
from panodepth.geometry.lens import ERP, Pinhole
from panodepth.model import ModelOutput
from panodepth.predict.torch_backend import TorchPredictor
from panodepth.types import Prediction

H, W = SIZE


def smooth(size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.asarray(painted_world.picture(ERP(), size))


class Guessing(Painted):
    """Answers at random on the right of whatever it is shown, where green says so."""

    def forward(self, image: torch.Tensor) -> ModelOutput:
        said = super().forward(image)
        noise = torch.randn(said.log_distance.shape, generator=torch.Generator().manual_seed(3))
        guess = 0.4 * noise * (image[:, 1] > 0.5)
        return ModelOutput(said.log_distance + guess, said.sky_logit)


def predicted(network: Painted, image: np.ndarray, **options: object) -> Prediction:
    return TorchPredictor(network).predict(image, confidence=True, level="none", **options)  # type: ignore[arg-type]


def test_a_network_that_always_answers_alike_is_sure() -> None:
    network = Painted()
    found = predicted(network, smooth())
    assert found.confidence is not None
    assert found.confidence.shape == found.distance.shape
    assert found.confidence.dtype == np.float32
    assert found.confidence.min() > 0.9
    assert [len(batch) for batch in network.seen] == [1, 5]
    assert found.meta["confidence_passes"] == 6


def test_views_that_differ_by_their_scale_alone_agree() -> None:
    class Unscaled(Painted):
        def forward(self, image: torch.Tensor) -> ModelOutput:
            said = super().forward(image)
            offsets = torch.arange(len(image)) / 4
            return ModelOutput(said.log_distance + offsets[:, None, None], said.sky_logit)

    found = predicted(Unscaled(), smooth())
    assert found.confidence is not None
    assert found.confidence.min() > 0.9


def test_where_it_guesses_it_is_not() -> None:
    image = smooth()
    image[:, 30:70, 1] = 1
    found = predicted(Guessing(), image)
    assert found.confidence is not None
    assert found.confidence[10:-10, 36:64].max() < 0.3
    assert found.confidence[10:-10, 80:].min() > 0.6


def test_the_distance_is_that_without_it() -> None:
    image = smooth((90, 180))
    model = TorchPredictor(Painted())  # type: ignore[arg-type]
    plain, sure = (model.predict(image, confidence=c, pitch=10) for c in (False, True))
    assert plain.distance.tobytes() == sure.distance.tobytes()
    assert plain.confidence is None


def test_it_goes_with_the_pixels_through_a_lens() -> None:
    lens = Pinhole.from_fov(math.radians(80), (60, 80))
    image = painted_world.picture(lens, (60, 80))
    options = {"projection": "perspective", "fov": (80.0,), "out_projection": "input"}
    found = predicted(Painted(), image, **options)
    assert found.confidence is not None
    assert found.confidence.shape == (60, 80)


def test_files_as_the_formats_say(model_file: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray((smooth() * 255).astype(np.uint8)).save(tmp_path / "a.png")
    command = ["predict", str(tmp_path / "a.png"), "--model", str(model_file), "--quiet", "--out"]
    assert main([*command, str(tmp_path / "o"), "--confidence", "--format", "npz,exr,png"]) == 0
    assert main([*command, str(tmp_path / "p"), "--confidence", "--format", "ply"]) == 0
    assert main([*command, str(tmp_path / "q"), "--format", "confidence-exr"]) == 0
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == [
        "a_confidence.png",
        "a_points.ply",
    ]
    assert [p.name for p in (tmp_path / "q").iterdir()] == ["a_confidence.exr"]
    with np.load(tmp_path / "o/a_confidence.npz") as npz:
        values = npz["confidence"]
    assert 0 < values.max() <= 1
    image = Image.open(tmp_path / "o/a_confidence.png")
    np.testing.assert_allclose(np.asarray(image) / 65535, values, atol=1e-5)
    for ending in ("npz", "exr", "png"):
        told = stated(tmp_path / f"o/a_confidence.{ending}")
        assert told is not None
        assert told["quantity"].startswith("confidence")
        assert told["unit"] == "1"


def test_none_was_asked_for(tmp_path: Path) -> None:
    ones = np.ones((8, 16), np.float32)
    prediction = Prediction(ones, ones > 0, np.zeros((8, 16, 3), np.uint8))
    with pytest.raises(OutputError, match="no confidence to write"):
        prediction.save(tmp_path, ["confidence-png"])
