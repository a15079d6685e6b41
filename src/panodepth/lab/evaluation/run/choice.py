"""Which predictor a text means: a Python file, a folder of predicted files, or a model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError
from panodepth.lab.data.distances import DISTANCE_SUFFIXES
from panodepth.lab.evaluation.run.datasets import Dataset
from panodepth.lab.evaluation.run.predictors import (
    FromFolder,
    FromImages,
    ImagePredictor,
    Predictor,
    load_file,
    python_file,
    shared_names,
)
from panodepth.predict.folder.walk import files_below
from panodepth.predict.models import stamp
from panodepth.strict import parse_json

_LONGEST_PATH = 1024
LoadModel = Callable[[], ImagePredictor]


@dataclass(frozen=True)
class NamedPredictor:
    """What a text means.

    make: makes the predictor, in any process. name: the text. identity: what else its numbers
    depend on: its options, and digests of the files that are named. kind: "file", "folder" or
    "model".
    """

    make: Callable[[], Predictor]
    name: str
    identity: str
    kind: str


def choose_predictor(
    text: str, load_model: LoadModel, datasets: Sequence[Dataset], options: Mapping[str, Any]
) -> NamedPredictor:
    """FILE.py[:CLASS], a folder of predicted files, or else what `load_model` makes.

    options: keyword arguments of the class, of `FromFolder` (scale, unit, missing), or of a model's
    `predict` (camera_height). Raises ConfigError when a file or folder cannot be a predictor.
    """
    identity = " ".join([json.dumps(dict(options), sort_keys=True), *_option_stamps(options)])
    make: Callable[[], Predictor] = partial(load_file, text, dict(options))
    if (file := python_file(text)) is not None:
        return NamedPredictor(make, text, f"{stamp(file[0])} {identity}", "file")
    path = Path(text).expanduser()
    if path.is_dir() and _has_distances(path):
        unknown = set(options) - {"scale", "unit", "missing"}
        if unknown:
            raise ConfigError(
                f"--option {min(unknown)}: a folder of predictions has scale, unit and missing"
            )
        names = (d.sample_name(i) for d in datasets for i in range(len(d.source)))
        make = partial(FromFolder, path, shared_names(names), **options)
        make()  # fails now, not in a worker
        return NamedPredictor(make, text, f"{_files_stamp(path)} {identity}", "folder")
    make = partial(_from_model, load_model, dict(options))
    return NamedPredictor(make, text, f"{stamp(path)} {identity}", "model")


def parse_options(texts: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts; a value that is JSON (a number, true, null) is read as such."""
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.isidentifier()):
            raise ConfigError(f"--option {text!r} is not KEY=VALUE")
        try:
            options[key] = parse_json(value)
        except ValueError:
            options[key] = value
    return options


def _from_model(load_model: LoadModel, options: Mapping[str, Any]) -> Predictor:
    # The network is measured as it is, on the pictures as the protocol gives them: none is turned
    # upright, no black border of one filled in. `--option level=auto` measures what users get.
    return FromImages(load_model(), {"level": "none", "projection": "erp", **options})


def _has_distances(folder: Path) -> bool:
    """Whether some file in the folder or below may be a distance, and it holds no weights."""
    if any(folder.glob("*.safetensors")):
        return False
    return any(file.suffix.lower() in DISTANCE_SUFFIXES for file in files_below(folder))


def _files_stamp(folder: Path) -> str:
    """A digest of the distance files in the folder and below: of names and contents."""
    digest = hashlib.sha256()
    for file in sorted(files_below(folder)):
        if file.suffix.lower() in DISTANCE_SUFFIXES:
            digest.update(os.fsencode(file.relative_to(folder)) + stamp(file).encode())
    return digest.hexdigest()[:16]


def _option_stamps(options: Mapping[str, Any]) -> list[str]:
    """Digests of the files that options name, such as weights=model.safetensors."""
    texts = [v for v in options.values() if isinstance(v, str) and 0 < len(v) < _LONGEST_PATH]
    return [stamp(Path(text)) for text in texts if Path(text).is_file()]
