"""What is evaluated: a Python object that predicts, a file with its class, or predicted files.

A predictor for the evaluation is a callable `Panorama -> Predicted`; `load_file` and `FromImages`
make one of anything with `predict(image)`.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from panodepth.errors import ConfigError, InputError, PanodepthError, one_line
from panodepth.images.distances import plane
from panodepth.lab.data.distances import DISTANCE_SUFFIXES, DistanceFile
from panodepth.predict.folder.walk import files_below
from panodepth.strict import positive
from panodepth.types import BoolArray, FloatArray, Panorama

ARRAY_SUFFIXES = (".npz", ".npy")
ENDINGS = ("_distance", "_pred", "_depth", "")
# NAME + ending + suffix, the first that is there: arrays before all else, and of that the bare name
# last, as it may be the panorama, or a coloured map for people.
FORMS = sorted(product(ENDINGS, DISTANCE_SUFFIXES), key=lambda form: form[1] not in ARRAY_SUFFIXES)


class Predicted(NamedTuple):
    """A prediction of any size.

    distance: (h, w) float32, along the ray; not finite or <= 0 = not predicted. unit: "m",
    "relative", or None where the predictor does not say. sky: (h, w) bool, True = sky; None where
    the predictor does not tell sky.
    """

    distance: FloatArray
    unit: str | None = None
    sky: BoolArray | None = None


Predictor = Callable[[Panorama], Predicted]
"""What the evaluation calls; the panorama holds image and meta, never the truth."""


class ImagePredictor(Protocol):
    """What others write: `predict` takes (H, W, 3) float32 sRGB in [0, 1].

    It returns a `panodepth.Prediction`, or an (h, w) array of distances along the ray.
    """

    def predict(self, image: FloatArray) -> Any: ...


@dataclass(frozen=True)
class FromImages:
    """An `ImagePredictor` as a `Predictor`. options: keyword arguments of every `predict`."""

    predictor: ImagePredictor
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, panorama: Panorama) -> Predicted:
        # a copy: some normalise in place what is measured against, and predicted again
        answer = self.predictor.predict(panorama.image.copy(), **self.options)
        raw = getattr(answer, "raw", None)  # measured where the truth is a surface, said sky or not
        distance = plane(_array(getattr(answer, "distance", answer) if raw is None else raw))
        if distance.ndim != 2 or distance.dtype.kind not in "fui":
            raise _no_map(f"{distance.dtype} {distance.shape}")
        if isinstance(distance, np.ma.MaskedArray):
            distance = np.ma.filled(distance.astype(np.float32), np.nan)  # masked = not predicted
        meta = getattr(answer, "meta", {})
        meta = meta if isinstance(meta, Mapping) else {}
        # What is masked is no surface, but sky only where that is said: it may be a black border.
        sky = None if meta.get("sky", "none") == "none" else getattr(answer, "sky", None)
        found = None if sky is None else plane(_array(sky)).astype(np.bool_, copy=False)
        with np.errstate(over="ignore"):  # too large for float32 = not predicted
            return Predicted(distance.astype(np.float32, copy=False), meta.get("unit"), found)


def _no_map(returned: str) -> InputError:
    return InputError(
        f"the predictor returned {returned}; expected (H, W) distances or a panodepth.Prediction"
    )


def _array(value: Any) -> np.ndarray[Any, Any]:
    """What a predictor returned as an array; torch tensors of any device, dtype or gradient too."""
    if value is None or isinstance(value, tuple | Mapping):
        raise _no_map("None" if value is None else f"a {type(value).__name__}")
    if callable(getattr(value, "detach", None)):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value  # NumPy has no bfloat16
    return np.asanyarray(value)


def python_file(text: str) -> tuple[Path, str] | None:
    """The file and the class (default "Predictor") of FILE.py[:CLASS]; None when it is no such."""
    found = re.fullmatch(r"(.*?\.py)(?::(.*))?", text, re.DOTALL)
    return None if found is None else (Path(found[1]).expanduser(), found[2] or "Predictor")


def load_file(text: str, options: Mapping[str, Any] | None = None) -> Predictor:
    """FILE.py[:CLASS] as a predictor; the class is called with `options` as keyword arguments.

    The file is run, and may import what lies beside it, as a script may: name only files you
    trust. Raises ConfigError, one line, when it cannot be imported, has no such class (default
    "Predictor"), or the class cannot be made.
    """
    path, class_name = python_file(text) or (Path(text), "")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    module_name = f"panodepth_predictor_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.resolve().parent) not in sys.path:
        sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
        made = getattr(module, class_name)(**(options or {}))
    except PanodepthError:
        raise
    except SystemExit as error:  # of a script that is no module
        raise ConfigError(f"{path}: it ends when it is imported (sys.exit)") from error
    except AttributeError as error:
        if hasattr(module, class_name):
            raise ConfigError(f"{path}: {class_name} failed ({error})") from error
        raise ConfigError(f"{path}: no class {class_name!r} in it") from None
    except Exception as error:  # another person's file may raise anything
        raise ConfigError(f"{path}: {class_name} cannot be made ({one_line(error)})") from error
    if not callable(getattr(made, "predict", None)):
        raise ConfigError(f"{path}: {class_name} has no method predict(image)")
    return FromImages(made)


@dataclass(frozen=True)
class FromFolder:
    """Predicted files: NAME.{npz,npy,exr,tiff,png,pfm}, with or without _distance, _pred, _depth.

    NAME is the sample's name with its folders, with or without the dataset's in front, or its last
    part alone where no two samples share it.

    shared: last parts that several samples have. scale, unit ("m" or "relative"): of files that do
        not say theirs; without a unit a prediction cannot be taken for metres. Whole numbers
        without a scale have steps of 1, but where they are said to be metres, which then says too
        little. missing: as in `DistanceFile`.
    Raises ConfigError for other values, or when there is no such folder or no distance file in it.
    """

    root: Path
    shared: frozenset[str] = frozenset()
    scale: float | None = None
    unit: str | None = None
    missing: int | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            positive(self.scale, "--option scale: expected a number above 0, metres per step")
        if self.missing is not None and (type(self.missing) is not int or self.missing < 0):
            told = f"not {self.missing!r}"
            raise ConfigError(f"--option missing: expected a whole number from 0 on, {told}")
        if self.unit not in (None, "m", "relative"):
            raise ConfigError(f"--option unit: expected m or relative, not {self.unit!r}")
        if not self.root.is_dir():
            raise ConfigError(f"{self.root}: no such folder of predictions")
        if not any(f.suffix.lower() in DISTANCE_SUFFIXES for f in files_below(self.root)):
            raise ConfigError(
                f"{self.root}: no distance file in it ({', '.join(DISTANCE_SUFFIXES)})"
            )

    def __call__(self, panorama: Panorama) -> Predicted:
        name = str(panorama.meta["name"])
        scale = 1.0 if self.scale is None and self.unit != "m" else self.scale
        read = DistanceFile(scale=scale, missing=self.missing)
        stored = read(self._find(name, panorama.meta.get("dataset")))
        return Predicted(stored.distance, stored.unit or self.unit or "relative")

    def _find(self, name: str, dataset: str | None) -> Path:
        last = Path(name).name
        stems = [name] if dataset is None else [f"{dataset}/{name}", name]
        if last not in self.shared:
            stems += [last] if dataset is None else [f"{dataset}/{last}", last]
        for stem in dict.fromkeys(stems):
            for ending, suffix in FORMS:
                for spelt in (suffix, suffix.upper()):
                    path = self.root / f"{stem}{ending}{spelt}"
                    if path.is_file():
                        return path
        raise InputError(f"no prediction in {self.root}: no {name}_distance.npz or the like")


def shared_names(names: Iterable[str]) -> frozenset[str]:
    """The last parts of path-like names that occur more than once."""
    counts = Counter(Path(name).name for name in names)
    return frozenset(name for name, count in counts.items() if count > 1)
