"""The nodes of integrations/comfyui, with stand-ins for what only ComfyUI has."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import panodepth
from panodepth.errors import InputError
from panodepth.types import Prediction

PACKAGE = Path(__file__).parents[2] / "integrations/comfyui/comfyui_panodepth"
CORE = {  # nodes of ComfyUI itself that the workflow uses: what goes in, what comes out
    "LoadImage": ({}, ["IMAGE", "MASK"]),
    "PreviewImage": ({"images": "IMAGE"}, []),
    "Preview3D": ({"model_file": "STRING"}, []),
}


class StoppedError(Exception):
    pass


class Comfy:
    """What stands in for ComfyUI: where files go, how far it is, and whether it was stopped."""

    def __init__(self, home: Path) -> None:
        self.home, self.steps, self.stop_after = home, list[int](), 1000
        self.total = 0
        self.device, self.freed = torch.device("cpu"), list[torch.device]()

    def modules(self) -> dict[str, Any]:
        folders = SimpleNamespace(
            get_output_directory=lambda: str(self.home), get_save_image_path=self.place
        )
        management = SimpleNamespace(
            throw_exception_if_processing_interrupted=self.check,
            get_torch_device=lambda: self.device,
            free_memory=lambda room, device: self.freed.append(device),
        )
        utils = SimpleNamespace(ProgressBar=self.bar)
        comfy = SimpleNamespace(model_management=management, utils=utils)
        return {"folder_paths": folders, "comfy": comfy, "comfy.utils": utils}

    def place(self, prefix: str, home: str) -> tuple[str, str, int, str, str]:
        folder = Path(home, prefix).parent
        folder.mkdir(parents=True, exist_ok=True)
        name = Path(prefix).name
        used = [re.match(rf"{name}_(\d+)_", f.name) for f in folder.iterdir()]
        counter = 1 + max((int(u[1]) for u in used if u), default=0)
        return str(folder), name, counter, str(Path(prefix).parent), prefix

    def bar(self, total: int) -> SimpleNamespace:
        self.total = total
        return SimpleNamespace(update_absolute=self.steps.append)

    def check(self) -> None:
        if len(self.steps) >= self.stop_after:
            raise StoppedError


@pytest.fixture
def comfy(tmp_path: Path) -> Comfy:
    return Comfy(tmp_path / "output")


@pytest.fixture
def nodes(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name, module in comfy.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location(
        "comfyui_panodepth", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, package)
    spec.loader.exec_module(package)
    found = sys.modules["comfyui_panodepth.nodes"]
    assert package.NODE_CLASS_MAPPINGS is found.NODE_CLASS_MAPPINGS
    yield found
    del sys.modules["comfyui_panodepth.nodes"]


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """(1, 128, 256, 3), as LoadImage gives it."""
    with Image.open(PACKAGE.parents[2] / "examples/courtyard.jpg") as image:
        pixels = np.asarray(image.convert("RGB").resize((256, 128)), np.float32) / 255
    return torch.from_numpy(pixels)[None]


def predict(nodes: ModuleType, image: torch.Tensor, **given: Any) -> tuple[Any, ...]:
    """As ComfyUI runs it: no gradients, and a model from the node before."""
    with torch.inference_mode():
        (model,) = nodes.LoadModel().load(" default ", "cpu")
        told = {"quality": "fast", "metres": "none", "camera_height": 1.6, "level": "none"} | given
        return tuple(nodes.Predict().predict(model, image, **told))


def test_nodes_are_what_comfyui_asks_of_them(nodes: ModuleType) -> None:
    assert set(nodes.NODE_CLASS_MAPPINGS) == set(nodes.NODE_DISPLAY_NAME_MAPPINGS)
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        assert callable(getattr(node, node.FUNCTION))
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        told = node.INPUT_TYPES()
        assert set(told) <= {"required", "optional"}
        for kind, *more in (told["required"] | told.get("optional", {})).values():
            assert isinstance(kind, str | list)
            assert (
                not more
                or "default" not in more[0]
                or isinstance(kind, str)
                or (more[0]["default"] in kind)
            )
            json.dumps(more)


def test_a_picture_becomes_what_predict_says(nodes: ModuleType, picture: torch.Tensor) -> None:
    ((found,), preview, normals, surface, sky) = predict(nodes, picture)
    pixels = np.rint(picture[0].numpy() * 255).astype(np.uint8)
    wanted = panodepth.load(device="cpu").predict(pixels, quality="fast", level="none")
    np.testing.assert_allclose(found.distance, wanted.distance, rtol=1e-4)
    assert found.unit == "relative"
    assert preview.shape == normals.shape == (1, 128, 256, 3)
    assert preview.dtype == normals.dtype == surface.dtype == torch.float32
    assert 0 <= float(preview.min()) < float(preview.max()) <= 1
    assert np.array_equal(surface[0].numpy() > 0.5, wanted.mask)
    assert np.array_equal(sky[0].numpy() > 0.5, wanted.sky)
    assert wanted.sky.mean() > 0.02
    below = normals[0, -8:].mean((0, 1))  # the ground: up is green
    assert below[1] > 0.95
    assert abs(below[0] - 0.5) < 0.1
    assert torch.all(normals[0][torch.from_numpy(~wanted.mask)] == 0.5)


@pytest.mark.parametrize(
    ("given", "by"),
    [({"metres": "learned"}, "learned"), ({"metres": "camera height"}, "camera_height")],
)
def test_metres(nodes: ModuleType, picture: torch.Tensor, given: dict[str, Any], by: str) -> None:
    ((found,), *_) = predict(nodes, picture, **given)
    assert (found.unit, found.meta["metres_by"]) == ("m", by)


def test_a_batch_is_predicted_picture_by_picture(
    nodes: ModuleType, comfy: Comfy, picture: torch.Tensor
) -> None:
    both = torch.cat([picture, picture.flip(2)])
    alpha = torch.cat([both, torch.ones_like(both[..., :1])], -1)
    (found, preview, *_) = predict(nodes, alpha)
    assert len(found) == len(preview) == 2
    np.testing.assert_allclose(found[0].distance, predict(nodes, picture)[0][0].distance, rtol=1e-4)
    assert comfy.total == nodes.BAR
    assert comfy.steps == [100, 200, 100]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_halves_and_values_a_little_beyond(
    nodes: ModuleType, picture: torch.Tensor, kind: torch.dtype
) -> None:
    ((found,), *_) = predict(nodes, (1.1 * picture - 0.05).to(kind))  # as bicubic upscaling makes
    ((wanted,), *_) = predict(nodes, (1.1 * picture - 0.05).clamp(0, 1))
    assert np.median(abs(found.distance / wanted.distance - 1)) < 0.02


def test_the_bar_follows_and_a_stop_ends_it(
    nodes: ModuleType, comfy: Comfy, picture: torch.Tensor
) -> None:
    predict(nodes, picture, quality="best")
    assert len(comfy.steps) > 4
    assert comfy.steps == sorted(comfy.steps)
    assert comfy.steps[-1] == comfy.total
    comfy.steps.clear()
    comfy.stop_after = 2
    with pytest.raises(StoppedError):
        predict(nodes, picture, quality="best")


@pytest.mark.parametrize(
    ("own", "device", "wanted"),
    [
        ("cpu", "auto", "cpu"),
        ("cuda:1", "auto", "cuda:1"),
        ("xpu:0", "auto", "auto"),
        ("cuda:1", "cpu", "cpu"),
    ],
)
def test_auto_is_the_device_that_comfyui_was_started_with(
    nodes: ModuleType,
    comfy: Comfy,
    monkeypatch: pytest.MonkeyPatch,
    own: str,
    device: str,
    wanted: str,
) -> None:
    comfy.device = torch.device(own)
    monkeypatch.setattr(nodes.panodepth, "load", lambda model, device: device)
    assert nodes.LoadModel().load("default", device) == (wanted,)


def test_room_is_made_on_a_gpu_alone(nodes: ModuleType, comfy: Comfy) -> None:
    nodes.make_room("cpu")
    assert not comfy.freed
    nodes.make_room("cuda:1")
    assert comfy.freed == [torch.device("cuda:1")]


def test_an_empty_batch_is_told(nodes: ModuleType, picture: torch.Tensor) -> None:
    with pytest.raises(InputError, match="batch is empty"):
        predict(nodes, picture[:0])


def test_masks(nodes: ModuleType, picture: torch.Tensor) -> None:
    left_out = torch.zeros(1, 64, 128)
    left_out[:, 48:] = 1
    ((found,), _, _, surface, _) = predict(nodes, picture, mask=left_out)
    assert not found.mask[97:].any()
    assert found.mask[90:96].all()
    assert float(surface[0, 97:].max()) == 0
    none = nodes.valid(torch.zeros(1, 64, 64), picture)  # what LoadImage gives without alpha
    assert none == [None]
    assert nodes.valid(None, picture.repeat(3, 1, 1, 1)) == [None] * 3
    assert len(nodes.valid(left_out, picture.repeat(3, 1, 1, 1))) == 3
    with pytest.raises(InputError, match="2 masks for 3 pictures"):
        nodes.valid(left_out.repeat(2, 1, 1), picture.repeat(3, 1, 1, 1))


def test_bad_pictures_and_models_are_told(nodes: ModuleType) -> None:
    with pytest.raises(InputError, match="2:1"):
        predict(nodes, torch.rand(1, 100, 100, 3))
    with pytest.raises(panodepth.errors.PanodepthError, match="nowhere"):
        nodes.LoadModel().load("nowhere.safetensors", "cpu")


def made(distance: list[float], sky: list[bool]) -> Prediction:
    """A prediction of one row, twice."""
    far = np.tile(np.float32(distance), (2, 1))
    clouds = np.tile(np.array(sky), (2, 1))
    image = np.zeros((*far.shape, 3), np.uint8)
    return Prediction(far, ~clouds, image, {"unit": "m"}, sky_mask=clouds)


def test_distance_as_a_picture(nodes: ModuleType) -> None:
    one = made([1, 2, 4, 9], [False, False, False, True])
    draw = nodes.DistanceImage().draw
    (plain,) = draw([one], "distance")
    np.testing.assert_array_equal(plain[0, 0], np.repeat([[1], [2], [4], [9]], 3, 1))
    (near,) = draw([one, one], "near is white")
    assert near.shape == (2, 2, 4, 3)
    np.testing.assert_allclose(near[1, 0, :, 0], [1, 1 / 3, 0, 0], atol=0.02)
    (far,) = draw([one], "far is white")
    np.testing.assert_allclose(far[0, 0, :, 2], [0, 0.5, 1, 1], atol=0.02)
    with pytest.raises(InputError, match="no pixel is a surface"):
        draw([made([1, 1], [True, True])], "near is white")


def test_files_are_numbered_and_shown(
    nodes: ModuleType, comfy: Comfy, picture: torch.Tensor
) -> None:
    (found, *_) = predict(nodes, torch.cat([picture, picture]))
    save = nodes.Save().save
    told = save(found, "glb, png", "rooms/hall", "glb.faces=2000\n\n")
    first, files = told["result"]
    assert first == "rooms/hall_00001_.glb"
    assert files.splitlines() == [
        f"rooms/hall_0000{k}_{end}"
        for k in (1, 2)
        for end in (".glb", "_distance.png", "_distance.png.json")
    ]
    assert all((comfy.home / file).is_file() for file in files.splitlines())
    assert told["ui"]["3d"] == [
        {"filename": f"hall_0000{k}_.glb", "subfolder": "rooms", "type": "output"} for k in (1, 2)
    ]
    assert save(found[:1], "npz,obj", "flat")["result"][0] == "flat_00001_.obj"
    again = save(found[:1], "npz", "rooms/hall")
    assert again["result"][0] == "rooms/hall_00003__distance.npz"
    assert again["ui"]["3d"] == []
    for formats, settings, wanted in (
        ("gbl", "", "gbl"),
        ("", "", "format"),
        ("glb", "glb.faces", "FORMAT.OPTION=VALUE"),
        ("glb", "glb.face=3", "face"),
    ):
        with pytest.raises(panodepth.errors.PanodepthError, match=wanted):
            save(found, formats, "rooms/hall", settings)
    assert len(list((comfy.home / "rooms").iterdir())) == 7


def test_the_workflow_fits_the_nodes(nodes: ModuleType) -> None:
    told = json.loads((PACKAGE / "example_workflows/panorama.json").read_text())
    placed = {node["id"]: node for node in told["nodes"]}
    links = {link[0]: link for link in told["links"]}
    for node in placed.values():
        if node["type"] in CORE:
            takes, gives = CORE[node["type"]]
        else:
            kind = nodes.NODE_CLASS_MAPPINGS[node["type"]]
            declared = kind.INPUT_TYPES()
            every = declared["required"] | declared.get("optional", {})
            own = {nodes.MODEL, nodes.PREDICTIONS, "IMAGE", "MASK"}
            takes = {n: t for n, (t, *_) in every.items() if isinstance(t, str) and t in own}
            widgets = [t for n, (t, *_) in every.items() if n not in takes]
            gives = kind.RETURN_TYPES
            assert [o["name"] for o in node["outputs"]] == list(kind.RETURN_NAMES)
            assert len(node["widgets_values"]) == len(widgets)
            for value, choices in zip(node["widgets_values"], widgets, strict=True):
                assert isinstance(choices, str) or value in choices
        assert {i["name"]: i["type"] for i in node["inputs"]} == takes
        assert [o["type"] for o in node["outputs"]] == list(gives)
        for slot, told_in in enumerate(node["inputs"]):
            if told_in["link"] is not None:
                assert links[told_in["link"]][3:] == [node["id"], slot, told_in["type"]]
        for slot, told_out in enumerate(node["outputs"]):
            for link in told_out["links"] or ():
                assert links[link][1:3] == [node["id"], slot]
                assert links[link][5] == told_out["type"]
    ends = [i["link"] for n in placed.values() for i in n["inputs"] if i["link"] is not None]
    assert sorted(ends) == sorted(links)


def test_the_package_says_what_it_needs() -> None:
    told = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    assert told["version"] == panodepth.__version__
    assert told["dependencies"] == ["panodepth"]
