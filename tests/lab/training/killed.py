"""A tiny run whose process gets a real signal at a chosen moment; started by test_killed.py.

python killed.py OUT MOMENT SIGNAL STEPS; MOMENT: saving, validating or step
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from panodepth.cli.options import run_training
from panodepth.lab.training import checkpoint
from panodepth.lab.training.config import config_from_dict
from panodepth.lab.training.distance.task import DistanceTask
from panodepth.lab.training.trainer import Trainer

spec = importlib.util.spec_from_file_location("boxes", Path(__file__).with_name("conftest.py"))
assert spec is not None
assert spec.loader is not None
boxes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(boxes)


def make_config(out, steps):
    data = {"height": 28, "width": 56, "batch": 2, "chunk": 2, "workers": 0, "render_batch": 2}
    run = {"out": out, "steps": steps, "device": "cpu", "precision": "fp32", "tensorboard": False}
    often = {"log_every": 1, "save_every": 2, "validate_every": 2, "preview_every": 0}
    return config_from_dict(
        {
            "network": boxes.NETWORK,
            "data": data,
            "optim": {"warmup": 1},
            "run": {**run, **often, "validate_count": 2},
        }
    )


def main(out, moment, number, steps):
    trainer = Trainer(DistanceTask(make_config(out, int(steps)), renderer=boxes.render_boxes))

    def end(*_, **__):
        os.kill(os.getpid(), int(number))

    if moment == "saving":
        save = checkpoint.save_file

        def half(tensors, file):
            save(tensors, file)
            end()

        checkpoint.save_file = half
    elif moment == "validating":
        trainer.task.validate = end
    elif moment == "step":
        trainer.task.after_step = end
    run_training(trainer)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        print(json.dumps({"exit_code": code}))
        sys.exit(code)
