"""How much arithmetic one panorama is, by formula; a multiply-add counts as two operations."""

from __future__ import annotations

from panodepth.model import ModelConfig
from panodepth.model.embedding import KNOTS


def network_flops(config: ModelConfig, size: tuple[int, int] | None = None) -> int:
    """Floating-point operations in matrix products and convolutions for one image.

    size: (h, w); None = the config's. Keys and values of the sphere and tables of
    the great-circle bias are counted as if made for this image.
    """
    height, width = size or config.size
    rows, cols = config.grid((height, width))
    grid = rows * cols
    macs = _backbone(config, rows, cols) + _cross(config, rows, cols) + _decoder(config, grid)
    first, second = config.head
    outputs = 2 if config.sky_head else 1
    return 2 * (macs + height * width * (9 * first * second + second * outputs))


def _bias(config: ModelConfig, rows: int, cols: int, heads: int) -> int:
    return rows * rows * cols * (KNOTS + 1) * heads if config.great_circle_bias else 0


def _backbone(config: ModelConfig, rows: int, cols: int) -> int:
    grid, dim = rows * cols, config.dim
    macs = _stem(config, grid) if config.backbone == "conv" else grid * 3 * config.stride**2 * dim
    tokens = grid + int(config.class_token)
    block = tokens * 12 * dim * dim + 2 * tokens * tokens * dim
    return macs + config.depth * (block + _bias(config, rows, cols, config.heads))


def _stem(config: ModelConfig, grid: int) -> int:
    widths = config.stem_widths
    macs = 64 * grid * 16 * 3 * widths[0]  # 4×4, at 8× the grid
    following = (*widths[1:], config.dim)
    for level, (width, count, after) in enumerate(
        zip(widths, config.stem_blocks, following, strict=True)
    ):
        pixels = grid * 4 ** (3 - level)
        macs += count * pixels * 10 * width * width + pixels // 4 * 4 * width * after
    return macs


def _cross(config: ModelConfig, rows: int, cols: int) -> int:
    grid, hidden = rows * cols, config.hidden
    macs = grid * config.dim * hidden + grid * 8 * hidden * hidden
    if config.sphere_attention:
        keys = rows if config.azimuth_free_embedding else grid
        macs += 2 * grid * hidden * hidden + 2 * grid * keys * hidden
        macs += keys * config.embedding_dim * 2 * hidden
        if config.azimuth_free_embedding:
            macs += _bias(config, rows, cols, config.cross_heads)
    return len(config.features) * macs


def _decoder(config: ModelConfig, grid: int) -> int:
    widths, hidden = config.decoder, config.hidden
    macs = grid * hidden * widths[0]
    for level in range(3):
        pixels = grid * 4**level
        lift = max(1, 2 * level) ** 2
        macs += grid * hidden * widths[level] * lift
        macs += pixels * config.decoder_units * 18 * widths[level] ** 2
        macs += pixels * widths[level] * widths[level + 1]
    for level, side in enumerate(config.stem_widths):  # finest first
        macs += grid * 4 ** (3 - level) * side * widths[3 - level]
    return macs + 64 * grid * (widths[3] ** 2 + 9 * widths[3] * config.head[0])
