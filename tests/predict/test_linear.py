"""The light of an HDR picture goes with its prediction."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from tests.images.test_gpano import packet
from tests.painted_world import PREDICTOR, picture

from panodepth.geometry.lens import ERP, View
from panodepth.geometry.lenses import EquidistantFisheye
from panodepth.geometry.resampling import resample

H, W = 64, 128


def light(dtype: type = np.float32) -> np.ndarray:
    """(H, W, 3): a painted world with a lamp a thousand times as bright as white."""
    found = picture(ERP(), (H, W)).astype(dtype)
    found[20:22, 40:44] = 1000
    return np.ascontiguousarray(found)


def write_exr(path: Path, pixels: np.ndarray) -> Path:
    import OpenEXR

    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": pixels}).write(str(path))
    return path


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_exr(tmp_path: Path, dtype: type) -> None:
    stored = light(dtype)
    stored[5, 6] = np.nan
    found = PREDICTOR.predict(write_exr(tmp_path / "a.exr", stored))
    assert found.linear is not None
    assert found.linear.dtype == np.float32
    assert found.light.dtype == dtype
    known = np.isfinite(stored).all(-1)
    assert np.array_equal(found.linear[known], stored[known].astype(np.float32))
    assert not found.linear[~known].any()
    assert found.linear.max() == 1000
    assert found.image.max() == 255
    assert found.to_metres(scale=2).light is found.light


def test_hdr_and_float_tiff(tmp_path: Path) -> None:
    stored = light()
    cv2.imwrite(str(tmp_path / "a.hdr"), stored[..., ::-1])
    rgbe = PREDICTOR.predict(tmp_path / "a.hdr").linear
    assert np.allclose(rgbe, stored, rtol=0.01, atol=0.01)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    assert np.array_equal(PREDICTOR.predict(tmp_path / "a.tif").linear, stored)
    tifffile.imwrite(tmp_path / "grey.tif", stored[..., 0])
    grey = PREDICTOR.predict(tmp_path / "grey.tif").linear
    assert np.array_equal(grey, np.repeat(stored[..., :1], 3, 2))


def test_other_pictures_have_none() -> None:
    assert PREDICTOR.predict((light().clip(0, 1) * 255).astype(np.uint8)).linear is None
    assert PREDICTOR.predict(light().clip(0, 1)).linear is None


def test_it_follows_the_lens(tmp_path: Path) -> None:
    size = (80, 80)
    lens = EquidistantFisheye.from_fov(math.radians(180), size)
    taken = np.moveaxis(light(), -1, 0)
    fisheye, _ = resample(taken, ERP(), View(lens, size))
    path = write_exr(tmp_path / "a.exr", np.ascontiguousarray(np.moveaxis(fisheye, 0, -1)))
    sphere = PREDICTOR.predict(path, lens=lens)
    assert sphere.linear is not None
    assert sphere.linear.shape == (*sphere.distance.shape, 3)
    assert not sphere.linear[~sphere.mask & ~sphere.sky].any()
    again = PREDICTOR.predict(path, lens=lens, out_projection="input").linear
    assert again is not None
    assert np.array_equal(again, np.moveaxis(fisheye, 0, -1))
    view = PREDICTOR.predict(path, lens=lens, out_projection="perspective")
    assert view.linear is not None
    assert view.linear.shape == (*view.distance.shape, 3)


def test_a_tagged_crop_keeps_its_place(tmp_path: Path) -> None:
    stored = light()[10:50, 20:100]
    tags = {
        "FullPanoWidthPixels": W,
        "FullPanoHeightPixels": H,
        "CroppedAreaImageWidthPixels": 80,
        "CroppedAreaImageHeightPixels": 40,
        "CroppedAreaLeftPixels": 20,
        "CroppedAreaTopPixels": 10,
    }
    extra = [(700, "B", 0, packet(tags), True)]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extratags=extra)
    whole = PREDICTOR.predict(tmp_path / "a.tif").linear
    assert whole is not None
    assert np.array_equal(whole[10:50, 20:100], stored)
    assert whole.sum() == pytest.approx(stored.sum(), rel=1e-4)
    crop = PREDICTOR.predict(tmp_path / "a.tif", out_projection="input").linear
    assert np.array_equal(crop, stored)
