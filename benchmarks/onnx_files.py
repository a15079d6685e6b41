"""ONNX against torch, the same network in one run: `python benchmarks/onnx_files.py [--model M]`.

Prints for each route the size of its file, the difference to torch in float32 (mean and largest
relative difference of the distance, share of pixels whose sky differs) over the two examples and
rendered worlds, and the time of one forward pass, the routes taking turns (best of --rounds).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from panodepth.lab.worlds import render_batch
from panodepth.model import load_model
from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx
from panodepth.predict import load
from panodepth.predict.models import find_model
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.types import FloatArray

ROOT = Path(__file__).parents[1]
WORLDS = 6
SEED = 1_000_000  # far from the worlds that the bundled model was trained on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        routes, sizes = make_routes(arguments.model, Path(folder))
        reference = routes["torch float32"]
        pictures = test_pictures(reference)
        seconds = {name: [] for name in routes}
        for _ in range(arguments.rounds):
            for name, route in routes.items():
                started = time.perf_counter()
                route.run(pictures[:1])
                seconds[name].append(time.perf_counter() - started)
        fastest = min(seconds["torch float32"])
        print(f"network size {reference.size}, {len(pictures)} pictures")
        print(f"{'':16}{'MB':>8}{'mean rel.':>11}{'largest':>11}{'sky differs':>13}", end="")
        print(f"{'ms':>9}{'speed':>8}")
        for name, route in routes.items():
            mean, largest, sky = difference(route, reference, pictures)
            best = min(seconds[name])
            print(
                f"{name:16}{sizes.get(name, 0):8.1f}{mean:11.2e}{largest:11.2e}{sky:13.2e}", end=""
            )
            print(f"{best * 1e3:9.1f}{fastest / best:8.2f}")


def make_routes(model: str, folder: Path) -> tuple[dict[str, Predictor], dict[str, float]]:
    routes: dict[str, Predictor] = {
        "torch float32": load(model, device="cpu", dtype="float32"),
        "torch bfloat16": load(model, device="cpu", dtype="bfloat16"),
    }
    sizes = {}
    plain = load_model(find_model(model)[1])
    for name, int8 in (("onnx float32", False), ("onnx int8", True)):
        path = write_onnx(build_onnx(plain, OnnxOptions(int8=int8)), folder / f"{int8}.onnx")
        routes[name] = load(path, device="cpu")
        sizes[name] = path.stat().st_size / 1e6
    return routes, sizes


def test_pictures(predictor: Predictor) -> list[FloatArray]:
    """The examples and rendered worlds, at the network's size."""
    worlds = render_batch(SEED, list(range(WORLDS)), 256, 512).image
    sources = [ROOT / "examples" / f"{name}.jpg" for name in ("interior", "courtyard")]
    sources += [world.permute(1, 2, 0).numpy() for world in worlds]
    return [predictor.prepare(source, None, PredictOptions()).pixels for source in sources]


def difference(
    route: Predictor, reference: Predictor, pictures: list[FloatArray]
) -> tuple[float, float, float]:
    """Mean and largest relative difference of the normalised distance, and where sky differs."""
    means, largest, skies = [], 0.0, [0.0]
    for picture in pictures:
        ours, theirs = route.run([picture])[0], reference.run([picture])[0]
        surface = np.ones(picture.shape[1:], np.bool_)
        if theirs.sky_logit is not None and ours.sky_logit is not None:
            surface = theirs.sky_logit <= 0
            skies.append(float(((ours.sky_logit > 0) != (theirs.sky_logit > 0)).mean()))
        a, b = (np.exp(output.log_distance) for output in (ours, theirs))
        a, b = (values / np.quantile(values[surface], 0.98) for values in (a, b))
        relative = np.abs(a / b - 1)
        means.append(float(relative.mean()))
        largest = max(largest, float(relative.max()))
    return float(np.mean(means)), largest, float(np.max(skies))


if __name__ == "__main__":
    main()
