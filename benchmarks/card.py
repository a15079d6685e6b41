"""Every number and claim of the bundled model's card, printed again, to be read beside the card.

    python benchmarks/card.py  # the file, the examples: under a minute
    python benchmarks/card.py --long --real REAL --flat FLAT --test TEST  # all: an hour

The long ones are the commands that the card itself lists, each also with
`--predictor baselines/constant.py` where it evaluates; a command whose folder is not given is named
and left out. REAL and FLAT hold NAME.png and NAME_distance.npz; TEST is made where it is missing.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

import panodepth
from panodepth.errors import InputError
from panodepth.predict.models import RELEASED_REPO, bundled_weights
from panodepth.predict.options import PredictOptions

ROOT = Path(__file__).parents[1]
CARD = bundled_weights().with_name("README.md")
RELEASED_MILLIONS = 344.6  # parameters of the released network, docs/parity.md
HEIGHT_M = 1.6


def facts() -> None:
    """What the card's first table says."""
    predictor = panodepth.load()
    said = predictor.describe()
    millions = said["parameters"] / 1e6
    print(f"network           {said['network']}, sky {said['sky']}")
    print(f"parameters        {millions:.2f} M, {bundled_weights().stat().st_size / 1e6:.1f} MB")
    print(f"working size      {'×'.join(map(str, predictor.size))}")
    print(f"{RELEASED_REPO}    {RELEASED_MILLIONS / millions:.0f} times larger")


def examples() -> None:
    """What the card says of the examples: floors, sky, and the row round the zenith."""
    predictor = panodepth.load()
    for file in sorted((ROOT / "examples").glob("*.jpg")):
        prediction = predictor.predict(file)
        try:
            metres = predictor.predict(file, camera_height=HEIGHT_M)
            support = metres.meta["floor_support"]
            floor = f"floor found, scale {metres.scale:.2f}, {support:.0%} of the view below"
        except InputError as error:
            floor = str(error)
        print(f"{file.name:17} {floor}; sky {prediction.sky.mean():.1%}")
        request = predictor.prepare(file, None, PredictOptions())
        small = predictor.predict(request.pixels.transpose(1, 2, 0))  # at the network's size
        raw = predictor.run([request.pixels])[0].log_distance
        print(f"{'':17} the network's top row beside the next: {step(raw):.2%},", end=" ")
        print(f"of the prediction: {step(np.log(small.solid)):.2%}")


def step(log_distance: np.ndarray) -> float:
    """Median |step| from the top row of (H, W) log distances to the next."""
    return float(np.median(np.abs(log_distance[0] - log_distance[1])))


def commands() -> list[str]:
    """The lines of the card's own block of commands."""
    blocks = re.findall(r"```bash\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def long_ones(places: dict[str, Path | None]) -> None:
    """Run the card's commands, with these folders in place of REAL, FLAT and TEST."""
    for line in commands():
        missing = [k for k, v in places.items() if v is None and re.search(rf"\b{k}\b", line)]
        print(f"\n$ {line}", flush=True)
        if missing:
            print(f"left out: give --{missing[0].lower()}")
            continue
        for name, place in places.items():
            line = re.sub(rf"\b{name}\b", shlex.quote(str(place)), line)
        if "--render " in line and any(Path(shlex.split(line)[-1]).glob("*")):
            continue
        runs = [line]
        if " evaluate " in line:
            runs.append(f"{line}-constant --predictor baselines/constant.py")
        for run in runs:
            words = shlex.split(re.sub(r"^(panodepth|python)\b", "", run))
            head = [sys.executable, *(["-m", "panodepth"] if run.startswith("panodepth") else [])]
            subprocess.run([*head, *words], cwd=ROOT, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("real", "flat", "test"):
        parser.add_argument(f"--{name}", type=lambda text: Path(text).resolve())
    parser.add_argument("--long", action="store_true", help="the card's own commands too")
    given = parser.parse_args()
    facts()
    examples()
    if given.long:
        long_ones({"REAL": given.real, "FLAT": given.flat, "TEST": given.test})


if __name__ == "__main__":
    main()
