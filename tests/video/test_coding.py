"""16-bit codes of distances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.video.coding import LIMITS, decode, encode


@pytest.mark.parametrize("unit", LIMITS)
@given(share=st.floats(0, 1))
def test_a_distance_comes_back_within_a_twentieth_of_a_percent(unit: str, share: float) -> None:
    near, far = LIMITS[unit]
    distance = np.full((1, 2), near * (far / near) ** share, np.float32)
    mask = np.array([[True, False]])
    back = decode(encode(distance, mask, (near, far)), (near, far))
    assert back[0, 0] == pytest.approx(distance[0, 0], rel=5e-4)
    assert np.isnan(back[0, 1])


def test_codes_by_hand() -> None:
    codes = encode(
        np.array([[1.0, 4.0, 16.0, 0.1, 99.0]], np.float32), np.ones((1, 5), bool), (1, 16)
    )
    assert codes.tolist() == [[1, 32768, 65535, 1, 65535]]
    assert codes.dtype == np.uint16
