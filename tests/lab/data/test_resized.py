"""Samples at the size of a batch: the sphere stays closed, edges of distance stay edges."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from panodepth.errors import InputError
from panodepth.lab.data import load_resized, make_panorama, open_folder, resize_panorama

from .conftest import make_distance, make_image, write_pair


def sample(seed: int = 0):
    distance = make_distance(seed)
    distance[:4, 5:20] = np.inf
    distance[10:, 3:9] = 0
    return make_panorama(make_image(seed).astype(np.float32) / 255, distance, None, {}, "x")


@pytest.mark.parametrize("size", [(8, 16), (6, 12), (14, 28), (32, 64)])
def test_distances_and_masks_hold_no_new_values(size):
    panorama = sample()
    resized = resize_panorama(panorama, size)
    assert resized.image.shape == (*size, 3)
    assert resized.image.dtype == resized.distance.dtype == np.float32
    assert set(np.unique(resized.distance)) <= set(np.unique(panorama.distance))
    np.testing.assert_array_equal(
        resized.mask, np.isfinite(resized.distance) & (resized.distance > 0)
    )
    assert resized.image.min() >= 0
    assert resized.image.max() <= 1


def test_resizing_commutes_with_rolling():
    panorama = sample()
    rolled = make_panorama(
        *(np.roll(a, 8, axis=1) for a in (panorama.image, panorama.distance, panorama.mask)), {}, ""
    )
    expected, found = resize_panorama(panorama, (8, 16)), resize_panorama(rolled, (8, 16))
    np.testing.assert_allclose(np.roll(expected.image, 4, axis=1), found.image, atol=1e-6)
    np.testing.assert_array_equal(np.roll(expected.distance, 4, axis=1), found.distance)
    np.testing.assert_array_equal(np.roll(expected.mask, 4, axis=1), found.mask)


def test_the_picture_is_averaged_when_it_shrinks():
    checks = np.indices((16, 32)).sum(axis=0) % 2
    image = np.repeat(checks[..., None], 3, axis=2).astype(np.float32)
    panorama = make_panorama(image, np.ones((16, 32), np.float32), None, {}, "x")
    np.testing.assert_allclose(resize_panorama(panorama, (4, 8)).image, 0.5, atol=0.02)


def test_the_same_size_is_the_same_panorama():
    panorama = sample()
    assert resize_panorama(panorama, (16, 32)) is panorama


def test_load_resized_reads_and_checks(tmp_path):
    write_pair(tmp_path, "a")
    lonely = np.zeros((16, 32), np.float32)
    lonely[0, 0] = 1
    write_pair(tmp_path, "b", distance=lonely)
    source = open_folder(tmp_path)
    assert load_resized(source, 0, (8, 16)).meta["name"] == "a"
    with pytest.raises(InputError, match="b: no valid pixel is left at 16x8"):
        load_resized(source, 1, (8, 16))


def test_the_package_loads_no_torch():
    code = "import sys, panodepth.lab.data; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
