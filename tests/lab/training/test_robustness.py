"""What may go wrong in the middle of a run: one clear line, and nothing lost."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from panodepth.errors import OutputError, PanodepthError, is_out_of_memory
from panodepth.lab.training import train
from panodepth.lab.training.checkpoint import list_snapshots, load_snapshot
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer


@contextlib.contextmanager
def full_disk(limit: int):
    """Every file of this process may hold `limit` bytes and no more: real writes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def saved_run(config, renderer):
    """A run after one step, saved."""
    run = Trainer(DistanceTask(config, renderer=renderer))
    run.train_step()
    run.save()
    return run


def checkpoints(config):
    return list_snapshots(Path(config.run.out) / "checkpoints")


def leftovers(config):
    return [
        p for p in Path(config.run.out).rglob("*") if p.name.startswith(".") or ".part" in p.name
    ]


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 99999999999 bytes. Error code 12 (Cannot allocate memory)"
    ),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["device", "cpu", "python"])
def test_out_of_memory_says_what_to_change(make_config, renderer, monkeypatch, error):
    config = make_config()
    run = saved_run(config, renderer)

    def fails(image):
        raise error

    monkeypatch.setattr(run.task, "_network", fails)
    with pytest.raises(PanodepthError) as caught:
        run.run()
    text = str(caught.value)
    assert "\n" not in text
    for word in ("step 1", "data.batch", "optim.accumulate", "run.checkpoint_activations"):
        assert word in text
    (path,) = checkpoints(config)
    assert load_snapshot(path).step == 1
    assert Trainer(DistanceTask(config, renderer=renderer)).step == 1


def test_a_real_allocation_that_fails_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize(
    "text",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
        "HIP out of memory. Tried to allocate 2.00 GiB",
        "MPS backend out of memory (MPS allocated: 17.9 GiB, max allowed: 18.1 GiB)",
        "Invalid buffer size: 28.09 GiB",  # MPS: more than a buffer of Metal takes
    ],
)
def test_memory_of_any_device(text):
    assert is_out_of_memory(RuntimeError(text))


@pytest.mark.parametrize(
    "text",
    [
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer "
        "[127.0.0.1]:40123",
        "ncclRemoteError: A call failed possibly due to a network error or a remote process exited",
    ],
)
def test_a_process_that_died_is_told_by_the_others(make_config, renderer, monkeypatch, text):
    run = Trainer(DistanceTask(make_config(), renderer=renderer))

    def fails(image):
        raise RuntimeError(text)

    monkeypatch.setattr(run.task, "_network", fails)
    with pytest.raises(PanodepthError, match=r"another process of the run is gone.*at step 0, the"):
        run.run()


def test_a_launchers_signal_does_not_cut_off_why_a_run_failed(make_config, renderer, monkeypatch):
    """It comes while the run is closed: torchrun ends the others as soon as one is gone."""
    run = Trainer(DistanceTask(make_config(), renderer=renderer))

    def fails(image):
        raise RuntimeError("gloo/transport: Connection closed by peer")

    closed = type(run.stream).__exit__

    def closes(stream, *error):
        os.kill(os.getpid(), signal.SIGTERM)
        return closed(stream, *error)

    monkeypatch.setattr(run.task, "_network", fails)
    monkeypatch.setattr(type(run.stream), "__exit__", closes)
    ended = []
    before = signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    try:
        with pytest.raises(PanodepthError, match="another process of the run is gone"):
            run.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not ended


def test_other_errors_are_not_hidden(make_config, renderer, monkeypatch):
    run = Trainer(DistanceTask(make_config(), renderer=renderer))

    def fails(image):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(run.task, "_network", fails)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run.run()


def test_a_copy_of_a_checkpoint_beside_it_is_none(tmp_path):
    for name in ("step_00000002", "step_00000001", "step_00000001.bak", "step_best"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").write_text("{}")
    assert [path.name for path in list_snapshots(tmp_path)] == ["step_00000001", "step_00000002"]


NESTED = pytest.param("[" * 100_000, id="nested")


@pytest.mark.parametrize("state", ["[", "[]", "null", '{"format": 1}', NESTED])
def test_a_checkpoint_of_a_damaged_state_is_named(tmp_path, state):
    (tmp_path / "state.json").write_text(state)
    with pytest.raises(PanodepthError, match=f"checkpoint {tmp_path}"):
        load_snapshot(tmp_path)


def test_full_disk_while_saving_keeps_the_old_checkpoint(make_config, renderer):
    config = make_config()
    run = saved_run(config, renderer)
    (path,) = checkpoints(config)
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    run.train_step()
    with full_disk(20_000), pytest.raises(PanodepthError, match="cannot write checkpoint"):
        run.save()
    assert checkpoints(config) == [path]
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    assert not leftovers(config)
    run.save()
    assert len(checkpoints(config)) == 2


def test_full_disk_while_exporting_keeps_the_old_model(make_config, renderer):
    config = make_config()
    run = saved_run(config, renderer)
    file = run.export()
    before = file.read_bytes()
    run.train_step()
    with full_disk(20_000), pytest.raises(OutputError, match="cannot be written"):
        run.export()
    assert file.read_bytes() == before
    assert not leftovers(config)


def test_full_disk_in_the_log_ends_with_one_line(make_config, renderer):
    config = make_config(run={"steps": 500})
    saved_run(config, renderer)
    with full_disk(2_000), pytest.raises(PanodepthError) as caught:
        train(config, renderer=renderer)
    text = str(caught.value)
    assert config.run.out in text
    assert "checkpoint" in text
    assert "\n" not in text
    assert load_snapshot(checkpoints(config)[-1]).step == 1


def test_full_disk_while_previewing(make_config, renderer, monkeypatch):
    def no_space(image, file, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", no_space)
    config = make_config(run={"preview_every": 2, "save_every": 1})
    with pytest.raises(OutputError, match=r"step_00000002\.png: .*No space left on device"):
        train(config, renderer=renderer)
    assert load_snapshot(checkpoints(config)[-1]).step == 2
    assert not leftovers(config)


def test_accelerate_and_tensorboard_are_loaded_for_training_alone():
    code = (
        "import sys\n"
        "from panodepth.cli import main\n"
        "main(['--help'])\n"
        "import panodepth.predict, panodepth.lab.training.trainer\n"
        "print([m for m in ('accelerate', 'tensorboard', 'webdataset') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
