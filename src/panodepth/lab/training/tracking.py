"""The log of a run: JSONL, TensorBoard events, a progress bar on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import Tensor

from panodepth.errors import OutputError, one_line
from panodepth.types import ByteArray

LOG = "log.jsonl"
UNSHOWN = ("config", "seconds_per_step")  # too long for a line on a terminal; in the file alone


class RunLog:
    """Appends one JSON object a line to `log.jsonl`; shows the same on a terminal.

    Values are rounded to nine significant digits. On a terminal there is a progress bar with the
    time left; elsewhere one short line for every record. With `board` the numbers also go to event
    files in `tensorboard/`. A `silent` log, as processes other than the first have, does nothing; a
    `quiet` one prints nothing. A last line that a kill cut short is removed.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        first_step: int = 0,
        *,
        silent: bool = False,
        quiet: bool = False,
        board: bool = False,
    ) -> None:
        self._file: TextIO | None = None
        self._path, self._steps, self._quiet = folder / LOG, steps, quiet
        self._bar: Any = None
        self.board: Board | None = None
        if silent:
            return
        folder.mkdir(parents=True, exist_ok=True)
        _cut_to_lines(self._path)
        self._file = self._path.open("a", encoding="utf-8")
        if board:
            self.board = Board(folder / "tensorboard", first_step)
        if sys.stderr.isatty() and not quiet:
            from tqdm import tqdm

            self._bar = tqdm(total=steps, initial=first_step, unit="step", dynamic_ncols=True)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
        if self.board is not None:
            self.board.close()
        if self._bar is not None:
            self._bar.close()

    def advance(self) -> None:
        """One step is done."""
        if self._bar is not None:
            self._bar.update(1)

    def check(self) -> None:
        """Raise OutputError when the folder was removed since the run began."""
        if self._file is not None and not self._path.exists():
            raise OutputError(f"{self._path.parent}: was removed while the run wrote into it")

    def write(self, event: str, **values: Any) -> None:
        """One record; floats of any nesting are rounded. Raises OutputError as `check`."""
        if self._file is None:
            return
        self.check()
        record = {"event": event, "time": time.time(), **values}
        self._file.write(json.dumps(_rounded(record)) + "\n")
        self._file.flush()
        if self.board is not None and "step" in values:
            self.board.scalars(event, int(values["step"]), values)
        shown = {k: v for k, v in _flat(values) if k not in UNSHOWN}
        if "step" in shown and self._bar is None:
            shown["step"] = f"{shown['step']} of {self._steps}"
        text = " ".join(f"{k}={_short(v)}" for k, v in shown.items())
        if event == "note":
            text = one_line(values["text"])
        if self._bar is not None:
            if event == "train":
                loss, rate = (_short(values.get(k, "")) for k in ("loss", "samples_per_s"))
                self._bar.set_postfix_str(f"loss={loss}, {rate} samples/s")
            else:
                self._bar.write(f"{event}: {text}")
        elif not self._quiet:
            print(f"{event}: {text}", file=sys.stderr, flush=True)


def is_logged(folder: Path, event: str, step: int) -> bool:
    """Whether the log in a run's folder has such a record of this step."""
    wanted = {"event": event, "step": step}
    with contextlib.suppress(OSError):
        for line in (folder / LOG).read_bytes().splitlines():
            with contextlib.suppress(ValueError, AttributeError):  # a line that was cut short
                if wanted.items() <= json.loads(line).items():
                    return True
    return False


def _cut_to_lines(path: Path) -> None:
    """Remove what follows the last whole line of a file, if there is one."""
    if path.exists() and not (content := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


class Board:
    """TensorBoard event files."""

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what an interrupted run wrote after its last checkpoint is hidden
        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1)

    def scalars(self, event: str, step: int, values: dict[str, Any]) -> None:
        """Every number of a record, under "event/name"."""
        numbers = {k: v for k, v in values.items() if k not in ("step", "config")}
        for name, value in _flat(numbers, whole=()):
            if isinstance(value, int | float) and not isinstance(value, bool):
                tag = f"{event}/{name.replace('.', '/')}"
                self._writer.add_scalar(tag, value, step)

    def picture(self, step: int, image: ByteArray) -> None:
        """A preview, (h, w, 3) uint8."""
        self._writer.add_image("preview", image, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _flat(
    values: dict[str, Any], prefix: str = "", whole: tuple[str, ...] = UNSHOWN
) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and key not in whole:
            yield from _flat(value, f"{prefix}{key}.", whole)
        else:
            yield f"{prefix}{key}", value


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, float):
        # times keep their milliseconds, everything else six digits
        return round(value, 3) if abs(value) > 1e6 else float(f"{value:.9g}")
    return value


class StopWatch:
    """Seconds spent in named parts since the last `take`.

    On a GPU these are the times of the launching thread: true sums, but work that is waited for
    in one part may have been started in another.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self._seconds[name] = self._seconds.get(name, 0.0) + spent

    def take(self) -> dict[str, float]:
        """Return and reset."""
        taken, self._seconds = self._seconds, {}
        return taken


class Averages:
    """Means of named scalars, kept on their device so that logging alone waits for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: dict[str, Tensor]) -> None:
        """Add one observation, a scalar (), of each given name."""
        for name, value in values.items():
            kept = value.detach().float()
            self._sums[name] = self._sums[name] + kept if name in self._sums else kept
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Means since the last call; empty when nothing was added."""
        if not self._sums:
            return {}
        names = list(self._sums)
        sums = torch.stack([self._sums[n] for n in names]).tolist()
        means = {n: s / self._counts[n] for n, s in zip(names, sums, strict=True)}
        self._sums, self._counts = {}, {}
        return means
