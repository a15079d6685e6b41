"""All lenses by name; one line adds another."""

from panodepth.geometry.lens import ERP, Lens, Pinhole
from panodepth.geometry.lenses.brown import BrownConrady
from panodepth.geometry.lenses.cube import CubeFace
from panodepth.geometry.lenses.cubemap import Cubemap
from panodepth.geometry.lenses.dual import DualFisheye
from panodepth.geometry.lenses.fisheyes import (
    KB4,
    EquidistantFisheye,
    EquisolidFisheye,
    OrthographicFisheye,
    StereographicFisheye,
)
from panodepth.geometry.lenses.part import ERPPart

__all__ = [
    "ERP",
    "KB4",
    "LENSES",
    "BrownConrady",
    "CubeFace",
    "Cubemap",
    "DualFisheye",
    "ERPPart",
    "EquidistantFisheye",
    "EquisolidFisheye",
    "OrthographicFisheye",
    "Pinhole",
    "StereographicFisheye",
]

LENSES: dict[str, type[Lens]] = {
    "erp": ERP,
    "erp_part": ERPPart,
    "pinhole": Pinhole,
    "brown_conrady": BrownConrady,
    "cube_face": CubeFace,
    "cubemap": Cubemap,
    "equidistant": EquidistantFisheye,
    "equisolid": EquisolidFisheye,
    "stereographic": StereographicFisheye,
    "orthographic": OrthographicFisheye,
    "kb4": KB4,
    "dual_fisheye": DualFisheye,
}
