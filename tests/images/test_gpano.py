"""GPano tags: every field, as exiftool 12.57 reads it, and what a pose and a crop mean."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from panodepth.errors import InputError
from panodepth.images import to_image_data
from panodepth.images.gpano import TAGS, pano_tags

# exiftool -j -n -XMP-GPano:all of a JPEG with `packet(..., elements)`, both ways alike.
EXIFTOOL = {
    "ProjectionType": "equirectangular",
    "UsePanoramaViewer": True,
    "FullPanoWidthPixels": 5376,
    "FullPanoHeightPixels": 2688,
    "CroppedAreaImageWidthPixels": 4032,
    "CroppedAreaImageHeightPixels": 2000,
    "CroppedAreaLeftPixels": 672,
    "CroppedAreaTopPixels": 301,
    "PoseHeadingDegrees": 286.7,
    "PosePitchDegrees": -12.5,
    "PoseRollDegrees": 3.25,
    "InitialViewHeadingDegrees": 90,
    "InitialViewPitchDegrees": -5,
    "InitialViewRollDegrees": 1.5,
}


def packet(tags: dict[str, Any], elements: bool = False) -> bytes:
    """An XMP packet with the tags as attributes or as elements."""
    space = 'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/"'
    start = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        f'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" {space}'
    )
    if elements:
        inside = ">" + "".join(f"<GPano:{k}>{v}</GPano:{k}>" for k, v in tags.items())
        inside += "</rdf:Description>"
    else:
        inside = " " + " ".join(f'GPano:{k}="{v}"' for k, v in tags.items()) + "/>"
    return f"{start}{inside}</rdf:RDF></x:xmpmeta>".encode()


def jpeg(pixels: np.ndarray, tags: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, xmp=packet(tags))
    return file.getvalue()


@pytest.mark.parametrize("elements", [False, True])
def test_every_field_is_read_as_exiftool_reads_it(elements: bool) -> None:
    found = pano_tags(packet(EXIFTOOL, elements), "a.jpg")
    assert found == EXIFTOOL
    assert set(found) == set(TAGS)
    assert all(type(found[name]) is kind for name, kind in TAGS.items())


def grey(height: int = 32, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (height, width, 3), dtype=np.uint8)


def test_pose_and_area_go_with_the_picture() -> None:
    plain = jpeg(grey(), {"ProjectionType": "equirectangular", "PosePitchDegrees": 0})
    assert to_image_data(plain).pano is None
    tags = {"PoseHeadingDegrees": 350, "PosePitchDegrees": 10, "PoseRollDegrees": -170}
    for source in (jpeg(grey(), tags), Image.open(io.BytesIO(jpeg(grey(), tags)))):
        pano = to_image_data(source).pano
        assert pano.pose_deg == (350, 10, -170)
        assert pano.area is None


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"PosePitchDegrees": 95}, "PosePitchDegrees is 95, not an angle"),
        ({"PoseRollDegrees": "nan"}, "PoseRollDegrees is nan, not an angle"),
        ({"PoseRollDegrees": "level"}, "PoseRollDegrees is no number"),
        ({**EXIFTOOL, "CroppedAreaTopPixels": -5}, "contradict each other"),
        ({**EXIFTOOL, "FullPanoWidthPixels": "wide"}, "FullPanoWidthPixels is no number"),
        ({"ProjectionType": "cylindrical"}, "cylindrical"),
    ],
)
def test_tags_that_cannot_be(tags: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        to_image_data(jpeg(grey(), tags))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
