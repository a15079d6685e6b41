"""Public datasets in the trees they are published in, found without a list or with one.

| dataset | picture | distance file | step | not given |
|---|---|---|---|---|
| Structured3D | scene_*/2D_rendering/ROOM/panorama/CONFIG/rgb_*light.png | depth.png | 1 mm | 0 |
| Stanford2D3D | area_*/pano/rgb/NAME_rgb.png | ../depth/NAME_depth.png | 1/512 m | 0, 65535 |
| Matterport3D | SCAN/pano_skybox_color/ID.jpg | ../pano_depth/ID.png | 1/4000 m | 0 |
| PanoSUNCG | HOUSE/ROOM/N_color.png | N_depth.png, 8 bits, blue channel | 1/20 m | 0 |
| 3D60 | VIEW/SOURCE/ID_color_0_VIEW_0.0.png | ID_depth_0_VIEW_0.0.exr | metres | inf |
| TartanAir V2 | ENV/Data_*/PNNN/image_lcam_equirect/N_lcam_equirect_image.png | below | m | 0 |

All of them hold distance along the ray, not z-depth. Sources: Structured3D's data_organization.md
(unit, 0) and issue 9 there (panoramas are back-projected by the ray's length); the 2D-3D-Semantics
README (unit, 65535, "distance from the point-center of the camera in the panoramas"); Matterport3D
panoramas are stitched from its depth images (0.25 mm), as UniFuse reads them; PanoSUNCG's step is
the one of DA²'s released evaluation, no other source was found; 3D60's page (vcl3d.github.io/3D60:
EXR of floats, inf where the scan has holes) and the trees that projects trained on it print. Its
spherical stereo formulas (disparity by the sines of two rays) take the value along the ray.
TartanAir V2's distances are ../depth_lcam_equirect/N_lcam_equirect_depth.png (rcam: of the right
camera), float32 in the bytes of a pixel, as its own tools (tartanairpy) read them. That a panorama
holds the ray's length, and 65504 what is farther than float16 tells, is what a user measured
against the front camera; no file of the set was at hand here.

That evaluation reads Stanford2D3D with a step of 1/1000 m and Matterport3D with 1/2560 m, so its
"5 m" limit lies elsewhere. The published table needs those: `released_units=True`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from panodepth.errors import ConfigError
from panodepth.lab.data.distances import FloatsInColours, MetresWithHoles, WholeNumbers
from panodepth.lab.data.source import Pair, PairSource, check_folder
from panodepth.lab.data.splits import read_split, select

CONFIGURATIONS = ("full", "simple", "empty")
LIGHTS = ("cold", "raw", "warm")


@dataclass(frozen=True)
class Layout:
    """How one dataset lies on disk.

    pictures: globs. distance_file: a regular expression and what to put in its place turn a
    picture's path into that of its distance file. reader: of distance files. released: the reader
    of DA²'s released evaluation, where it differs.
    """

    name: str
    pictures: tuple[str, ...]
    distance_file: tuple[str, str]
    reader: WholeNumbers | MetresWithHoles | FloatsInColours
    released: WholeNumbers | None = None

    def open(
        self, path: str | Path, split: Path | None = None, *, released_units: bool = False
    ) -> PairSource:
        """The dataset in a folder.

        split: a list of pairs, pictures or folders, see `splits`. released_units: decode distances
        as DA²'s released evaluation does. Raises ConfigError when the folder holds none of it.
        """
        root = check_folder(path)
        rows = None if split is None else read_split(split)
        reader = self.released if released_units and self.released else self.reader
        if rows is not None and len(rows[0]) == 2:
            pairs = select((), rows, str(root))
            if not any((root / pair.image).is_file() for pair in pairs):
                raise ConfigError(
                    f"{root}: none of the {len(pairs)} pictures of {split} is in it, "
                    f"the first is {pairs[0].image}"
                )
            return PairSource(self.name, root, pairs, reader)
        found = {f.relative_to(root).as_posix() for p in self.pictures for f in root.glob(p)}
        pairs = [
            Pair(str(Path(file).with_suffix("")), file, re.sub(*self.distance_file, file))
            for file in sorted(found)
            if not Path(file).name.startswith(".")  # such as macOS leaves on other disks
        ]
        if not pairs:
            raise ConfigError(f"{root}: no {self.name}; looked for {' and '.join(self.pictures)}")
        if rows is not None:
            pairs = select(pairs, rows, str(root))
        return PairSource(self.name, root, pairs, reader)


STANFORD2D3D = Layout(
    "Stanford2D3D",
    ("area_*/pano/rgb/*_rgb.png",),
    (r"/rgb/([^/]*)_rgb\.png$", r"/depth/\1_depth.png"),
    WholeNumbers(1 / 512, missing=65535),
    WholeNumbers(1 / 1000, missing=65535),
)
MATTERPORT3D = Layout(
    "Matterport3D",
    ("*/pano_skybox_color/*.jpg", "*/pano_skybox_color/*.png"),
    (r"/pano_skybox_color/([^/]*)\.\w+$", r"/pano_depth/\1.png"),
    WholeNumbers(1 / 4000),
    WholeNumbers(1 / 2560),
)
PANOSUNCG = Layout(
    "PanoSUNCG",
    ("*/*/*_color.png",),
    (r"_color\.png$", "_depth.png"),
    WholeNumbers(1 / 20, channel=2),  # OpenCV's first channel, which the evaluation takes
)
# 256×512 renders of Matterport3D, Stanford2D3D and SunCG. All three views of its stereo rig are
# found; a split list of `Center_Left_Down` takes that one.
VIEWS_3D60 = {"Center_Left_Down": "Left_Down", "Right": "Right", "Up": "Up"}  # folder: in names
THREE_D_60 = Layout(
    "3D60",
    tuple(f"{folder}/*/*_color_0_{name}_0.0.png" for folder, name in VIEWS_3D60.items()),
    (r"_color_([^/]*)\.png$", r"_depth_\1.exr"),
    MetresWithHoles(),
)

TARTANAIR2 = Layout(
    "TartanAir V2",
    ("*/Data_*/*/image_[lr]cam_equirect/*.png",),
    (r"/image_([lr]cam_equirect)/([^/]*?)(?:_image)?\.png$", r"/depth_\1/\2_depth.png"),
    FloatsInColours(),
)


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
    for wanted, known in ((configurations, CONFIGURATIONS), (lights, LIGHTS)):
        if not wanted or not set(wanted) <= set(known):
            raise ConfigError(f"Structured3D: {list(wanted)} is not a choice of {', '.join(known)}")
    root = check_folder(path)
    if not any(root.glob("scene_*")) and (root / "Structured3D").is_dir():
        root = root / "Structured3D"  # the folder inside the published archives
    pattern = "scene_*/2D_rendering/*/panorama/{}/rgb_{}light.png"
    pictures = tuple(pattern.format(c, light) for c in configurations for light in lights)
    layout = Layout("Structured3D", pictures, (r"[^/]+$", "depth.png"), WholeNumbers(1 / 1000))
    return layout.open(root, split)
