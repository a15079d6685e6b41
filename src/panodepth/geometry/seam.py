"""No edges: what lies beyond the seam and the poles of a panorama.

A row beyond a pole is the mirrored row half a turn away: with rows counted from the pole, row -1
is row 0 rolled by W / 2. With odd W half a turn falls between two columns and their mean is taken
(the left one for integer and boolean maps, which cannot be averaged).
"""

from __future__ import annotations

from panodepth.geometry.arrays import ArrayT, is_floating, library, like


def half_turn(x: ArrayT) -> ArrayT:
    """(..., W) seen half a turn away."""
    xp, width = library(x), x.shape[-1]
    turned = xp.roll(x, width // 2, axis=-1)
    if width % 2 and is_floating(x):
        return (turned + xp.roll(x, width // 2 + 1, axis=-1)) / 2
    return turned


def row_window(x: ArrayT, start: int, stop: int) -> ArrayT:
    """Rows start .. stop of (..., H, W) continued over both poles; start < H, stop > 0."""
    xp, height = library(x), x.shape[-2]
    if start < -height or stop > 2 * height:
        # Further than once over a pole: all that a great circle meets, 2 H rows, again and again.
        great_circle = xp.concat((x, xp.flip(half_turn(x), axis=-2)), axis=-2)
        return _take_round(great_circle, start, stop, -2)
    parts = [x[..., max(start, 0) : min(stop, height), :]]
    if start < 0:
        parts.insert(0, xp.flip(half_turn(x[..., :-start, :]), axis=-2))
    if stop > height:
        parts.append(xp.flip(half_turn(x[..., 2 * height - stop :, :]), axis=-2))
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=-2)


def _take_round(x: ArrayT, start: int, stop: int, axis: int) -> ArrayT:
    """Elements start .. stop of (..., H, W) along an axis that closes on itself."""
    xp = library(x)
    index = xp.arange(start, stop, device=like(x)["device"])
    return xp.take(x, index % x.shape[axis], axis=axis)


def pad_erp(x: ArrayT, pad: int | tuple[int, int]) -> ArrayT:
    """(..., H, W) to (..., H + 2·rows, W + 2·columns): wraps in longitude and crosses the poles.

    x: any dtype. pad: pixels on every side, or (rows, columns). Vector maps keep their vectors:
    in Cartesian components nothing changes when the pole is crossed.
    """
    rows, columns = (pad, pad) if isinstance(pad, int) else pad
    if rows < 0 or columns < 0:
        raise ValueError(f"padding must not be negative: {pad}")
    width = x.shape[-1]
    # Rows first: their ends come from whole rows, which the columns then wrap.
    x = row_window(x, -rows, x.shape[-2] + rows) if rows else x
    if columns > width:
        return _take_round(x, -columns, width + columns, -1)
    if columns:
        ends = x[..., width - columns :], x[..., :columns]
        return library(x).concat((ends[0], x, ends[1]), axis=-1)
    return x
