"""The mean of models' weights: `python benchmarks/average.py OUT WEIGHT:FILE WEIGHT:FILE ...`.

All are networks of one kind; the working size of the first counts. The weights add up to 1. OUT
says in its metadata what it was made of. What an average of runs is worth: the bundled card.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch

from panodepth.model import load_model, save_model


def main(arguments: list[str]) -> None:
    out, *parts = arguments
    shares = [(float(share), Path(file)) for share, _, file in (p.partition(":") for p in parts)]
    assert math.isclose(sum(share for share, _ in shares), 1), "the weights do not add up to 1"
    first = load_model(shares[0][1])
    total = {name: torch.zeros_like(t) for name, t in first.state_dict().items()}
    for share, file in shares:
        for name, tensor in load_model(file).state_dict().items():
            total[name] += share * tensor.to(total[name].dtype)
    first.load_state_dict(total)
    made_of = json.dumps([[share, file.stem] for share, file in shares])
    save_model(first, Path(out), {"average_of": made_of}, dtype=torch.float16)


if __name__ == "__main__":
    main(sys.argv[1:])
