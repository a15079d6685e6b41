"""All lenses by name; one line adds another."""

from panodepth.geometry.lens import ERP, Lens, Pinhole
from panodepth.geometry.lens_cube import CubeFace
from panodepth.geometry.lens_radial import EquidistantFisheye

LENSES: dict[str, type[Lens]] = {
    "erp": ERP,
    "pinhole": Pinhole,
    "cube_face": CubeFace,
    "equidistant": EquidistantFisheye,
}
