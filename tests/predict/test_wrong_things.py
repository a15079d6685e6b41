"""Whatever a program hands over by mistake: the same result where it means the same, or one line.

Each of these came out of the inside as a TypeError, IndexError, AttributeError or ValueError, was
taken for something else, or was read as the number of an open file.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import panodepth
from panodepth.errors import ConfigError, InputError, ModelError, OutputError, PanodepthError
from panodepth.export.options import writer_options
from panodepth.predict.folder.options import RunOptions
from panodepth.predict.options import PredictOptions
from panodepth.predict.predictor import Predictor
from panodepth.scene.align import align
from panodepth.size import as_size
from panodepth.types import Prediction

IMAGE = np.random.default_rng(0).integers(0, 255, (32, 64, 3), np.uint8)
THINGS: list[Any] = [
    *(math.nan, math.inf, -math.inf, True, 1j, 10**400, b"x", "a\0b", [], {}, (), object(), len),
    *((None, None), ("a", "b"), [None], np.ones(7), np.ones((2, 2))),
]
WORDS = {"points", "points_pose", "anchor_depth"}  # of which any text is a path


@pytest.fixture(scope="module")
def predictor(model_file: Path) -> Predictor:
    return panodepth.load(model_file, dtype="float32", device="cpu")


@pytest.fixture(scope="module")
def prediction(predictor: Predictor) -> Prediction:
    return predictor.predict(IMAGE)


def test_no_option_takes_what_it_is_not() -> None:
    for field in fields(PredictOptions):
        for thing in THINGS:
            as_is = field.name in ("lens", "watch") or type(thing) is type(field.default)
            if as_is or (field.name in WORDS and isinstance(thing, str | bytes)):
                continue
            if field.name == "size" and isinstance(thing, list | tuple) and not thing:
                continue  # the network says what it takes
            with pytest.raises(ConfigError) as told:
                PredictOptions(**{field.name: thing})
            assert "\n" not in str(told.value), field.name
            assert len(str(told.value)) < 300, field.name


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"camera_height": np.float32(1.5)}, {"camera_height": 1.5}),
        ({"camera_height": np.array(1.5)}, {"camera_height": 1.5}),
        ({"camera_height": torch.tensor(1.5)}, {"camera_height": 1.5}),
        ({"pitch": np.int64(3)}, {"pitch": 3}),
        ({"size": np.array([56, 112])}, {"size": (56, 112)}),
        ({"size": [np.int32(56), 112]}, {"size": (56, 112)}),
        ({"size": "56x112"}, {"size": (56, 112)}),
        ({"known_distance": [8, 9, 1.5]}, {"known_distance": (8, 9, 1.5)}),
        ({"known_distance": np.array([8, 9, 1.5])}, {"known_distance": (8, 9, 1.5)}),
        ({"confidence": np.bool_(True)}, {"confidence": True}),
        ({"points": "a.csv"}, {"points": Path("a.csv")}),
        ({"nadir": 20}, {"nadir": "20"}),
        ({"nadir": np.float32(20)}, {"nadir": "20.0"}),
    ],
)
def test_the_same_said_otherwise_is_the_same(given: Any, plain: Any) -> None:
    assert PredictOptions(**given) == PredictOptions(**plain)


def test_options_of_runs_are_held_to_their_types_too() -> None:
    options = RunOptions(out="a", formats="glb", faces=2000)  # type: ignore[arg-type]
    assert (options.out, options.formats, options.faces) == (Path("a"), ("glb",), "2000")
    assert RunOptions(batch_size="auto").batch_size is None  # type: ignore[arg-type]
    for wrong in ({"workers": "a"}, {"formats": 3}, {"out": 1}, {"mask": 2}, {"views": 1.5}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            RunOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"lens": np.eye(3)}, "lens must be"),
        ({"fov": ()}, "fov has 1 or 2 values, not 0"),
        ({"fov": True}, "fov must be a list, each a number, not True"),
        ({"projection": "dual-fisheye", "turn": (1.0, 2.0)}, "turn has 3 values, not 2"),
        ({"out_projection": "fisheye", "out_size": (8, 8, 8)}, "out_size has 2 values, not 3"),
        ({"size": (1.5, 2.5)}, "size must be a list, each a whole number"),
    ],
)
def test_what_has_another_number_of_values(
    predictor: Predictor, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        predictor.predict(IMAGE, **wrong)


@pytest.mark.parametrize("fov", [200, 200.0, np.float32(200), np.array(200)])
def test_one_number_will_do_where_a_list_may_have_one(fov: Any) -> None:
    options = PredictOptions(projection="fisheye", fov=fov, focal=80, out_view=30)  # type: ignore[arg-type]
    assert (options.fov, options.focal, options.out_view) == ((200.0,), (80.0,), (30.0,))


@pytest.mark.parametrize("options", [None, {"quality": "fast"}, "fast", PredictOptions, 3])
def test_options_that_are_none(predictor: Predictor, options: Any) -> None:
    with pytest.raises(ConfigError, match="options are given as PredictOptions or by name"):
        predictor.predict(IMAGE, None, options)


@pytest.mark.parametrize("masks", [3, math.nan, np.float32(1), np.array(1.0), object()])
def test_masks_that_are_no_list(predictor: Predictor, masks: Any) -> None:
    with pytest.raises(InputError, match="no masks do not match 1 images"):
        predictor.predict_batch([IMAGE], masks)


def test_masks_of_torch_and_with_one_channel(predictor: Predictor) -> None:
    mask = np.ones((32, 64), np.bool_)
    mask[20:] = False
    plain = predictor.predict(IMAGE, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (torch.from_numpy(mask), torch.from_numpy(mask)[None], mask[..., None]):
            np.testing.assert_array_equal(predictor.predict(IMAGE, same).mask, plain.mask)


@pytest.mark.parametrize("wrong", [None, 3, [None, None], ["a.jpg", "b.jpg"], [IMAGE, IMAGE], []])
def test_what_is_no_list_of_predictions_is_not_aligned(wrong: Any, prediction: Prediction) -> None:
    for thing in (wrong, prediction, [prediction]):
        with pytest.raises(InputError, match=r"^align takes") as told:
            align(thing)
        assert "\n" not in str(told.value)


def test_no_path_at_all_is_told(predictor: Predictor) -> None:
    with pytest.raises(InputError, match="an empty path: no such file"):
        predictor.predict("")
    with pytest.raises(InputError, match="an empty path: no such file"):
        predictor.predict(IMAGE, "")


@pytest.mark.parametrize("thing", [*THINGS, "", "1", -1, 0, 1e308, 1e-308])
def test_metres_by_what_is_no_number(prediction: Prediction, thing: Any) -> None:
    for name in ("scale", "camera_height"):
        with pytest.raises(PanodepthError):
            prediction.to_metres(**{name: thing})


def test_metres_by_numbers_of_numpy(prediction: Prediction) -> None:
    plain = prediction.to_metres(scale=2.5)
    for number in (np.float32(2.5), np.array(2.5), torch.tensor(2.5)):
        found = prediction.to_metres(scale=number)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.distance, plain.distance)
        assert found.meta == plain.meta
        assert type(found.scale) is float


@pytest.mark.parametrize("path", [None, 3, True, b"x", [], "a\0b", "", np.ones(2), object()])
def test_saving_to_what_is_no_path(
    prediction: Prediction, path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="path of a file or folder"):
        prediction.save(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("formats", [3, math.nan, True, b"x", object(), [None], ["npz", 3]])
def test_formats_that_are_no_names(prediction: Prediction, formats: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="unknown format"):
        prediction.save(tmp_path / "out/", formats)
    assert not list(tmp_path.iterdir())


def test_writers_take_numbers_of_numpy() -> None:
    given = {"max_columns": np.int64(9), "edge_threshold": np.float32(0.5)}
    assert writer_options(["glb"], given) == writer_options(
        ["glb"], {"max_columns": 9, "edge_threshold": 0.5}
    )


@pytest.mark.parametrize("name", [3, 0, True, False, b"default", [], {}, "", "a\0b", math.nan])
def test_models_without_a_name(
    name: Any, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_file.parent)  # "" was the folder that one is in
    with pytest.raises(ModelError, match="given by its name or path"):
        panodepth.load(name)


@pytest.mark.parametrize("option", ["device", "dtype", "size", "compile", "backend"])
def test_loading_with_wrong_things(option: str, model_file: Path) -> None:
    for thing in THINGS:
        if not (option == "compile" and isinstance(thing, bool)):
            with pytest.raises(ConfigError) as told:
                panodepth.load(model_file, **{option: thing})
            assert "\n" not in str(told.value)


def test_loading_with_torch_s_own_names(model_file: Path) -> None:
    predictor = panodepth.load(model_file, device=torch.device("cpu"), dtype=torch.float32)
    assert predictor.describe()["dtype"] == "float32"


def test_sizes_of_any_whole_numbers() -> None:
    assert as_size(np.array([56, 112])) == as_size([56, 112]) == as_size("56x112") == (56, 112)
    assert all(type(side) is int for side in as_size(np.array([56, 112])))
    for wrong in (None, 3, (1,), (1, 2, 3), (1.5, 2), ("a", "b"), np.ones(2)):
        with pytest.raises(ConfigError, match="not \\(height, width\\) in whole pixels"):
            as_size(wrong)
