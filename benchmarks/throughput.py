"""Panoramas per second from JPEG files to files: `python benchmarks/throughput.py [--count 48]`.

One run compares, on the same pictures and in turns: one after the other (workers 0) and overlapped
(the default), by torch, by OpenVINO and, where onnxruntime is there, by ONNX files made for the
occasion. Then it says what each stage of one panorama takes, beside the network. The pictures are
rendered rooms and yards of 512×1024; written are npz and preview-plain, or what --format says.
CPU ms are of the whole process, per panorama, in the overlapped run.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from PIL import Image

from panodepth.errors import PanodepthError
from panodepth.export import DEFAULT_FORMATS, WRITERS, parse_formats
from panodepth.images import read_image
from panodepth.lab.worlds import render_batch
from panodepth.predict import load
from panodepth.predict.folder.inputs import find_inputs
from panodepth.predict.folder.options import RunOptions, available_cores
from panodepth.predict.folder.run import predict_files
from panodepth.predict.options import QUALITIES, PredictOptions
from panodepth.predict.predictor import Predictor

HEIGHT, WIDTH = 512, 1024
SCENES = 4  # rendered once and stored again and again under other names
ROUNDS = 3  # the best of them counts, all variants take turns
STAGE_RUNS = 10
# Sums told at the end: a quick look, what is written by default, and a file of each kind.
SUMS = (("npz", "preview"), DEFAULT_FORMATS, ("preview", "normals", "ply", "exr"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--format", default="npz,preview-plain")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--quality", default=PredictOptions().quality, choices=QUALITIES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store_pictures(folder / "in", arguments.count)
        predictors = make_predictors(folder, arguments.dtype)
        compare(folder, predictors, arguments)
        tell_stages(folder / "in" / "0.jpg", "torch", predictors["torch"])


def store_pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    scenes = render_batch(1_000_000, list(range(SCENES)), HEIGHT, WIDTH)
    for number in range(count):
        pixels = (scenes.image[number % SCENES].permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=90)


def make_predictors(folder: Path, dtype: str) -> dict[str, Predictor]:
    predictors: dict[str, Predictor] = {"torch": load(dtype=dtype)}
    if predictors["torch"].describe()["dtype"] != "float32":
        predictors["torch float32"] = load(dtype="float32")
    if importlib.util.find_spec("openvino") is not None:
        for kind in ("float32", "bfloat16"):
            predictors[f"openvino {kind}"] = load(backend="openvino", dtype=kind)
    if importlib.util.find_spec("onnxruntime") is not None:
        from panodepth.model import load_model
        from panodepth.onnx.onnx_file import OnnxOptions, build_onnx, write_onnx
        from panodepth.predict.models import bundled_weights

        for label, int8 in (("onnx", False), ("onnx int8", True)):
            path = folder / f"{int8}.onnx"
            write_onnx(build_onnx(load_model(bundled_weights()), OnnxOptions(int8=int8)), path)
            predictors[label] = load(path)
    return predictors


def compare(folder: Path, predictors: dict[str, Predictor], arguments: argparse.Namespace) -> None:
    items = find_inputs([str(folder / "in")]).files
    best: dict[tuple[str, int], float] = {}
    least: dict[str, float] = {}  # processor seconds of a panorama
    for _ in range(ROUNDS):
        for label, predictor in predictors.items():
            for workers in (0, -1):
                options = RunOptions(
                    out=folder / "out",
                    formats=parse_formats(arguments.format),
                    batch_size=arguments.batch_size,
                    quality=arguments.quality,
                    workers=None if workers < 0 else 0,
                )
                started, spent = time.perf_counter(), time.process_time()
                results = predict_files(predictor, items, options, lambda result: None)
                rate = len(items) / (time.perf_counter() - started)
                assert all(result.status == "written" for result in results)
                if workers:
                    spent = (time.process_time() - spent) / len(items)
                    least[label] = min(spent, least.get(label, spent))
                best[label, workers] = max(rate, best.get((label, workers), 0.0))
    print(
        f"{len(items)} panoramas {HEIGHT}×{WIDTH} jpg -> {arguments.format}, batch size "
        f"{arguments.batch_size}, {arguments.quality}, {available_cores()} cores, "
        f"best of {ROUNDS}; panoramas/s:"
    )
    print(f"{'':17} {'one by one':>12} {'overlapped':>12} {'ratio':>7} {'CPU ms':>7}")
    for label, predictor in predictors.items():
        one, side = best[label, 0], best[label, -1]
        told = f"{least[label] * 1000:7.1f}  {describe(predictor)}"
        print(f"{label:17} {one:12.1f} {side:12.1f} {side / one:7.2f} {told}")


def describe(predictor: Predictor) -> str:
    told = predictor.describe()
    return f"{told['dtype']}, {told['device']}, {told['network_size']}"


def tell_stages(picture: Path, label: str, predictor: Predictor) -> None:
    """Milliseconds of each stage alone, the best of some runs, and their share of the network's."""
    options = PredictOptions(quality="fast")
    data = read_image(picture)
    request = predictor.prepare(data, None, options)
    output = predictor.run([request.pixels])[0]
    prediction = predictor.finish(request, output, options)
    network = fastest(lambda: predictor.run([request.pixels]))
    seconds = {
        "read (JPEG)": fastest(lambda: read_image(picture)),
        "to the network's size": fastest(lambda: predictor.prepare(data, None, options)),
        "normalise, back to size": fastest(lambda: predictor.finish(request, output, options)),
    }
    every = sum(seconds.values())
    with tempfile.TemporaryDirectory() as folder:
        new = count()
        for name in WRITERS:
            # `replace`: points and normals are not there already. A new folder each time, as for a
            # new picture: to replace a file costs some systems more than to write one.
            with suppress(PanodepthError):  # what this prediction has nothing for, as confidence
                seconds[name] = fastest(
                    lambda name=name: replace(prediction).save(
                        f"{folder}/{next(new)}/", formats=[name]
                    )
                )
    print(f"\n{label}: stage, ms, share of the network")
    for name, time_taken in {"network": network, **seconds}.items():
        print(f"{name:26} {time_taken * 1e3:8.1f} {time_taken / network:7.2f}")
    for formats in SUMS:
        rest = every + sum(seconds[name] for name in formats)
        print(f"{'all but the network, for ' + ','.join(formats)}: {rest * 1e3:.1f} ms", end="")
        print(f", {rest / network:.2f} of the network")


def fastest(stage: Callable[[], object]) -> float:
    """Seconds, the best of STAGE_RUNS."""
    seconds = []
    for _ in range(STAGE_RUNS):
        started = time.perf_counter()
        stage()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    try:
        main()
    except PanodepthError as error:
        raise SystemExit(f"error: {error}") from None
