"""One sample as the bytes of a shard, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from panodepth.errors import ConfigError
from panodepth.lab.data import Encoding, make_panorama
from panodepth.lab.data.shard_codec import decode, encode

from .conftest import H, W, make_distance

distances = hnp.arrays(
    np.float32,
    (H, W),
    elements=st.sampled_from([0.0, np.inf])
    | st.floats(0.0009765625, 60000, width=32)
    | st.just(np.float32(1.5)),
    fill=st.just(np.float32(2)),
)


@settings(deadline=None, max_examples=40)
@given(distances, st.floats(1e-6, 1e5))
def test_distance_comes_back_to_half_precision(distance, factor):
    distance = np.asarray(distance * np.float32(factor), np.float32)
    distance[0, :2] = [np.nan, factor]
    panorama = make_panorama(np.zeros((H, W, 3)), distance, None, {"unit": "m"}, "x")
    back = decode(encode(panorama, Encoding()), "x", {})
    np.testing.assert_array_equal(back.mask, panorama.mask)
    np.testing.assert_array_equal(np.isinf(back.distance), np.isinf(panorama.distance))
    valid = panorama.mask
    floor = panorama.distance[valid].max() * 2.0**-29  # far below the range of half precision
    known = valid & (panorama.distance > floor)
    np.testing.assert_allclose(back.distance[known], panorama.distance[known], rtol=2.0**-11)
    assert (back.distance[valid] > 0).all()


@settings(deadline=None, max_examples=40)
@given(distances)
def test_distance_comes_back_to_a_step_of_the_16_bit_png(distance):
    distance[0, 0] = 3
    panorama = make_panorama(np.zeros((H, W, 3)), distance, None, {}, "x")
    back = decode(encode(panorama, Encoding(distance="png")), "x", {})
    np.testing.assert_array_equal(back.mask, panorama.mask)
    np.testing.assert_array_equal(np.isinf(back.distance), np.isinf(panorama.distance))
    valid = panorama.mask
    step = panorama.distance[valid].max() / 65534
    assert np.abs(back.distance[valid] - panorama.distance[valid]).max() <= step * 1.001


@pytest.mark.parametrize(("kind", "tolerance"), [("png", 0), ("jpg", 20)])
def test_pictures_and_provenance(kind, tolerance):
    meta = {"name": "room", "unit": "m", "source": "S", "licence": "CC0-1.0", "seed": 7}
    smooth = np.linspace(0, 255, W).astype(np.uint8)[None, :, None] * np.ones((H, 1, 3), np.uint8)
    image = smooth.astype(np.float32) / 255
    distance = make_distance()
    distance[:4] = np.inf
    files = encode(make_panorama(image, distance, None, meta, "x"), Encoding(image=kind))
    assert list(files) == [kind, "distance.npy", "mask.png", "json"]
    back = decode(files, "x", {})
    assert np.abs(back.image - image).max() <= tolerance / 255
    for key, value in meta.items():
        assert back.meta[key] == value
    provenance = json.loads(files["json"])
    assert provenance["coverage"] == {"valid": 0.75, "sky": 0.25} == back.meta["coverage"]
    assert set(provenance["sha256"]) == {kind, "distance.npy", "mask.png"}
    json.dumps(back.meta)


@pytest.mark.parametrize("bad", [{"image": "gif"}, {"distance": "exr"}, {"quality": 0}])
def test_encodings_that_do_not_exist(bad):
    with pytest.raises(ConfigError):
        Encoding(**bad)
