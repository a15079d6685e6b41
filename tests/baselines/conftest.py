"""The baselines lie outside the package; their folders go on the path, as when they are run."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2] / "baselines"
for folder in (ROOT, ROOT / "fusion"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
