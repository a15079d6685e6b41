"""From options to lenses. What cannot be raises ConfigError, in one line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from panodepth.errors import ConfigError
from panodepth.geometry.lens import ERP, Lens, Pinhole, Size, View
from panodepth.geometry.lenses import KB4, LENSES, BrownConrady, Cubemap, DualFisheye, ERPPart
from panodepth.geometry.lenses.cubemap import LAYOUTS
from panodepth.geometry.lenses.dual import THETA_SC, THETA_SC_SIZE
from panodepth.geometry.lenses.radial import Radial
from panodepth.geometry.rotation import rotation_from_yaw_pitch_roll
from panodepth.images.limits import MAX_PIXELS
from panodepth.predict.lenses.options import (
    EYES,
    FISHEYES,
    OUT_PROJECTIONS,
    POSES,
    PROJECTIONS,
    LensOptions,
)

MOST_SIDE = 32_766  # of a picture, for OpenCV's remap
DUAL_FOV_DEG = 190.0  # of Insta360's cameras, whose files do not say it
CAMERAS = ("theta-sc",)
OF_A_PANORAMA = ("fov", "top", "bottom")
USED_BY = {
    "erp": OF_A_PANORAMA,
    "cubemap": ("layout", "face_order", "face_turns"),
    "fisheye": ("fov", "fisheye", "focal", "centre", "circle", "distortion"),
    "dual-fisheye": (
        *("fov", "fisheye", "circle", "turn", "camera"),
        *("focal", "centre", "distortion"),
    ),
    "perspective": ("fov", "focal", "centre", "distortion"),
}
_ALL = dict.fromkeys(name for names in USED_BY.values() for name in names)


def check(options: LensOptions) -> None:
    """Raise ConfigError for words that there are not, and for options that would change nothing."""
    for name, known in (
        ("projection", PROJECTIONS),
        ("out_projection", OUT_PROJECTIONS),
        ("fisheye", FISHEYES),
        ("pose", POSES),
        ("stereo", EYES),
        ("camera", ("", *CAMERAS)),
    ):
        if getattr(options, name) not in known:
            given = getattr(options, name)
            raise ConfigError(
                f"unknown {_flag(name)} {given!r}: use {', '.join(filter(None, known))}"
            )
    whole = options.lens is not None
    projection = "erp" if options.projection == "auto" else options.projection
    useful = () if whole else USED_BY[projection]
    for name in _ALL:
        if name not in useful and getattr(options, name) != getattr(LensOptions(), name):
            what = "a lens of its own" if whole else f"--projection {options.projection}"
            raise ConfigError(f"{_flag(name)} says nothing about {what}: leave it out")
    if options.lens is not None and not hasattr(options.lens, "unproject"):
        raise ConfigError(f"a lens is one of panodepth.geometry.lenses, not {options.lens!r}")
    if whole and options.projection != "auto":
        raise ConfigError("--projection says nothing about a lens of its own: leave it out")
    if options.out_projection in ("erp", "input"):
        for name in ("out_fov", "out_size", "out_view"):
            if getattr(options, name) is not None:
                raise ConfigError(
                    f"{_flag(name)} needs --out-projection cubemap, fisheye or perspective"
                )
        return
    if options.out_projection == "cubemap" and options.out_fov is not None:
        raise ConfigError("--out-fov says nothing about a cubemap: leave it out")
    height, width = options.out_size or (1, 1)
    if min(height, width) < 1 or max(height, width) > MOST_SIDE or height * width > MAX_PIXELS:
        raise ConfigError(
            f"--out-size {height}x{width}: sides of 1 to {MOST_SIDE:,} pixels, "
            f"{MAX_PIXELS:,} in all"
        )
    output_view(options, 32)  # before any network runs


def input_lens(options: LensOptions, size: Size) -> Lens:
    """The lens that took a picture of a (height, width) [px]. `ERP()`: it is the whole sphere."""
    if options.lens is not None:
        lens: Lens = options.lens
        return lens
    make = {
        "cubemap": _cubemap,
        "fisheye": _fisheye,
        "dual-fisheye": _dual,
        "perspective": _perspective,
    }.get(options.projection, _panorama)
    try:
        return make(options, size)
    except ValueError as error:
        raise ConfigError(f"--projection {options.projection}: {error}") from None


def output_view(options: LensOptions, rows: int) -> View:
    """What the result shows. rows: of the panorama that it is taken from. Raises ConfigError."""
    side = max(16, rows // 2)
    if options.out_projection == "cubemap":
        layout = LAYOUTS["3x2"]
        size = options.out_size or (layout.rows * side, layout.columns * side)
        (height, width), down, across = size, layout.rows, layout.columns
        if height * across != width * down:
            face = max(1, round(height / down))
            raise ConfigError(
                f"--out-size {height}x{width}: a cubemap is {down} square faces high and "
                f"{across} wide, such as {face * down}x{face * across}"
            )
        view = View(Cubemap("3x2"), size)
    else:
        size = options.out_size or (side, side)
        fisheye = options.out_projection == "fisheye"
        usual = 180.0 if fisheye else 90.0
        fov = usual if options.out_fov is None else options.out_fov
        limit = 360 if fisheye else 180
        if not 0 < fov < limit:
            raise ConfigError(f"--out-fov {fov:g}: more than 0 and less than {limit}")
        kind: Any = LENSES["equidistant"] if fisheye else Pinhole
        view = View(kind.from_fov(math.radians(fov), size), size)
    if options.out_view is None:
        return view
    angles = (np.radians(angle).item() for angle in (*options.out_view, 0.0, 0.0)[:3])
    return replace(view, rotation=rotation_from_yaw_pitch_roll(*angles))


def _panorama(options: LensOptions, size: Size) -> Lens:
    """The whole sphere, or the part that the field of view or the edges say."""
    if all(getattr(options, name) is None for name in OF_A_PANORAMA):
        return ERP()
    height, width = size
    across = 360.0 if options.fov is None else options.fov[0]
    down = across * height / width  # square pixels
    if options.fov is not None and len(options.fov) == 2:
        down = options.fov[1]
    top, bottom = options.top, options.bottom
    if top is None and bottom is None:
        top = down / 2
    if top is None and bottom is not None:
        top = bottom + down
    if bottom is None and top is not None:
        bottom = top - down
    assert top is not None
    assert bottom is not None
    if options.fov is not None and len(options.fov) == 2 and abs(top - bottom - down) > 1e-6:
        raise ConfigError(f"--top and --bottom are {top - bottom:g}° apart, --fov says {down:g}°")
    return ERPPart(math.radians(across), -math.radians(top), -math.radians(bottom))


def _cubemap(options: LensOptions, size: Size) -> Lens:
    lens = Cubemap(options.layout, options.face_order, options.face_turns)
    layout, (height, width) = LAYOUTS[options.layout], size
    if abs(width / layout.columns - height / layout.rows) > 1 + 4 * layout.padding:
        raise ConfigError(
            f"a {width}x{height} picture has no square faces as --layout {options.layout}: "
            f"its faces lie in {layout.rows} rows and {layout.columns} columns"
        )
    return lens


def _perspective(options: LensOptions, size: Size) -> Lens:
    if options.focal is not None:
        if options.fov is not None:
            raise ConfigError("give --fov or --focal, not both")
        numbers = (*_both(options.focal), *_centre(options, size))
        if options.distortion is None:
            return Pinhole(*numbers)
        _check_count("--distortion", options.distortion, (4, 5), "a perspective picture")
        return BrownConrady(*numbers, *options.distortion)
    if options.fov is None:
        raise ConfigError("--projection perspective needs --fov or --focal")
    if options.distortion is not None:
        raise ConfigError("--distortion of a perspective picture needs --focal")
    if not all(0 < angle < 180 for angle in options.fov):
        raise ConfigError("the --fov of a perspective picture lies between 0 and 180")
    across, *down = map(math.radians, options.fov)
    lens = Pinhole.from_fov(across, size, y_fov_rad=down[0] if down else None)
    cx, cy = _centre(options, size)
    return replace(lens, cx=cx, cy=cy)


def _fisheye(options: LensOptions, size: Size) -> Lens:
    kind: Any = LENSES[options.fisheye]
    _check_fisheye(options, kind)
    if options.focal is not None:
        fov = math.radians(options.fov[0] if options.fov else 180)
        _check_count("--distortion", options.distortion, (4,), "one fisheye")
        numbers = (*_both(options.focal), *_centre(options, size), fov)
        return _checked_fov(kind(*numbers, *(options.distortion or ())))
    if kind is KB4:
        raise ConfigError("--fisheye kb4 needs --focal")
    if options.fov is None:
        raise ConfigError("--projection fisheye needs --fov, or --focal")
    fov = math.radians(options.fov[0])
    if options.circle is not None:
        if len(options.circle) != 3:
            raise ConfigError("--circle of one fisheye is CX,CY,R")
        return _in_circle(kind, fov, options.circle)
    lens = _checked_fov(kind.from_fov(fov, size))
    cx, cy = _centre(options, size)
    return replace(lens, cx=cx, cy=cy)


def _dual(options: LensOptions, size: Size) -> Lens:
    if options.camera:
        useless = ("fov", "fisheye", "circle", "turn", "focal", "centre", "distortion")
        if any(getattr(options, name) != getattr(LensOptions(), name) for name in useless):
            raise ConfigError(f"--camera {options.camera} says all: leave the others out")
        factor = size[1] / THETA_SC_SIZE[1]
        return replace(
            THETA_SC, left=_scaled(THETA_SC.left, factor), right=_scaled(THETA_SC.right, factor)
        )
    kind: Any = LENSES[options.fisheye]
    _check_fisheye(options, kind)
    fov = math.radians(options.fov[0] if options.fov else DUAL_FOV_DEG)
    yaw, pitch, roll = map(math.radians, options.turn or (180.0, 0.0, 0.0))
    if options.focal is not None or kind is KB4:
        left, right = _calibrated(options, kind, fov)
        return DualFisheye(left, right, yaw, pitch, roll)
    if options.centre is not None:
        raise ConfigError("--centre of two fisheyes needs --focal")
    if options.circle is None:
        turned = {"yaw_rad": yaw, "pitch_rad": pitch, "roll_rad": roll}
        lens = DualFisheye.from_fov(fov, size, kind, **turned)
        _checked_fov(lens.left)
        return lens
    if len(options.circle) != 6:
        raise ConfigError("--circle of two fisheyes is CX,CY,R,CX,CY,R")
    left, right = (_in_circle(kind, fov, options.circle[i : i + 3]) for i in (0, 3))
    return DualFisheye(left, right, yaw, pitch, roll)


def _calibrated(options: LensOptions, kind: Any, fov_rad: float) -> tuple[Radial, Radial]:
    """The left and the right fisheye by their numbers."""
    if options.focal is None or options.centre is None or len(options.centre) != 4:
        raise ConfigError("two calibrated fisheyes need --focal, and --centre CX,CY,CX,CY")
    _check_count("--distortion", options.distortion, (4, 8), "two fisheyes")
    focal, bent = options.focal, options.distortion or ()
    centre: tuple[float, ...] = options.centre
    if len(focal) < 4:
        focal = (*_both(focal), *_both(focal))
    bent = (*bent, *bent) if len(bent) == 4 else bent

    def lens(side: int) -> Radial:
        pair = slice(2 * side, 2 * side + 2)
        own = bent[4 * side : 4 * side + 4]
        return _checked_fov(kind(*_both(focal[pair]), *centre[pair], fov_rad, *own))

    return lens(0), lens(1)


def _check_fisheye(options: LensOptions, kind: Any) -> None:
    """Raise ConfigError for what says nothing about one or two fisheyes of a kind."""
    if (options.distortion is not None) != (kind is KB4):
        raise ConfigError("--fisheye kb4 needs --distortion, and no other has one")
    for name in ("focal", "centre"):
        if options.circle is not None and getattr(options, name) is not None:
            raise ConfigError(f"give {_flag(name)} or --circle, not both")
    if options.fov is not None and len(options.fov) > 1:
        raise ConfigError("--fov of a fisheye is one angle")


def _check_count(
    flag: str, given: tuple[float, ...] | None, counts: tuple[int, ...], what: str
) -> None:
    if given is not None and len(given) not in counts:
        raise ConfigError(f"{flag} of {what} has {' or '.join(map(str, counts))} numbers")


def _in_circle(kind: Any, fov_rad: float, circle: tuple[float, ...]) -> Radial:
    """A lens whose field of view is a circle at (cx, cy) of a radius [px]."""
    cx, cy, radius = circle
    if radius <= 0:
        raise ConfigError("the radius of a --circle is a positive number of pixels")
    lens = _checked_fov(kind.from_fov(fov_rad, (2, 2)))  # a circle of radius 1
    return replace(lens, fx=lens.fx * radius, fy=lens.fy * radius, cx=cx, cy=cy)


def _checked_fov(lens: Radial) -> Radial:
    """The fisheye if its radius grows all the way. Raises ConfigError."""
    edge = lens.radius(np.asarray(lens.fov_rad / 2))
    growing = 0 < lens.fov_rad <= 2 * math.pi and np.isfinite(edge)
    if not growing or lens.fx <= 0 or not 0 < edge < 1e3:
        raise ConfigError(f"no such fisheye sees {math.degrees(lens.fov_rad):g}°: see --fov")
    return lens


def _scaled(lens: Radial, factor: float) -> Radial:
    """The same lens in a picture so many times as large."""
    numbers = {name: getattr(lens, name) * factor for name in ("fx", "fy", "cx", "cy")}
    return replace(lens, **numbers)


def _both(focal: tuple[float, ...]) -> tuple[float, float]:
    if min(focal) <= 0:
        raise ConfigError("--focal is a positive number of pixels")
    _check_count("--focal", focal, (1, 2), "one lens")
    return focal[0], focal[-1]


def _centre(options: LensOptions, size: Size) -> tuple[float, float]:
    _check_count("--centre", options.centre, (2,), "one lens")
    cx, cy = options.centre or (size[1] / 2, size[0] / 2)
    return cx, cy


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
