"""Make and check the rendered test set.

    python benchmarks/rendered/run.py --check               # are these the worlds of summary.json?
    python benchmarks/rendered/run.py --render DIR          # NAME.png, NAME_distance.npz; checked
    python benchmarks/rendered/run.py --write               # after the scene code has changed

The set is 300 indoor and 200 outdoor worlds of a seed that is never trained on, 256×512. Any
predictor on it:

    panodepth evaluate --data rendered=DIR --protocol uncapped --out report \\
        --group indoor=indoor_* --group outdoor=outdoor_*

The table of the pages, with one command: table.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import rendered_set
import torch

from panodepth.errors import ConfigError, PanodepthError


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare with summary.json")
    what.add_argument("--write", action="store_true", help="write summary.json")
    what.add_argument(
        "--render", type=Path, metavar="DIR", help="write the set as files, and check"
    )
    parser.add_argument("--device", default="cpu", help="of the renderer")
    parser.add_argument("--first", type=int, help="only this many of each kind, for a quick look")
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 when the worlds are others than the kept ones, or on an error."""
    chosen = parse(arguments)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    counts = {k: min(n, chosen.first or n) for k, n in rendered_set.COUNTS.items()}
    try:
        return _run(chosen, counts)
    except PanodepthError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(chosen: argparse.Namespace, counts: Mapping[str, int]) -> int:
    fingerprint = rendered_set.Fingerprint()
    made = rendered_set.made(counts, chosen.device)
    panoramas = fingerprint.watched(made, sum(counts.values()))
    if chosen.render:
        rendered_set.write_files(panoramas, chosen.render)
    else:
        for _ in panoramas:
            pass
    found = fingerprint.summary()
    if chosen.write:
        if counts != rendered_set.COUNTS:
            raise ConfigError("--write needs the whole set, without --first")
        rendered_set.write_summary(found)
        return 0
    right, text = rendered_set.compare(found)
    print(text)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
