"""`--quality balanced` and `best` with what people have: released weights, ONNX, OpenVINO files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnx
import panodepth
from panodepth.cli import main

QUALITIES = ["balanced", "best"]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright box in a dark room, larger than the small networks' maps."""
    pixels = np.random.default_rng(5).integers(40, 60, (240, 480, 3)).astype(np.uint8)
    pixels[90:160, 200:290] = (200, 150, 90)
    path = tmp_path_factory.mktemp("picture") / "box.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def files(onnx_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The small network as both kinds of file."""
    pytest.importorskip("openvino")
    from panodepth.predict.openvino.conversion import write_xml

    xml = write_xml(onnx.load(onnx_file), tmp_path_factory.mktemp("xml") / "micro.xml")
    return {"onnx": onnx_file, "xml": xml}


@pytest.mark.parametrize("quality", QUALITIES)
def test_the_released_format(released_file: Path, picture: Path, quality: str) -> None:
    model = panodepth.load(released_file, dtype="float32")
    assert model.edges == "cut"
    fast, sharp = (model.predict(picture, sky="none", quality=q) for q in ("fast", quality))
    assert sharp.distance.shape == fast.distance.shape == (240, 480)
    assert np.isfinite(sharp.distance).all()
    assert np.median(np.abs(np.log(sharp.raw / fast.raw))) < 0.1
    assert not np.array_equal(sharp.raw, fast.raw)


@pytest.mark.parametrize("quality", QUALITIES)
def test_exported_files_give_what_the_network_gives(
    model_file: Path, files: dict[str, Path], picture: Path, tmp_path: Path, quality: str
) -> None:
    for kind, file in files.items():
        arguments = ["--model", str(file), "--quality", quality]
        arguments += ["--dtype", "float32"] if kind == "xml" else []
        arguments += ["--format", "npz", "--out", str(tmp_path / kind)]
        assert main(["predict", str(picture), *arguments]) == 0
    exact = panodepth.load(model_file, dtype="float32").predict(picture, quality=quality)
    for kind in files:
        with np.load(tmp_path / kind / "box_distance.npz") as npz:
            off = np.abs(np.log(npz["distance"] / exact.distance))
        assert off.mean() < 1e-3
