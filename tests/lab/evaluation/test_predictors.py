"""Predictors from Python files and from folders of predicted files."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.lab.evaluation.conftest import panorama

from panodepth.errors import ConfigError, InputError
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.request import parse_part
from panodepth.lab.evaluation.run.choice import choose_predictor, parse_options
from panodepth.lab.evaluation.run.datasets import open_datasets
from panodepth.lab.evaluation.run.predictors import FromFolder, FromImages, load_file, shared_names
from panodepth.predict.loading import load
from panodepth.types import Panorama, Prediction

GOOD = """
import numpy as np

class Predictor:
    def __init__(self, factor=1.0):
        self.factor = factor

    def predict(self, image):
        assert image.dtype == np.float32 and image.max() <= 1
        return np.full(image.shape[:2], self.factor)

class Broken:
    def __init__(self):
        raise RuntimeError("no luck\\nat all")

class Silent:
    pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def test_a_file_with_a_class_and_options(file):
    found = load_file(f"{file}:Predictor", {"factor": 3})(panorama())
    assert found.distance.shape == (32, 64)
    assert found.distance.dtype == np.float32
    assert found.unit is None
    assert (found.distance == 3).all()
    assert (load_file(str(file))(panorama()).distance == 1).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (":Other", "no class 'Other'"),
        (":Broken", "cannot be made .no luck at all"),
        (":Silent", "no method predict"),
    ],
)
def test_what_a_file_can_lack(file, name, said):
    with pytest.raises(ConfigError, match=said):
        load_file(f"{file}{name}")


def test_a_file_that_is_not_there_or_not_python(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_file(str(tmp_path / "none.py"))
    (tmp_path / "bad.py").write_text("def (:")
    with pytest.raises(ConfigError, match=r"bad\.py: Predictor cannot be made"):
        load_file(str(tmp_path / "bad.py"))
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    with pytest.raises(ConfigError, match="unexpected keyword"):
        load_file(str(path), {"nothing": 1})


class Answers:
    def __init__(self, answer):
        self.answer = answer

    def predict(self, image, **options):
        self.options = options
        return self.answer


def test_predictions_and_arrays_are_both_taken():
    made = panorama()
    ones = np.ones((32, 64), np.float32)
    whole = Prediction(ones * 2, ones > 0, ones.astype(np.uint8), {"unit": "m"})
    predictor = FromImages(Answers(whole), {"camera_height": 1.6})
    assert predictor(made).unit == "m"
    assert predictor.predictor.options == {"camera_height": 1.6}
    assert (predictor(made).distance == 2).all()
    with pytest.raises(InputError, match=r"returned float64 \(32, 64, 3\)"):
        FromImages(Answers(np.ones((32, 64, 3))))(made)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(None, "None"), ({"distance": 1}, "a dict"), ((np.ones((2, 4)), 3), "a tuple")],
)
def test_answers_that_are_no_arrays_are_named(answer, said):
    with pytest.raises(InputError, match=f"the predictor returned {said}; expected"):
        FromImages(Answers(answer))(panorama())


def test_a_predictor_may_change_the_picture_that_it_is_given():
    class Normalises:
        def predict(self, image):
            image -= image.mean()
            return np.full(image.shape[:2], 1e300)

    made = panorama()
    before = made.image.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.isfinite(FromImages(Normalises())(made).distance).any()
    np.testing.assert_array_equal(made.image, before)


def test_a_script_that_ends_itself_is_no_predictor(tmp_path):
    path = tmp_path / "script.py"
    path.write_text("import sys\nsys.exit(0)\n")
    with pytest.raises(ConfigError, match=r"script\.py: it ends when it is imported"):
        load_file(str(path))


def named(name: str, dataset: str | None = None) -> Panorama:
    meta = {"name": name} | ({"dataset": dataset} if dataset else {})
    return Panorama(np.ones((2, 4, 3), np.float32), meta=meta)


def put(path: Path, value: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, distance=np.full((2, 4), value, np.float32))


def test_files_are_found_by_whole_name_then_by_last_part(tmp_path):
    put(tmp_path / "a/room_distance.npz", 1)
    put(tmp_path / "set/b/room.npz", 2)
    put(tmp_path / "hall_pred.npz", 3)
    folder = FromFolder(tmp_path)
    assert folder(named("a/room")).distance[0, 0] == 1
    assert folder(named("b/room", "set")).distance[0, 0] == 2
    assert folder(named("deep/below/hall")).distance[0, 0] == 3
    assert folder(named("a/room")).unit == "relative"
    with pytest.raises(InputError, match="no prediction in"):
        folder(named("c/room"))


def test_a_last_part_that_two_samples_share_is_not_enough(tmp_path):
    put(tmp_path / "16_color.npz", 1)
    shared = shared_names(["x/16_color", "y/16_color", "y/8_color"])
    assert shared == {"16_color"}
    with pytest.raises(InputError, match="no prediction"):
        FromFolder(tmp_path, shared)(named("x/16_color"))
    assert FromFolder(tmp_path)(named("x/16_color")).distance[0, 0] == 1


def test_the_three_formats_give_the_same(tmp_path):
    from panodepth.export import save

    distance = np.linspace(1, 8, 8 * 16, dtype=np.float32).reshape(8, 16)
    mask = np.ones(distance.shape, bool)
    mask[0, :3] = False
    image = np.zeros((8, 16, 3), np.uint8)
    made = Prediction(distance, mask, image, {"unit": "m", "name": "p", "scale": 1.0, "frame": ""})
    for ending in ("npz", "exr", "png"):
        save(made, tmp_path / ending / f"p_distance.{ending}")
        found = FromFolder(tmp_path / ending)(named("p"))
        assert found.unit == "m"
        assert np.allclose(found.distance[mask], distance[mask], rtol=1e-4)
        assert not (found.distance[~mask] > 0).any()


def test_pictures_beside_predicted_files_are_not_taken_for_them(tmp_path):
    """People keep NAME.png, the panorama or a coloured map, beside NAME_depth.png or NAME.npy."""
    colours = Image.new("RGB", (16, 8))
    codes = Image.fromarray(np.full((8, 16), 7, np.uint16))
    for name in ("a", "b"):
        colours.save(tmp_path / f"{name}.png")
    np.save(tmp_path / "a_pred.npy", np.full((2, 4), 5, np.float32))
    codes.save(tmp_path / "b_depth.png")
    np.save(tmp_path / "c.npy", np.full((2, 4), 6, np.float32))
    colours.save(tmp_path / "c_depth.png")
    codes.save(tmp_path / "D_depth.PNG")
    found = [FromFolder(tmp_path)(named(name)).distance[0, 0] for name in ("a", "b", "c", "D")]
    assert found == [5, 7, 6, 7]


def test_whole_numbers_are_metres_only_by_a_stated_scale(tmp_path):
    Image.fromarray(np.full((8, 16), 2000, np.uint16)).save(tmp_path / "p.png")
    assert FromFolder(tmp_path, scale=0.001, unit="m")(named("p")).distance[0, 0] == 2
    assert FromFolder(tmp_path)(named("p")).unit == "relative"
    with pytest.raises(InputError, match=r"scale .* is unknown.*--option scale=0\.001"):
        FromFolder(tmp_path, unit="m")(named("p"))


def test_arrays_as_networks_return_them(tmp_path):
    """(1, H, W), (1, 1, H, W) and (H, W, 1) are (H, W), their masks too; a batch of two is not."""
    plain = np.arange(1, 9, dtype=np.float32).reshape(2, 4)
    for place, shape in enumerate([(1, 2, 4), (1, 1, 2, 4), (2, 4, 1)]):
        values, mask = plain.reshape(shape), (plain > 1).reshape(shape)
        np.save(tmp_path / f"{place}_pred.npy", values)
        np.savez(tmp_path / f"{place}z.npz", distance=values, mask=mask)
        np.save(tmp_path / f"{place}i.npy", values.astype(np.int32))
        for name in (str(place), f"{place}i"):
            np.testing.assert_array_equal(FromFolder(tmp_path)(named(name)).distance, plain)
        found = FromFolder(tmp_path)(named(f"{place}z")).distance
        np.testing.assert_array_equal(found, np.where(plain > 1, plain, 0))
        answer = FromImages(Answers(values))(named("p"))
        np.testing.assert_array_equal(answer.distance, plain)
    np.save(tmp_path / "two.npy", np.ones((2, 2, 4), np.float32))
    with pytest.raises(InputError, match=r"is float32 \(2, 2, 4\), expected \(H, W\)"):
        FromFolder(tmp_path)(named("two"))


def test_what_the_largest_whole_number_means_can_be_said(tmp_path):
    codes = np.tile(np.array([0, 1000, 65535, 30000], np.uint16), (8, 4))
    Image.fromarray(codes).save(tmp_path / "p.png")
    np.save(tmp_path / "a.npy", codes)
    for name in ("p", "a"):
        sky, kept, left, other = (
            FromFolder(tmp_path, scale=0.001, unit="m", missing=missing)(named(name)).distance[
                0, :4
            ]
            for missing in (None, 0, 65535, 30000)
        )
        np.testing.assert_allclose(sky, [0, 1, np.inf, 30])
        np.testing.assert_allclose(kept, [0, 1, 65.535, 30])
        np.testing.assert_allclose(left, [0, 1, 0, 30])
        np.testing.assert_allclose(other, [0, 1, 65.535, 0])
        steps = FromFolder(tmp_path, missing=0)(named(name)).distance[0, :4]
        np.testing.assert_array_equal(steps, [0, 1000, 65535, 30000])


@pytest.mark.parametrize(
    "options",
    [
        *({"unit": "cm"}, {"unit": 5}, {"scale": 0}, {"scale": "big"}, {"scale": True}),
        *({"missing": -1}, {"missing": 0.5}, {"missing": "none"}, {"missing": True}),
    ],
)
def test_options_of_a_folder_are_checked_before_anything_is_measured(tmp_path, options):
    put(tmp_path / "p.npz", 1)
    with pytest.raises(ConfigError, match=f"--option {next(iter(options))}: expected"):
        choose_predictor(str(tmp_path), list, [], options)


def test_folders_that_cannot_be_predictions(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        FromFolder(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match="no distance file"):
        FromFolder(tmp_path)


def test_which_kind_a_text_means(tmp_path, tree, file):
    datasets = open_datasets([str(tree)], PROTOCOLS["uncapped"])

    def model():
        raise AssertionError("not loaded before it is needed")

    assert choose_predictor(f"{file}:Predictor", model, datasets, {}).kind == "file"
    assert choose_predictor(str(tree), model, datasets, {}).kind == "folder"
    assert choose_predictor("default", model, datasets, {}).kind == "model"
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.safetensors").write_bytes(b"")
    assert choose_predictor(str(weights), model, datasets, {}).kind == "model"
    with pytest.raises(ConfigError, match="has scale, unit and missing"):
        choose_predictor(str(tree), model, datasets, {"factor": 1})


def test_a_folder_whose_name_looks_like_a_python_file_is_no_end_of_the_path(tmp_path):
    file = tmp_path / ".pyenv" / "mine.py"
    file.parent.mkdir()
    file.write_text(
        "class Mine:\n    def predict(self, image):\n        return image[..., 0] + 1\n"
    )
    named = choose_predictor(f"{file}:Mine", list, [], {})
    assert named.kind == "file"
    assert named.make()(Panorama(np.zeros((2, 4, 3), np.float32))).distance.max() == 1


def test_another_file_of_the_same_name_is_another_predictor(file, tree):
    datasets = open_datasets([str(tree)], PROTOCOLS["uncapped"])
    before = choose_predictor(str(file), list, datasets, {}).identity
    file.write_text(GOOD + "\n# changed")
    assert choose_predictor(str(file), list, datasets, {}).identity != before


def test_options_and_parts():
    assert parse_options(["a=1.5", "b=text", "c=true"]) == {"a": 1.5, "b": "text", "c": True}
    assert parse_options(["a=" + "[" * 100_000]) == {"a": "[" * 100_000}
    assert parse_part("2/8") == (2, 8)
    for text in ("0/3", "4/3", "x", "1/"):
        with pytest.raises(ConfigError, match="--part"):
            parse_part(text)
    with pytest.raises(ConfigError, match="not KEY=VALUE"):
        parse_options(["nothing"])


def test_what_a_predictor_hangs_on_is_in_its_identity(tmp_path):
    from panodepth.lab.evaluation.run.choice import choose_predictor
    from panodepth.predict.models import stamp

    weights, same = tmp_path / "w.safetensors", tmp_path / "again.safetensors"
    weights.write_bytes(b"a" * 3_000_000)
    same.write_bytes(weights.read_bytes())
    file = tmp_path / "p.py"
    file.write_text("class Predictor: pass")

    def identity() -> str:
        return choose_predictor(str(file), list, [], {"weights": str(weights)}).identity

    before = identity()
    assert stamp(weights) == stamp(same) == before.split()[-1]
    assert identity() == before
    weights.write_bytes(b"a" * 2_999_999 + b"b")
    after = identity()
    assert after != before
    file.write_text("class Predictor: x = 1")
    assert identity() not in (before, after)
    assert stamp(tmp_path / "none") == stamp(tmp_path / "no_folder") == ""
    assert stamp(tmp_path) not in ("", stamp(weights))


def test_a_model_is_measured_as_it_is_unless_told(tmp_path):
    """Pictures are not turned upright: the benchmark's are as they are, and so is the network."""
    asked = []

    class Model:
        def predict(self, image, **options):
            asked.append(options)
            return np.ones(image.shape[:2], np.float32)

    for options in ({}, {"level": "auto"}):
        choose_predictor("default", Model, [], options).make()(panorama())
    assert [found["level"] for found in asked] == ["none", "auto"]


def test_black_borders_are_shown_to_a_model_as_the_protocol_has_them(model_file: Path) -> None:
    """`predict` masks them and continues the scene there, which no published number does."""
    image = np.random.default_rng(0).uniform(0.3, 0.9, (64, 128, 3)).astype(np.float32)
    image[:8] = image[-8:] = 0  # as scans have them that see neither zenith nor nadir
    model = load(model_file, device="cpu")
    made = lambda **options: choose_predictor("m", lambda: model, [], options).make()  # noqa: E731
    as_it_is = model.predict(image, level="none", projection="erp").raw
    filled = model.predict(image, level="none")
    assert "black rows" in filled.meta["notes"][0]
    assert not np.array_equal(filled.raw, as_it_is)
    np.testing.assert_array_equal(made()(Panorama(image)).distance, as_it_is)
    np.testing.assert_array_equal(made(projection="auto")(Panorama(image)).distance, filled.raw)


def test_what_a_masked_array_masks_is_not_predicted() -> None:
    class Masked:
        def predict(self, image: np.ndarray) -> np.ndarray:
            return np.ma.masked_less(np.array([[1.0, 2.0], [3.0, 4.0]]), 2.5)

    found = FromImages(Masked())(Panorama(np.zeros((2, 2, 3), np.float32)))
    np.testing.assert_array_equal(found.distance, [[np.nan, np.nan], [3.0, 4.0]])
    assert type(found.distance) is np.ndarray


def test_tensors_are_taken_of_any_precision_and_with_a_gradient() -> None:
    whole = torch.full((32, 64), 2.0, requires_grad=True)
    sky = torch.zeros(32, 64, dtype=torch.bool)
    own = SimpleNamespace(distance=whole, sky=sky, meta={"sky": "model"})
    for answer in (whole, whole.bfloat16(), own):
        found = FromImages(Answers(answer))(panorama())
        assert found.distance.dtype == np.float32
        np.testing.assert_array_equal(found.distance, np.full((32, 64), 2))
    with pytest.raises(InputError, match="bool"):
        FromImages(Answers(sky))(panorama())
