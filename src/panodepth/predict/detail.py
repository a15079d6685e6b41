"""`--quality balanced`: a coarse map made sharp by the picture, twice as large again and again.

The first map is brought to the picture's size divided by a power of two, about as large as it is,
and then doubled by the detail network (`model.detail`) up to the picture. Each doubling works by
tiles that overlap by what the network looks at, so no border shows and memory is bounded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from panodepth.device import choose_device
from panodepth.errors import ConfigError, ModelError
from panodepth.geometry.resizing import Edges, resize_erp
from panodepth.geometry.seam import row_window
from panodepth.images import ImageData
from panodepth.model.detail import DetailNetwork, Doubling, Rows, load_detail, planes
from panodepth.predict.level.levelled import to_input
from panodepth.predict.models import WEIGHTS
from panodepth.predict.options import PredictOptions
from panodepth.predict.request import Request
from panodepth.size import Size
from panodepth.types import FloatArray

TILE = (96, 192)  # coarse pixels; what one needs stays in a core's cache
TILES_SHARE = 0.5  # of the bar, for what `best` does first: the models differ too much to say
LEAST_LATER = 0.005  # of log distance: later doublings' changes of less are left out
MOST_RISE = {"balanced": 0.07, "best": 0.2}  # of log distance: see `add_detail`
SHRINK = 0.9  # the first map is not made smaller than this for the sake of a doubling more
Window = tuple[int, int, int, int]
"""First row, end row, first column, end column; may lie beyond the poles and the seam."""


@lru_cache(maxsize=2)
def bundled_detail(device: str) -> DetailNetwork:
    """The bundled detail network on a device; ModelError when it was not shipped."""
    path = WEIGHTS / "detail.safetensors"
    if not path.is_file():
        raise ModelError(f"the detail network is missing ({path}): reinstall, or --quality fast")
    return load_detail(path, device)


def _device_beside(model: Any) -> str:
    """The model's device, or the CPU where torch has not got it, as other runtimes' devices."""
    try:
        return str(choose_device(str(getattr(model, "device", "cpu"))))
    except ConfigError:
        return "cpu"


def first_size(picture: Size, coarse: Size) -> tuple[Size, int]:
    """The size that the first map is brought to, and how often it is doubled from there, >= 1.

    After that it is at least as large as the picture.
    """
    times = math.floor(math.log2(picture[0] / (SHRINK * coarse[0])))
    if times < 1:
        return coarse, 1
    rows, columns = (-(-side // 2**times) for side in picture)
    return (rows, columns), times


def sharpened(
    maps: list[FloatArray], request: Request, model: Any, options: PredictOptions
) -> list[FloatArray]:
    """Distance, and sky logit if given, of a `Predictor`, (h, w), at the picture's size (H, W)."""
    network = bundled_detail(_device_beside(model))
    tell = options.watch or (lambda share: None)
    begun = 0.0
    if options.quality == "best":
        from panodepth.predict.tiles.refining import refined

        begun = TILES_SHARE
        run, edges = model.run_one, model.edges
        maps = refined(maps, request, run, edges, lambda share: tell(begun * share))
    else:
        maps = [to_input(x, request, (x.shape[0], x.shape[1]), model.edges) for x in maps]
    log, sky = add_detail(
        network,
        request.data,
        (np.log(maps[0]), maps[1] if len(maps) > 1 else None),
        model.edges,
        MOST_RISE[options.quality],
        lambda share: tell(begun + (1 - begun) * share),
    )
    np.exp(log, out=log)
    return [log] if sky is None else [log, sky]


def add_detail(
    network: DetailNetwork,
    picture: ImageData,
    maps: tuple[FloatArray, FloatArray | None],
    edges: Edges = "sphere",
    rise: float = MOST_RISE["balanced"],
    watch: Callable[[float], None] | None = None,
) -> tuple[FloatArray, FloatArray | None]:
    """Coarse maps at the picture's size, (H, W), with edges where the picture has them.

    network: on any device. picture: (H, W). maps: (h, w) log distance, and sky logit or None;
    edges: as in `resize_erp`, of these. rise: the most by which the first doubling may raise log
    distance, as a pixel that is given the far side of an edge by mistake costs more than one that
    is given the near one; sharper maps bear more. watch: called with the share done. Every
    distance lies within the range of those nearby.
    """
    log_distance, sky_logit = maps
    coarse = log_distance.shape[0], log_distance.shape[1]
    size, times = first_size(picture.size, coarse)
    log = resize_erp(log_distance, size, edges=edges)
    sky = np.zeros_like(log) if sky_logit is None else resize_erp(sky_logit, size, edges=edges)
    start = log
    work = _Work(sum(size[0] * size[1] * 4**n for n in range(times)), watch)
    for number in range(times):
        size = 2 * size[0], 2 * size[1]
        least = LEAST_LATER if number else 0.0
        given = guide(picture, size), log, sky
        log, sky = double(network.step(number), *given, least=least, work=work.add)
        if not number:
            log = np.minimum(log, resize_erp(start, size, edges=edges) + np.float32(rise))
    log, sky = sampled(log, sky, picture.size)
    return log, None if sky_logit is None else sky


class _Work:
    """How much of a prediction's work is done."""

    def __init__(self, total: int, watch: Callable[[float], None] | None) -> None:
        self._total, self._done, self._watch = total, 0, watch

    def add(self, pixels: int) -> None:
        """Coarse pixels more."""
        self._done += pixels
        if self._watch is not None:
            self._watch(min(self._done / self._total, 1.0))


def guide(picture: ImageData, size: Size) -> Any:
    """The picture at (H, W): (H, W, 3), as it is where it has that size, else float32 in [0, 1]."""
    if picture.size == size:
        return picture.pixels
    planes = np.moveaxis(picture.shrunk(*size).image, -1, 0)
    return np.moveaxis(resize_erp(np.ascontiguousarray(planes), size), 0, -1)


@torch.inference_mode()
def double(
    step: Doubling,
    picture: Any,
    log_distance: FloatArray,
    sky_logit: FloatArray,
    tile: Size = TILE,
    *,
    least: float = 0.0,
    work: Callable[[int], None] = lambda pixels: None,
) -> tuple[FloatArray, FloatArray]:
    """One doubling of whole maps (h, w) to (2 h, 2 w), by tiles of `tile` coarse pixels.

    picture: (2 h, 2 w, 3), uint8, uint16 or float32 in [0, 1]. least: as in
    `_steady`. work: told the coarse pixels of each tile that is done.
    """
    height, width = log_distance.shape
    device = step.head.weight.device
    white = 1.0 if picture.dtype == np.float32 else float(np.iinfo(picture.dtype).max)
    image = np.moveaxis(picture, -1, 0)
    made = [np.empty((2 * height, 2 * width), np.float32) for _ in range(2)]
    for top, end, left, right in _tiles((height, width), tile):
        halo = step.halo
        wide = top - halo, end + halo, left - halo, right + halo
        given = [_piece(x, wide) for x in (log_distance, sky_logit)]
        fine = _piece(image, tuple(2 * edge for edge in wide))  # type: ignore[arg-type]
        fine = fine if fine.dtype == np.uint8 else fine.astype(np.float32, copy=False)
        tensors = [torch.from_numpy(x).to(device)[None] for x in (fine, *given)]
        rows = Rows.of((height, width), torch.tensor([wide[0]], device=device), wide[1] - wide[0])
        found, sky = step(tensors[0].float() / white, *tensors[1:], rows)
        if least:
            found = _steady(found, tensors[1], halo, least)
        for whole, result in zip(made, (found, sky), strict=True):
            whole[2 * top : 2 * end, 2 * left : 2 * right] = result[0].cpu().numpy()
        work((end - top) * (right - left))
    return made[0], made[1]


def _steady(found: Tensor, given: Tensor, halo: int, least: float) -> Tensor:
    """What a doubling found, (1, H, W) log distance, without its smallest changes.

    given: (1, h, w) coarse log distance with the `halo` around. Changes c against it, interpolated,
    become c · max(0, 1 - (least / c)²), the non-negative garrote (Breiman, 1995): what textures do
    to walls goes, and edges stay as they are.
    """
    edge = slice(halo - 1, 1 - halo or None)
    smooth = functional.interpolate(given[:, None, edge, edge], scale_factor=2, mode="bilinear")
    smooth = smooth[:, 0, 2:-2, 2:-2]
    change = found - smooth
    share = 1 - (least / change.abs().clamp(min=1e-9)).square()
    return smooth + change * share.clamp(min=0)


def _tiles(size: Size, tile: Size) -> Iterator[Window]:
    """Windows that cover a map."""
    for top in range(0, size[0], tile[0]):
        for left in range(0, size[1], tile[1]):
            yield top, min(top + tile[0], size[0]), left, min(left + tile[1], size[1])


def _piece(values: Any, window: Window) -> Any:
    """A window of (..., H, W), continued over the poles and the seam."""
    columns = np.arange(window[2], window[3]) % values.shape[-1]
    return np.take(row_window(values, window[0], window[1]), columns, axis=-1)


def sampled(
    log_distance: FloatArray, sky_logit: FloatArray, size: Size
) -> tuple[FloatArray, FloatArray]:
    """Maps (h, w) at another size (H, W): of each pixel the nearest one, its plane continued.

    Interpolation would put pixels between the two sides of an edge.
    """
    height, width = log_distance.shape
    if (height, width) == size:
        return log_distance, sky_logit
    row, column = (
        ((2 * np.arange(n) + 1) * m // (2 * n)) for n, m in zip(size, (height, width), strict=True)
    )
    out = np.empty(size, np.float32)
    longitude = (np.arange(size[1]) + 0.5) * (2 * math.pi / size[1])
    # From the centre of the padded map's first column, half a column before the seam.
    longitude += math.pi / width
    for top in range(0, size[0], TILE[0]):
        mine = np.arange(top, min(top + TILE[0], size[0]))
        first, end = int(row[mine[0]]), int(row[mine[-1]]) + 1
        window = first - 1, end + 1, -1, width + 1
        inverse = torch.exp(-torch.from_numpy(_piece(log_distance, window)))[None]
        rows = Rows.of((height, width), torch.tensor([first - 1]), end - first + 2)
        normals = planes(inverse, rows)[0]
        ends = [s * functional.max_pool2d(s * inverse, 3, 1) for s in (-1, 1)]
        there = torch.cat((normals, *ends)).numpy()[:, row[mine] - first][:, :, column]
        x, y, z, low, high = there
        polar = ((mine + 0.5) * math.pi / size[0])[:, None]
        value = np.sin(polar) * (x * np.sin(longitude) + z * np.cos(longitude)) - y * np.cos(polar)
        out[mine] = -np.log(np.clip(value, low, high))
    return out, sky_logit[row][:, column]
