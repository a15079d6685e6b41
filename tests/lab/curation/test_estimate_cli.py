"""`panodepth curate --estimate`: pictures without depth, through a real (tiny, random) model."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.lab.curation.conftest import Made

from panodepth.cli import main
from panodepth.errors import ConfigError, ModelError
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.lab.curation.estimate import TransformersEstimator
from panodepth.lab.curation.pipeline import records
from panodepth.lab.data import open_source

VIEW = (48, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DPT with random weights whose last layer says about 1 everywhere."""
    import torch
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        reassemble_factors=[4, 2, 1, 0.5],
    )
    network = DPTForDepthEstimation(config)
    with torch.no_grad():
        network.head.head[4].bias.fill_(1.0)
    folder = tmp_path_factory.mktemp("depth") / "tiny-dpt"
    network.save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def views(made: Made, count: int = 3) -> Path:
    """Overlapping views of one place with poses, and nobody's depth; one picture is a mask."""
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = cv2.resize(rng.integers(0, 255, (24, 32, 3)).astype(np.uint8), VIEW[::-1])
        assert cv2.imwrite(str(made.path(f"f/place_v{number:02d}.png")), pixels)
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_yaw_pitch_roll(np.radians(40 * number), 0, 0)
        made.json(f"f/place_v{number:02d}.json", {"pose": pose.tolist(), "level": True})
    made.json("f/camera.json", {"x_fov_deg": 80})
    assert cv2.imwrite(str(made.path("f/place_v00_mask.png")), np.zeros(VIEW, np.uint8))
    return made.root / "f"


COMMAND = ["--size", "64x128", "--limit", "edges=0", "--limit", "spread=1", "--limit", "same=-1"]


def test_pictures_without_depth_become_marked_samples(made: Made, model: Path) -> None:
    out = made.root / "out"
    command = ["curate", "--source", str(views(made)), "--out", str(out), *COMMAND]
    assert main([*command, "--estimate", f"{model}:distance"]) == 0
    source = open_source("shards", out)
    assert len(source) == 3
    for index in range(3):
        sample = source[index]
        assert sample.meta["pseudo_label"] == str(model)
        assert sample.meta["unit"] == "relative"
        assert "depth" not in sample.meta
        assert sample.mask is not None
        assert sample.distance is not None
        np.testing.assert_allclose(sample.distance[sample.mask], 1, rtol=0.01)
        assert 0.05 < sample.mask.mean() < 0.2


def test_views_of_a_place_are_stitched_on_one_scale(made: Made, model: Path) -> None:
    out = made.root / "out"
    command = ["curate", "--source", str(views(made)), "--out", str(out), *COMMAND, "--stitch"]
    assert main([*command, "--estimate", f"{model}:distance"]) == 0
    source = open_source("shards", out)
    assert len(source) == 1
    sample = source[0]
    assert sample.meta["views"] == [f"place_v{n:02d}" for n in range(3)]
    assert sample.meta["pseudo_label"] == str(model)
    rows = [row for record in records(out) for row in record["units"]]
    assert rows[0]["measured"]["agreement"] == pytest.approx(1)
    # Another model, or another reading of what it says, would give other bytes in one folder.
    assert main([*command, "--estimate", f"{model}:z"]) == 2
    assert main(command) == 2


def test_frames_with_a_depth_keep_it(made: Made, model: Path) -> None:
    folder, out = views(made, 2), made.root / "out"
    slope = np.linspace(1, 3, VIEW[1], dtype=np.float32)[None].repeat(VIEW[0], 0)
    np.savez(folder / "place_v01_depth.npz", z_depth=slope)
    command = ["curate", "--source", str(folder), "--out", str(out), *COMMAND]
    assert main([*command, "--estimate", str(model)]) == 0
    source = open_source("shards", out)
    assert [("pseudo_label" in source[i].meta) for i in range(2)] == [True, False]
    # Without --estimate the picture that has no depth is none of the frames.
    assert main([*command[:3], "--out", str(made.root / "given"), *COMMAND]) == 0
    assert len(open_source("shards", made.root / "given")) == 1


def test_what_cannot_be_estimated_is_said_in_one_line(
    made: Made, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["curate", "--out", str(made.root / "out"), *COMMAND, "--estimate"]
    source = ["--source", str(views(made, 1))]
    assert main([*command, str(made.root / "nothing"), *source]) == 2
    assert "cannot be loaded" in capsys.readouterr().err.splitlines()[-1]
    assert main([*command, str(model), "--source", f"vkitti2={made.root}"]) == 2
    assert "vkitti2 has depths of its own" in capsys.readouterr().err
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersEstimator(str(made.root))(np.zeros((*VIEW, 3), np.uint8))


def test_without_transformers_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match="pip install"):
        TransformersEstimator("org/depth")(np.zeros((*VIEW, 3), np.uint8))
