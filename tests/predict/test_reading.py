"""What reading says reaches the prediction and the command line, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from panodepth.cli import main
from panodepth.errors import InputError
from panodepth.predict import load

RED, BLUE = (200, 40, 40), (40, 40, 200)


def frame(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((64, 128, 3), colour, np.uint8)


def two_pages(path: Path) -> Path:
    second = frame(BLUE)
    second[32:] = RED
    with tifffile.TiffWriter(path) as file:
        file.write(frame(RED)[::4, ::4], photometric="rgb")
        file.write(second, photometric="rgb")
    return path


def test_a_prediction_owns_its_image(model_file: Path, tmp_path: Path) -> None:
    predictor = load(model_file)
    for dtype, white in ((np.uint8, 1), (np.uint16, 257), (np.float32, 1 / 255)):
        buffer = (frame(RED).astype(np.float64) * white).astype(dtype)
        first = predictor.predict(buffer)
        buffer[:] = (np.array(BLUE) * white).astype(dtype)
        assert first.image[32, 64].tolist() == list(RED)
    Image.fromarray(frame(RED)).save(tmp_path / "a.png")
    from_file = predictor.predict((tmp_path / "a.png").read_bytes())
    assert np.array_equal(from_file.image, first.image)


def test_masked_arrays_and_masks_clear_the_mask(model_file: Path) -> None:
    predictor = load(model_file)
    mask = np.zeros((64, 128), bool)
    mask[:10] = True
    masked = np.ma.array(frame(RED), mask=np.repeat(mask[..., None], 3, axis=2))
    assert np.array_equal(predictor.predict(masked, sky="none").mask, ~mask)
    given = np.ma.array(np.ones((64, 128), bool), mask=mask)
    assert np.array_equal(predictor.predict(frame(RED), given, sky="none").mask, ~mask)
    with pytest.raises(InputError, match="no valid pixel"):
        predictor.predict(np.ma.array(frame(RED), mask=True))


def test_unstitched_pictures_are_refused_but_for_who_insists(model_file: Path) -> None:
    place = (np.arange(64) + 0.5) / 32 - 1
    circles = np.tile(np.hypot(place[:, None], place) < 1, 2)[..., None] * frame(RED)
    predictor = load(model_file)
    with pytest.raises(InputError, match="two fisheye circles"):
        predictor.predict(circles.astype(np.uint8))
    insisted = predictor.predict(circles.astype(np.uint8), allow_any_aspect=True)
    assert insisted.image.shape == (64, 128, 3)


def test_notes_name_the_file_and_are_no_noise(
    model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = two_pages(tmp_path / "pages.tif")
    prediction = load(model_file).predict(path)
    assert prediction.meta["notes"][0] == "page 2 (128x64) of 2 is read"
    assert prediction.image[0, 0].tolist() == list(BLUE)
    arguments = ["predict", str(path), "--out", str(tmp_path / "out"), "--format", "npz"]
    arguments += ["--model", str(model_file)]
    assert main(arguments) == 0
    assert f"note: {path}: page 2 (128x64) of 2 is read" in capfd.readouterr().err
    assert main([*arguments, "--quiet"]) == 0
    assert "note:" not in capfd.readouterr().err


def test_with_json_standard_output_is_one_document_whatever_libraries_print(
    model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import OpenEXR

    light = np.linspace(0, 1, 64 * 128 * 3, dtype=np.float32).reshape(64, 128, 3)
    good = tmp_path / "good.exr"
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": light}).write(str(good))
    content = good.read_bytes()
    (tmp_path / "cut.exr").write_bytes(content[:-300])
    (tmp_path / "broken.exr").write_bytes(content[:-300] + bytes(300))
    two_pages(tmp_path / "pages.tif")
    arguments = ["predict", str(tmp_path), "--out", str(tmp_path / "out"), "--format", "npz"]
    code = main([*arguments, "--model", str(model_file), "--json"])
    captured = capfd.readouterr()  # of the process itself: with the C libraries' own lines
    said = json.loads(captured.out)
    assert (code, said["failed"]) == (1, 2)
    lines = captured.err.strip().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    facts = {Path(r["input"]).name: r["facts"] for r in said["results"] if r["facts"]}
    assert facts["pages.tif"]["notes"] == ["page 2 (128x64) of 2 is read"]
