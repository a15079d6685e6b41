"""Public datasets in the trees they are published in, found without a list or with one.

| dataset | picture | distance file | step | not given |
|---|---|---|---|---|
| Structured3D | scene_*/2D_rendering/ROOM/panorama/CONFIG/rgb_*light.png | depth.png | 1 mm | 0 |
| Stanford2D3D | area_*/pano/rgb/NAME_rgb.png | ../depth/NAME_depth.png | 1/512 m | 0, 65535 |
| Matterport3D | SCAN/pano_skybox_color/ID.jpg | ../pano_depth/ID.png | 1/4000 m | 0 |
| PanoSUNCG | HOUSE/ROOM/N_color.png | N_depth.png, 8 bits, blue channel | 1/20 m | 0 |
| 3D60 | VIEW/SOURCE/ID_color_0_VIEW_0.0.png | ID_depth_0_VIEW_0.0.exr | metres | inf |

All of them hold distance along the ray, not z-depth. Sources: Structured3D's data_organization.md
(unit, 0) and issue 9 there (panoramas are back-projected by the ray's length); the 2D-3D-Semantics
README (unit, 65535, "distance from the point-center of the camera in the panoramas"); Matterport3D
panoramas are stitched from its depth images (0.25 mm), as UniFuse reads them; PanoSUNCG's step is
the one of DA²'s released evaluation, no other source was found; 3D60's page (vcl3d.github.io/3D60:
EXR of floats, inf where the scan has holes) and the trees that projects trained on it print. Its
spherical stereo formulas (disparity by the sines of two rays) take the value along the ray.

That evaluation reads Stanford2D3D with a step of 1/1000 m and Matterport3D with 1/2560 m, so its
"5 m" limit lies elsewhere. The published table needs those: `released_units=True`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.data.distances import MetresWithHoles, WholeNumbers
from panodepth.lab.data.source import Pair, PairSource, check_folder
from panodepth.lab.data.splits import read_split, select

CONFIGURATIONS = ("full", "simple", "empty")
LIGHTS = ("cold", "raw", "warm")


@dataclass(frozen=True)
class Layout:
    """How one dataset lies on disk.

    patterns: globs of its pictures. partner: picture's path -> distance file's path, both relative.
    released: the reader of DA²'s released evaluation, where it differs.
    """

    name: str
    patterns: tuple[str, ...]
    partner: Callable[[str], str]
    reader: WholeNumbers | MetresWithHoles
    released: WholeNumbers | None = None


def _stanford_depth(image: str) -> str:
    folder, _, name = image.rpartition("/rgb/")
    return f"{folder}/depth/{name.removesuffix('_rgb.png')}_depth.png"


def _matterport_depth(image: str) -> str:
    folder, _, name = image.rpartition("/pano_skybox_color/")
    return f"{folder}/pano_depth/{Path(name).stem}.png"


def _suncg_depth(image: str) -> str:
    return image.removesuffix("_color.png") + "_depth.png"


def _three_d_60_depth(image: str) -> str:
    folder, _, name = image.rpartition("/")
    return f"{folder}/{name.removesuffix('.png').replace('_color_', '_depth_')}.exr"


def _structured3d_depth(image: str) -> str:
    return f"{image.rpartition('/')[0]}/depth.png"


STANFORD2D3D = Layout(
    "Stanford2D3D",
    ("area_*/pano/rgb/*_rgb.png",),
    _stanford_depth,
    WholeNumbers(1 / 512, missing=65535),
    WholeNumbers(1 / 1000, missing=65535),
)
MATTERPORT3D = Layout(
    "Matterport3D",
    ("*/pano_skybox_color/*.jpg", "*/pano_skybox_color/*.png"),
    _matterport_depth,
    WholeNumbers(1 / 4000),
    WholeNumbers(1 / 2560),
)
PANOSUNCG = Layout(
    "PanoSUNCG",
    ("*/*/*_color.png",),
    _suncg_depth,
    WholeNumbers(1 / 20, channel=2),  # OpenCV's first channel, which the evaluation takes
)


VIEWS_3D60 = {"Center_Left_Down": "Left_Down", "Right": "Right", "Up": "Up"}  # folder: in names
THREE_D_60 = Layout(
    "3D60",
    tuple(f"{folder}/*/*_color_0_{name}_0.0.png" for folder, name in VIEWS_3D60.items()),
    _three_d_60_depth,
    MetresWithHoles(),
)


def open_3d60(path: str | Path, split: Path | None = None) -> PairSource:
    """3D60 (256×512 renders of Matterport3D, Stanford2D3D, SunCG); ConfigError when it holds none.

    All three views of its stereo rig are found; a split list of `Center_Left_Down` takes that one.
    """
    return _open(THREE_D_60, path, split)


def open_stanford2d3d(
    path: str | Path, split: Path | None = None, *, released_units: bool = False
) -> PairSource:
    """Stanford2D3D (2D-3D-Semantics); ConfigError when the folder holds none of it."""
    return _open(STANFORD2D3D, path, split, released_units)


def open_matterport3d(
    path: str | Path, split: Path | None = None, *, released_units: bool = False
) -> PairSource:
    """Matterport3D panoramas; ConfigError when the folder holds none."""
    return _open(MATTERPORT3D, path, split, released_units)


def open_panosuncg(path: str | Path, split: Path | None = None) -> PairSource:
    """PanoSUNCG; ConfigError when the folder holds none of it."""
    return _open(PANOSUNCG, path, split)


def open_structured3d(
    path: str | Path,
    split: Path | None = None,
    *,
    configurations: Sequence[str] = CONFIGURATIONS,
    lights: Sequence[str] = ("raw",),
) -> PairSource:
    """Structured3D; ConfigError when the folder holds none of it.

    configurations: how furnished ("full", "simple", "empty"). lights: "cold", "raw", "warm"; they
    share one distance file. The defaults give about 65,000 panoramas. split: a list of pairs or of
    scenes, e.g. `scene_00000` on a line; its official sets are scenes 0-2999, 3000-3249, 3250-3499.
    """
    for chosen, known in ((configurations, CONFIGURATIONS), (lights, LIGHTS)):
        if not chosen or not set(chosen) <= set(known):
            raise ConfigError(f"Structured3D: {list(chosen)} is not a choice of {', '.join(known)}")
    root = check_folder(path)
    if not any(root.glob("scene_*")) and (root / "Structured3D").is_dir():
        root = root / "Structured3D"  # the folder inside the published archives
    pattern = "scene_*/2D_rendering/*/panorama/{}/rgb_{}light.png"
    layout = Layout(
        "Structured3D",
        tuple(pattern.format(c, light) for c in configurations for light in lights),
        _structured3d_depth,
        WholeNumbers(1 / 1000),
    )
    return _open(layout, root, split)


def _open(
    layout: Layout, path: str | Path, split: Path | None, released_units: bool = False
) -> PairSource:
    root = check_folder(path)
    rows = None if split is None else read_split(split)
    reader = layout.released if released_units and layout.released else layout.reader
    if rows is not None and len(rows[0]) == 2:
        pairs = select((), rows, str(root))
        if not any((root / pair.image).is_file() for pair in pairs):
            raise ConfigError(
                f"{root}: none of the {len(pairs)} pictures of {split} is in it, "
                f"the first is {pairs[0].image}"
            )
    else:
        found = sorted(
            {f.relative_to(root).as_posix() for p in layout.patterns for f in root.glob(p)}
        )
        pairs = [Pair(str(Path(f).with_suffix("")), f, layout.partner(f)) for f in found]
        if not pairs:
            raise ConfigError(
                f"{root}: no {layout.name}; looked for {' and '.join(layout.patterns)}"
            )
        if rows is not None:
            pairs = select(pairs, rows, str(root))
    return PairSource(layout.name, root, pairs, reader)
