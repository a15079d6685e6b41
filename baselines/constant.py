"""The prediction that knows nothing: distance 1 in every direction.

panodepth evaluate --predictor baselines/constant.py --data ... --out ...
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Predictor:
    """Distance 1 everywhere; what any method must beat."""

    def predict(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(H, W, 3) to (H, W)."""
        return np.ones(image.shape[:2], np.float32)
