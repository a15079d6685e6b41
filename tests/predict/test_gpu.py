"""The network on a GPU: what can be decided without one, and, where there is one, that it is right.

Differences are of log distance, so about relative.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import panodepth
from panodepth.errors import ModelError
from panodepth.model import ModelOutput, SphereViT, load_model
from panodepth.predict.cuda.gpu import exact, graphed, largest_batch
from panodepth.predict.cuda.graphs import CudaRecorder, difference
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.folder.run import predict_files
from panodepth.predict.models import bundled_weights
from panodepth.predict.torch_backend import TorchPredictor

EXAMPLE = Path(__file__).parents[2] / "examples" / "interior.jpg"
RNG = np.random.default_rng(5)
GIB = 2**30
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    ("free", "one", "batch"),
    [(80, 0.5, 16), (10, 1, 4), (10, 3, 2), (10, 3.1, 1), (1, 2, 1), (0, 1, 1), (13.4, 1, 8)],
)
def test_a_batch_takes_its_share_of_the_memory(free: float, one: float, batch: int) -> None:
    assert largest_batch(int(free * GIB), int(one * GIB)) == batch


def test_without_a_gpu_pictures_go_one_by_one(model_file: Path) -> None:
    loaded = panodepth.load(model_file, device="cpu")
    assert loaded.best_batch_size() == 1
    assert not loaded.overlaps


def test_convolutions_are_exact_inside_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    seen: list[bool] = []

    def network(image: Tensor, memory: Any) -> ModelOutput:
        seen.append(torch.backends.cudnn.allow_tf32)
        if memory:
            exact(network)(image, memory - 1)
            seen.append(torch.backends.cudnn.allow_tf32)
        if memory == 2:
            raise ValueError
        return ModelOutput(image, None)

    with pytest.raises(ValueError):
        exact(network)(torch.zeros(1), 2)
    assert seen == [False] * 5
    assert torch.backends.cudnn.allow_tf32


def test_float16_stays_close_where_its_range_is_enough() -> None:
    """The bundled model in float16 on the CPU, which has the arithmetic but not the speed."""
    image = EXAMPLE
    whole = panodepth.load(device="cpu", dtype="float32")
    wanted = whole.predict(image).distance
    half = TorchPredictor(load_model(bundled_weights()).half(), dtype=torch.float16)
    got = half.predict(image).distance
    assert got.dtype == np.float32
    assert np.abs(got / wanted - 1).mean() < 0.005
    assert not np.array_equal(got, wanted)


def test_float16_overflow_is_told_with_a_way_out(model_file: Path) -> None:
    """A residual stream that float32 carries and float16 does not."""
    image = RNG.random((56, 112, 3), dtype=np.float32)
    model = load_model(model_file)
    with torch.no_grad():
        model.backbone.blocks[0].mlp_out.bias.fill_(1e5)  # a LayerNorm takes it away again
    assert np.isfinite(TorchPredictor(model).predict(image).distance).all()
    with pytest.raises(ModelError, match=r"NaN.*65504.*--dtype float32"):
        TorchPredictor(model.half(), dtype=torch.float16).predict(image)


def test_recording_goes_by_torchs_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warmed up on the recording's stream after the caller's work, and back behind it."""
    told: list[str] = []
    current = ["caller"]

    class Stream:
        def __init__(self, name: str = "side") -> None:
            self.name = name

        def wait_stream(self, other: Stream) -> None:
            told.append(f"{self.name} waits for {other.name}")

    @contextlib.contextmanager
    def stream(given: Stream) -> Iterator[None]:
        current.append(given.name)
        yield
        current.pop()

    @contextlib.contextmanager
    def graph(cuda_graph: Any, stream: Stream, capture_error_mode: str) -> Iterator[None]:
        assert (current[-1], stream.name, capture_error_mode) == ("side", "side", "thread_local")
        told.append("begin")
        yield
        told.append("end")

    fake = SimpleNamespace(
        Stream=lambda device: Stream(),
        CUDAGraph=lambda: SimpleNamespace(replay=lambda: told.append("replay")),
        current_stream=lambda device: Stream("caller"),
        device=lambda device: contextlib.nullcontext(),
        stream=stream,
        graph=graph,
    )
    monkeypatch.setattr(torch, "cuda", fake)

    def call(image: Tensor) -> ModelOutput:
        assert not image.any()
        told.append(f"run on {current[-1]}")
        return ModelOutput(image[:, 0] + 1, image[:, 1] + 1)

    image = torch.rand(1, 3, 2, 4)
    output = CudaRecorder(torch.device("cpu"))(call, image)(image)
    assert output.log_distance.isnan().all()  # what no replay has written is not taken for good
    assert output.sky_logit is not None
    assert output.sky_logit.isnan().all()
    runs = ["run on side"] * 2
    assert told == [
        "side waits for caller", *runs, "begin", "run on side", "end", "caller waits for side",
        "replay",
    ]  # fmt: skip


# From here on with a GPU


@pytest.fixture(scope="module")
def on_gpu() -> dict[str, TorchPredictor]:
    """The bundled model."""
    return {d: panodepth.load(device="cuda", dtype=d) for d in ("float32", "float16", "bfloat16")}


def noise(batch: int, size: tuple[int, int]) -> Tensor:
    return torch.rand(batch, 3, *size, device="cuda")


@cuda
@pytest.mark.parametrize(
    ("dtype", "limit"), [("float32", 1e-4), ("float16", 1e-3), ("bfloat16", 1e-3)]
)
def test_replays_equal_the_plain_network(
    dtype: str, limit: float, on_gpu: dict[str, TorchPredictor]
) -> None:
    model = on_gpu[dtype].model
    network = graphed(model)
    for batch, size in ((1, (126, 252)), (3, (126, 252)), (1, (56, 112))):
        for _ in range(5):
            image = noise(batch, size)
            with torch.inference_mode():
                wanted = exact(model)(image, None)
            assert difference(network(image), wanted) < limit
    assert network.active
    assert all(entry.replay is not None for entry in network._entries.values())


@cuda
@pytest.mark.parametrize(
    ("dtype", "limit"), [("float32", 1e-4), ("float16", 5e-3), ("bfloat16", 5e-3)]
)
def test_a_gpu_says_what_a_cpu_says(
    dtype: str, limit: float, on_gpu: dict[str, TorchPredictor]
) -> None:
    on_cpu = panodepth.load(device="cpu", dtype="float32")
    pictures = [EXAMPLE, EXAMPLE.with_name("courtyard.jpg"), EXAMPLE]
    wanted = on_cpu.predict_batch(pictures, sky="none")
    for _ in range(4):  # plain, recorded, replayed
        got = on_gpu[dtype].predict_batch(pictures, sky="none")
        for a, b in zip(got, wanted, strict=True):
            assert np.abs(a.distance / b.distance - 1).mean() < limit


@cuda
def test_results_on_a_gpu_keep_apart(on_gpu: dict[str, TorchPredictor]) -> None:
    predictor = on_gpu["float32"]
    batches = [
        [RNG.random((3, 126, 252), dtype=np.float32) for _ in range(1 + n % 2)] for n in range(12)
    ]
    wanted = [predictor.run(pixels) for pixels in batches]
    started = [predictor.start(pixels) for pixels in batches]
    in_turn = [result() for result in started]
    with ThreadPoolExecutor(6) as pool:
        in_threads = list(pool.map(predictor.run, batches))
    for outputs in (in_turn, in_threads):
        for got, want in zip(outputs, wanted, strict=True):
            for a, b in zip(got, want, strict=True):
                np.testing.assert_allclose(a.log_distance, b.log_distance, atol=1e-3)


@cuda
@pytest.mark.parametrize("graphs", [True, False])
def test_the_loop_waits_for_results_alone(graphs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANODEPTH_CUDA_GRAPHS", "1" if graphs else "0")
    predictor = panodepth.load(device="cuda")
    pixels = [RNG.random((3, 126, 252), dtype=np.float32) for _ in range(2)]
    for _ in range(3):
        predictor.run(pixels)
    torch.cuda.set_sync_debug_mode("error")
    try:
        pending = predictor.start(pixels)
        for _ in range(5):
            following = predictor.start(pixels)
            pending()
            pending = following
        pending()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@cuda
def test_changed_weights_reach_the_replays(model_file: Path) -> None:
    model = load_model(model_file, device="cuda")
    network = graphed(model)
    image = noise(1, (56, 112))
    before = [network(image).log_distance for _ in range(3)][-1]
    other = SphereViT(model.config).state_dict()
    model.load_state_dict(other)
    with torch.inference_mode():
        wanted = exact(model)(image, None)
    for _ in range(4):
        assert difference(network(image), wanted) < 1e-4
    assert (before - wanted.log_distance).abs().mean() > 1e-2
    assert network.active


@cuda
def test_folders_take_a_batch_by_the_memory(
    on_gpu: dict[str, TorchPredictor], tmp_path: Path
) -> None:
    from panodepth.predict.folder.inputs import find_inputs

    (tmp_path / "in").mkdir()
    for number in range(21):
        (tmp_path / "in" / f"{number:02}.jpg").write_bytes(EXAMPLE.read_bytes())
    predictor = on_gpu["bfloat16"]
    assert predictor.best_batch_size() in (1, 2, 4, 8, 16)
    alone = predictor.predict(EXAMPLE).distance
    options = RunOptions(out=tmp_path / "out", formats=("npz",))
    files = find_inputs([str(tmp_path / "in")]).files
    results = predict_files(predictor, files, options, lambda result: None)
    assert [Path(r.input).name for r in results] == [f"{n:02}.jpg" for n in range(21)]
    for result in results:
        with np.load(result.files[0]) as saved:
            assert np.abs(saved["distance"] / alone - 1).mean() < 0.005


@cuda
def test_too_large_a_batch_is_out_of_memory_and_nothing_worse(
    on_gpu: dict[str, TorchPredictor],
) -> None:
    predictor = on_gpu["float32"]
    small = [RNG.random((3, 126, 252), dtype=np.float32)]
    before = predictor.run(small)[0].log_distance
    free, _ = torch.cuda.mem_get_info()
    ballast = torch.empty(max(0, free - 2**28), dtype=torch.uint8, device="cuda")
    try:
        with pytest.raises(torch.cuda.OutOfMemoryError):
            predictor.run([RNG.random((3, 1008, 2016), dtype=np.float32) for _ in range(4)])
    finally:
        del ballast
        torch.cuda.empty_cache()
    np.testing.assert_allclose(predictor.run(small)[0].log_distance, before, atol=1e-4)
