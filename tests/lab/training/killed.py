"""Tiny runs whose processes get a real signal at a chosen moment; started by test_killed.py.

python killed.py FOLDER MOMENT=SIGNAL ...; MOMENT: saving, validating or step. Each runs in
FOLDER/MOMENT, in a fork of this process, which has loaded PyTorch once for all; what it prints
is in MOMENT.out and MOMENT.err, and their exit codes are printed here.
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


def alone(folder, moment, number):
    """One run in a process that is to end with it."""
    for ending, stream in (("out", sys.stdout), ("err", sys.stderr)):
        with open(folder / f"{moment}.{ending}", "w") as file:
            os.dup2(file.fileno(), stream.fileno())
    try:
        main(str(folder / moment), moment, number, 4)
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        print(json.dumps({"exit_code": code}))
        sys.exit(code)


if __name__ == "__main__":
    for name in ("accelerate", "torch._dynamo"):  # which a run loads as it starts and steps
        importlib.import_module(name)
    codes = {}
    for moment, number in (words.split("=") for words in sys.argv[2:]):
        child = os.fork()
        if not child:
            alone(Path(sys.argv[1]), moment, number)
            sys.exit(0)
        codes[moment] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps(codes))
