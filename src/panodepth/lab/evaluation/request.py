"""What `panodepth evaluate` can be asked for, each option once; loads nothing heavy."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.protocol import VALIDATION_SEED
from panodepth.options import option
from panodepth.predict.options import check_quality


def parse_part(text: str) -> tuple[int, int]:
    """ "2/8" as (2, 8). Raises ConfigError unless 1 <= i <= n."""
    left, _, right = text.partition("/")
    if left.isdecimal() and right.isdecimal() and 1 <= int(left) <= int(right):
        return int(left), int(right)
    raise ConfigError(f"--part {text!r} is not I/N with 1 <= I <= N, e.g. 2/8")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is measured on what, and where the report goes.

    rendered: worlds of `seed`, half of them indoor. part: (i, n), see `runner.Place`. compare:
    folders of earlier runs. pictures: worst and median samples shown, each, per dataset.
    """

    out: Path = option(MISSING, "Folder of the report.", metavar="DIR")
    data: tuple[str, ...] = option(
        (), "A dataset; repeat. NAME is its kind or a name of your own.", metavar="[NAME=]DIR"
    )
    predictor: str = option("default", "A model, FILE.py[:CLASS], or a folder of predicted files.")
    protocol: str = option("da2", "da2, da2-fixed, affine, metric, unik3d, sphere or uncapped.")
    split: tuple[str, ...] = option(
        (), "File that lists the samples of a dataset; repeat.", metavar="NAME=FILE"
    )
    group: tuple[str, ...] = option(
        (), "Report samples with matching names separately; repeat.", metavar="NAME=PATTERN"
    )
    rendered: int = option(0, "Also measure this many rendered worlds, half indoor.", min=0)
    seed: int = option(VALIDATION_SEED, "Seed of the rendered worlds.", min=0)
    worlds: int = option(1, "Version of the rendered worlds, 1 or 2.", min=1, max=2)
    options: tuple[str, ...] = option(
        (), "Passed to the predictor; repeat.", flag="--option", metavar="KEY=VALUE"
    )
    quality: str = option("", "Quality of a model's predictions, as in predict; else standard.")
    compare: tuple[str, ...] = option(
        (), "An earlier report to compare with; repeat.", metavar="DIR"
    )
    threads: int = option(1, "Threads of each process.", min=1)
    part: tuple[int, int] | None = option(
        None, "Only part I of N, e.g. on N machines.", metavar="I/N", parser=parse_part
    )
    pictures: int = option(3, "Worst and median samples shown, each, per dataset.", min=0)

    def __post_init__(self) -> None:
        if self.quality:
            check_quality(self.quality)
        if self.rendered == 1:
            raise ConfigError("--rendered 1: from 2 on, as half of the worlds are indoor")

    @property
    def all_options(self) -> tuple[str, ...]:
        """`options` and the quality."""
        return (*self.options, *([f"quality={self.quality}"] if self.quality else []))
