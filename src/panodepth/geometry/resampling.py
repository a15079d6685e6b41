"""From one lens to another: E2P, P2E, and a panorama as the turned camera would have taken it."""

from __future__ import annotations

from panodepth.geometry.arrays import Array, ArrayT, library, like
from panodepth.geometry.grid import erp_rays
from panodepth.geometry.lens import Lens, Offset, View
from panodepth.geometry.rotation import rotate_vectors
from panodepth.geometry.sampling import SampleMode, sample_erp, sample_image


def resample(
    image: ArrayT, source: Lens, view: View, *, mode: SampleMode = "bilinear", supersample: int = 1
) -> tuple[ArrayT, ArrayT]:
    """An image that `source` took, as another camera in its place sees it.

    image: (..., C, H, W). view: lens, size (h, w) and rotation (..., 3, 3) from its frame into that
    of `source`; leading axes broadcast. E2P is `resample(panorama, ERP(), View(Pinhole(…), size,
    R))`, P2E `resample(picture, Pinhole(…), View(ERP(), size, R.mT))`.
    mode: "nearest" for distances and masks (convert z-depth to distance first).
    supersample: n averages n × n rays per pixel, against aliasing where the view is coarser than
    the image (n about the ratio of their resolutions; not with "nearest").
    Returns the image (..., C, h, w), 0 where nothing is seen, and what is seen (..., h, w) bool:
    exactly the pixels whose centre's ray passes through `source`, borders included.
    """
    height, width = image.shape[-2:]
    xp, options = library(image), like(image)

    everywhere = source.closed and not view.lens.partial  # nothing to mask

    def once(offset: Offset) -> tuple[Array, Array]:
        """The image along the rays through one place in every pixel, and which it has."""
        pixels, seen = source.project(view.rays(offset=offset, **options), (height, width))
        places = source.readable(pixels, (height, width))
        values = sample_image(image, places, mode, closed=source.closed)
        return values if everywhere else _only(values, seen), seen

    if supersample == 1:
        return once((0.0, 0.0))
    if supersample < 1 or mode == "nearest":
        raise ValueError(f"supersample must be at least 1, and 1 for nearest: not {supersample}")
    steps = [(i + 0.5) / supersample - 0.5 for i in range(supersample)]
    parts = (once((right, down)) for down in steps for right in steps)
    total, seen = next(parts)
    count = xp.astype(seen, total.dtype)
    for values, seen in parts:
        total, count = total + values, count + seen
    # At the border of what is seen only the rays that see something count.
    if everywhere:
        return total / supersample**2, seen
    # With an even n no ray goes through the centre, which decides what counts as seen.
    centre = source.project(view.rays(**options), (height, width))[1]
    return _only(total / xp.clip(count, min=1)[..., None, :, :], centre), centre


def _only(image: ArrayT, seen: ArrayT) -> ArrayT:
    """The image (..., C, h, w), 0 where it is not seen (..., h, w)."""
    xp = library(image)
    return xp.where(seen[..., None, :, :], image, xp.zeros_like(image))


def rotate_erp(image: ArrayT, rotation: Array, *, mode: SampleMode = "bilinear") -> ArrayT:
    """The panorama that the camera sees after it was rotated by R: out(ray) = image(R ray).

    image: (..., C, H, W) colours, distances, masks ("nearest" for anything with hard edges).
    rotation: (..., 3, 3). Returns (..., C, H, W). `rotate_erp(out, R^T)` turns it back.
    """
    rays = erp_rays(*image.shape[-2:], **like(image))
    return sample_erp(image, rotate_vectors(rotation, rays), mode)


def rotate_erp_vectors(
    vectors: ArrayT, rotation: Array, *, mode: SampleMode = "bilinear"
) -> ArrayT:
    """Points or normals as the rotated camera sees them: out(ray) = R^T vectors(R ray).

    vectors: (..., H, W, 3) in the frame of the old camera. rotation: (..., 3, 3).
    Returns (..., H, W, 3) in the frame of the new camera. Interpolated normals are not rescaled.
    """
    xp = library(vectors)
    seen = rotate_erp(xp.moveaxis(vectors, -1, -3), rotation, mode=mode)
    return rotate_vectors(library(rotation).matrix_transpose(rotation), xp.moveaxis(seen, -3, -1))
