"""What each process of a launched run does; started by test_ranks.py with accelerate's launcher.

accelerate launch --cpu --num_processes 2 ranks.py FOLDER
"""

import dataclasses
import importlib.util
import os
import signal
import sys
from pathlib import Path

import torch

from panodepth.lab.training import train
from panodepth.lab.training.config import TrainConfig, config_from_dict
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.engine import SHARD_UNITS, Engine, gather_for_methods
from panodepth.lab.training.trainer import Trainer

HERE = Path(__file__).parent


def load_conftest():
    spec = importlib.util.spec_from_file_location("boxes", HERE / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BOXES = load_conftest()
PLAIN = {  # no augmentation: it differs with the number of processes
    "roll": False,
    "flip": 0.0,
    "tilt": 0.0,
    "brightness": 0.0,
    "gamma": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "white_balance": 0.0,
    "channel_mix": 0.0,
    "noise": 0.0,
    "blur": 0.0,
    "nadir": 0.0,
}


def make_config(out: Path, world: int, steps: int = 4, **optim: object) -> TrainConfig:
    """Eight panoramas a step, each seen once, in batches of 8 / world."""
    batch = 8 // world
    data = {"height": 28, "width": 56, "batch": batch, "chunk": batch, "reuse": 1, "workers": 0}
    run = {
        "out": str(out),
        "steps": steps,
        "device": "cpu",
        "precision": "fp32",
        "log_every": 1,
        "save_every": 100,
        "preview_every": 0,
        "validate_every": 0,
        "validate_count": 0,
        "tensorboard": False,
    }
    values = {
        "network": BOXES.NETWORK,
        "data": {**data, "render_batch": batch},
        "augment": PLAIN,
        "optim": {"warmup": 2, "lr": 1e-3, "ema": 0.9, **optim},
        "run": run,
    }
    return config_from_dict(values)


def half_way(config: TrainConfig, steps: int) -> None:
    """Train the first steps of the run and save."""
    run = Trainer(DistanceTask(config, renderer=BOXES.render_boxes))
    for _ in range(steps):
        run.train_step()
    run.save()
    run.engine.wait()


def stopped_by_the_other(config: TrainConfig) -> None:
    """Rank 1 alone gets the signal, in the middle of a step."""
    calls = []

    def renderer(*arguments, **options):
        calls.append(0)
        if len(calls) == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)
        return BOXES.render_boxes(*arguments, **options)

    result = train(config, renderer=renderer)
    assert not result.finished
    (Path(config.run.out) / f"stopped_{os.environ['RANK']}.txt").write_text(str(result.step))


def shard_on_the_cpu(engine, model, optimizer):
    """FSDP version 2 as accelerate applies it, which it does on GPUs alone."""
    from torch.distributed.fsdp import fully_shard

    names = [name for name, _ in model.named_parameters()]
    before = {id(p): name for name, p in zip(names, model.parameters(), strict=True)}
    groups = [[before[id(p)] for p in g["params"]] for g in optimizer.param_groups]
    mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (engine.world,))
    units = [m for m in model.modules() if type(m).__name__ in SHARD_UNITS]
    for unit in reversed(units):  # a block's bias before the block
        fully_shard(unit, mesh=mesh)
    fully_shard(model, mesh=mesh)
    gather_for_methods(model)
    sharded = dict(model.named_parameters())
    for group, chosen in zip(optimizer.param_groups, groups, strict=True):
        group["params"] = [sharded[name] for name in chosen]
    engine.sharded = True
    return model, optimizer


def main(folder: Path) -> None:
    """All that needs two processes, one after the other: starting them takes longest."""
    world = int(os.environ["WORLD_SIZE"])
    train(make_config(folder / "ddp", world), renderer=BOXES.render_boxes)
    train(make_config(folder / "accumulated", world, accumulate=2), renderer=BOXES.render_boxes)
    half_way(make_config(folder / "resumed", world), 2)
    train(make_config(folder / "resumed", world), renderer=BOXES.render_boxes)
    endless = make_config(folder / "stopped", world, steps=1000)
    stopped_by_the_other(endless)
    mixed = dataclasses.replace(endless, run=dataclasses.replace(endless.run, precision="bf16"))
    assert Trainer(DistanceTask(mixed, renderer=BOXES.render_boxes)).engine.bf16

    by_accelerate = Engine.prepare
    Engine.prepare = shard_on_the_cpu
    train(make_config(folder / "fsdp", world), renderer=BOXES.render_boxes)
    half_way(make_config(folder / "fsdp_resumed", world), 2)
    train(make_config(folder / "fsdp_resumed", world), renderer=BOXES.render_boxes)
    half_way(make_config(folder / "crossed", world), 2)
    Engine.prepare = by_accelerate
    crossed = Trainer(
        DistanceTask(make_config(folder / "crossed", world), renderer=BOXES.render_boxes)
    )
    crossed.run()
    crossed.engine.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
