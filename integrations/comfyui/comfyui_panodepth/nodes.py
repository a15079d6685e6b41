"""The nodes. Pictures are ComfyUI's: tensors (N, H, W, 3) of float in [0, 1], masks (N, H, W)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import torch
from comfy import model_management
from comfy.utils import ProgressBar

import panodepth
from panodepth.errors import InputError
from panodepth.export.colour import colourise
from panodepth.export.options import parse_settings
from panodepth.predict.options import LEVEL_PASSES, QUALITIES
from panodepth.types import Prediction

CATEGORY = "panodepth"
MODEL, PREDICTIONS = "PANODEPTH_MODEL", "PANODEPTH"  # the types of what goes between the nodes
METRES = ("learned", "camera height", "none")
NEAR_WHITE, FAR_WHITE, PLAIN = "near is white", "far is white", "distance"
CUT = 0.005  # of the surfaces is nearer than what is drawn, and as much farther
MESHES = (".glb", ".obj", ".stl")  # that Preview 3D shows
DEVICES = ("auto", "cpu", "cuda", "mps")
ROOM = 4 << 30  # that a prediction may need on a GPU, from other nodes' models [bytes]
BAR = 100  # steps of a progress bar for each picture


class LoadModel:
    """A model that is kept for all runs of the workflow."""

    CATEGORY, FUNCTION = CATEGORY, "load"
    DESCRIPTION = "A model of panodepth: the bundled one, or another."
    RETURN_TYPES, RETURN_NAMES = (MODEL,), ("model",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Its widgets."""
        tip = "default (bundled), released (DA², from the hub), a hub id, .safetensors, .onnx"
        return {
            "required": {
                "model": ("STRING", {"default": "default", "tooltip": tip}),
                "device": (list(DEVICES), {"tooltip": "auto: as ComfyUI was started"}),
            }
        }

    def load(self, model: str, device: str) -> tuple[Any]:
        """The predictor."""
        return (panodepth.load(model.strip(), device=chosen(device)),)


class Predict:
    """The distance of every pixel of each picture, by itself."""

    CATEGORY, FUNCTION = CATEGORY, "predict"
    DESCRIPTION = "The distance of every pixel of 360° pictures, which are twice as wide as high."
    RETURN_TYPES = (PREDICTIONS, "IMAGE", "IMAGE", "MASK", "MASK")
    RETURN_NAMES = ("prediction", "preview", "normals", "surface", "sky")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Its inputs and widgets."""
        height = {"default": 1.6, "min": 0.01, "max": 1000.0, "step": 0.05}
        return {
            "required": {
                "model": (MODEL,),
                "image": ("IMAGE",),
                "quality": (list(QUALITIES), {"default": "best", "tooltip": "best: for meshes"}),
                "metres": (list(METRES), {"tooltip": "what gives the unit; none: relative"}),
                "camera_height": ("FLOAT", height | {"tooltip": "over the floor, in metres"}),
                "level": (list(LEVEL_PASSES), {"default": "auto"}),
            },
            "optional": {"mask": ("MASK", {"tooltip": "white is left out"})},
        }

    def predict(
        self,
        model: Any,
        image: torch.Tensor,
        quality: str,
        metres: str,
        camera_height: float,
        level: str,
        mask: torch.Tensor | None = None,
    ) -> tuple[Any, ...]:
        """The predictions, their coloured distance, normals, and where surfaces and the sky are."""
        if not len(image):
            raise InputError("no picture came in: the batch is empty")
        make_room(str(model.describe()["device"]))
        bar = ProgressBar(BAR * len(image))
        how: dict[str, Any] = {"quality": quality, "level": level}
        if metres == METRES[0]:
            how["scale"] = "learned"
        elif metres == METRES[1]:
            how["camera_height"] = camera_height
        found = []
        for k, (picture, kept) in enumerate(zip(image, valid(mask, image), strict=True)):
            model_management.throw_exception_if_processing_interrupted()

            def watch(share: float, done: int = BAR * k) -> None:
                model_management.throw_exception_if_processing_interrupted()
                bar.update_absolute(done + int(BAR * share))

            # Other nodes make halves, and values a little beyond what can be shown.
            pixels = picture[..., :3].float().clamp(0, 1).cpu().numpy()
            found.append(model.predict(pixels, kept, watch=watch, **how))
            bar.update_absolute(BAR * (k + 1))
        return (
            found,
            images([colourise(p.distance, p.mask) / np.float32(255) for p in found]),
            images([seen_normals(p) for p in found]),
            images([p.mask for p in found]),
            images([p.sky for p in found]),
        )


class DistanceImage:
    """Distances as a picture: for control networks, compositing or other nodes."""

    CATEGORY, FUNCTION = CATEGORY, "draw"
    DESCRIPTION = "Distance as a grey picture, or as it is, in metres or relative."
    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("image",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Its input and widget."""
        tip = (
            "near is white: 1 / distance, as depth control networks want it; distance: not clipped"
        )
        kinds = [NEAR_WHITE, FAR_WHITE, PLAIN]
        return {"required": {"prediction": (PREDICTIONS,), "kind": (kinds, {"tooltip": tip})}}

    def draw(self, prediction: Sequence[Prediction], kind: str) -> tuple[torch.Tensor]:
        """(N, H, W, 3)."""
        grey = [p.distance if kind == PLAIN else drawn(p, kind == NEAR_WHITE) for p in prediction]
        return (images([np.repeat(g[..., None], 3, 2) for g in grey]),)


class Save:
    """Files of any format of panodepth in ComfyUI's output folder."""

    CATEGORY, FUNCTION, OUTPUT_NODE = CATEGORY, "save", True
    DESCRIPTION = "Meshes, clouds, splats, EXR, a viewer: every format of panodepth."
    RETURN_TYPES, RETURN_NAMES = ("STRING", "STRING"), ("model_file", "files")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Its input and widgets."""
        formats = {
            "default": "glb",
            "tooltip": "of panodepth, by commas: glb, ply, splat, exr, html",
        }
        settings = {"default": "", "multiline": True, "tooltip": "a line each: glb.faces=200000"}
        return {
            "required": {
                "prediction": (PREDICTIONS,),
                "formats": ("STRING", formats),
                "filename_prefix": ("STRING", {"default": "panodepth/panorama"}),
            },
            "optional": {"settings": ("STRING", settings)},
        }

    def save(
        self,
        prediction: Sequence[Prediction],
        formats: str,
        filename_prefix: str,
        settings: str = "",
    ) -> dict[str, Any]:
        """The first mesh, for Preview 3D, and every file, a line each, by their places there."""
        home = folder_paths.get_output_directory()
        names = [name.strip() for name in formats.split(",") if name.strip()]
        options = parse_settings([line.strip() for line in settings.splitlines() if line.strip()])
        files: list[str] = []
        for each in prediction:
            folder, name, counter, *_ = folder_paths.get_save_image_path(filename_prefix, home)
            named = replace(each, meta={**each.meta, "name": f"{name}_{counter:05}_"})
            written = named.save(f"{folder}/", names, **options)
            files += [Path(os.path.relpath(file, home)).as_posix() for file in written]
        meshes = [Path(file) for file in files if file.endswith(MESHES)]
        shown = [
            {"filename": m.name, "subfolder": m.parent.as_posix(), "type": "output"}
            for m in meshes
            if m.suffix == ".glb"
        ]
        first = meshes[0].as_posix() if meshes else files[0]
        return {"ui": {"3d": shown}, "result": (first, "\n".join(files))}


def chosen(device: str) -> str:
    """`device`; for "auto" the one that ComfyUI computes on, where panodepth has its kind."""
    own = model_management.get_torch_device()
    return str(own) if device == DEVICES[0] and own.type in DEVICES else device


def make_room(device: str) -> None:
    """Let ComfyUI move models of other nodes off a GPU that is full."""
    if device.startswith("cuda"):
        model_management.free_memory(ROOM, torch.device(device))


def valid(mask: torch.Tensor | None, image: torch.Tensor) -> list[np.ndarray | None]:
    """(H, W) bool for each picture, True = valid, of a mask whose white is left out; None = all.

    mask: (N or 1, h, w). What loads a picture without alpha gives a small black one, which is none.
    Raises InputError where their numbers differ.
    """
    if mask is None or not bool((mask > 0.5).any()):
        return [None] * len(image)
    planes = mask.reshape(-1, *mask.shape[-2:])
    if len(planes) not in (1, len(image)):
        raise InputError(
            f"{len(planes)} masks for {len(image)} pictures: give one, or one for each"
        )
    fitted = torch.nn.functional.interpolate(planes[:, None].float(), image.shape[1:3])[:, 0] <= 0.5
    kept = list(fitted.cpu().numpy())
    return kept * len(image) if len(kept) == 1 else kept


def images(planes: Sequence[np.ndarray]) -> torch.Tensor:
    """(N, ...) float32 of as many arrays of one shape."""
    return torch.from_numpy(np.stack(planes).astype(np.float32))


def seen_normals(prediction: Prediction) -> np.ndarray:
    """(H, W, 3) in [0, 1]: red right, green up, blue back of the middle; grey for none."""
    shown = prediction.normals * np.float32((0.5, -0.5, -0.5)) + np.float32(0.5)
    shown[~prediction.mask] = 0.5
    return shown


def drawn(prediction: Prediction, near_white: bool) -> np.ndarray:
    """(H, W) in [0, 1] between the nearest and farthest surfaces: 1 / distance, or its logarithm.

    The sky is farthest. Raises InputError where there is no surface.
    """
    if not prediction.mask.any():
        raise InputError("no pixel is a surface, so there is no distance to draw")
    value = 1 / prediction.solid if near_white else np.log(prediction.solid)
    low, high = np.quantile(value[prediction.mask], (CUT, 1 - CUT))
    share = (value - low) / max(high - low, 1e-12)
    share[prediction.sky] = 0 if near_white else 1
    return np.clip(share, 0, 1)


NODES = (
    ("PanodepthLoadModel", "Load panodepth model", LoadModel),
    ("PanodepthPredict", "Distance of a 360° picture", Predict),
    ("PanodepthDistanceImage", "Distance as a picture", DistanceImage),
    ("PanodepthSave", "Save 360° picture as 3D", Save),
)
NODE_CLASS_MAPPINGS = {name: kind for name, _, kind in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {name: title for name, title, _ in NODES}
