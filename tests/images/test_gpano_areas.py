"""Pictures that say by their GPano tags which part of the sphere they are."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from tests.images.pictures import H, W, picture, refused

from panodepth.geometry.grid import erp_rays
from panodepth.images import image_size, read_image, to_image_data
from panodepth.images.gpano import Area, pano_area

GPANO = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description '
    'xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" {}/></x:xmpmeta>'
)


def gpano(full: tuple[int, int], crop: tuple[int, int], start: tuple[int, int], **more: str) -> str:
    """The packet; sizes and start as (width, height), (left, top)."""
    said = {
        "ProjectionType": "equirectangular",
        "FullPanoWidthPixels": full[0],
        "FullPanoHeightPixels": full[1],
        "CroppedAreaImageWidthPixels": crop[0],
        "CroppedAreaImageHeightPixels": crop[1],
        "CroppedAreaLeftPixels": start[0],
        "CroppedAreaTopPixels": start[1],
        **more,
    }
    return GPANO.format(" ".join(f'GPano:{key}="{value}"' for key, value in said.items()))


PART = gpano((128, 64), (64, 32), (32, 16))  # of which `picture()` has the pixels


def write_xmp(path: Path, pixels: np.ndarray, xmp: str) -> Path:
    image = Image.fromarray(pixels)
    if path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp)
        image.save(path, pnginfo=texts)
    elif path.suffix == ".tif":
        tifffile.imwrite(
            path, pixels, photometric="rgb", extratags=[(700, 1, len(xmp), xmp.encode(), True)]
        )
    else:
        image.save(path, xmp=xmp.encode(), lossless=True, quality=98)
    return path


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_a_tagged_part_lies_where_its_tags_say(tmp_path: Path, ending: str) -> None:
    pixels = picture()  # 64 x 32: the middle 180 x 90 degrees
    path = write_xmp(tmp_path / f"p.{ending}", pixels, gpano((128, 64), (64, 32), (32, 16)))
    data = read_image(path)
    assert data.size == image_size(path) == (64, 128)
    inside = np.zeros((64, 128), bool)
    inside[16:48, 32:96] = True
    assert data.valid is not None
    assert np.array_equal(data.valid, inside)
    assert np.abs(data.pixels[16:48, 32:96].astype(int) - pixels).mean() < 3
    x, y, z = erp_rays(64, 128)[16, 32]  # the first pixel's direction
    assert np.degrees(np.arctan2(x, z)) == pytest.approx(-90 + 180 / 128, abs=1e-3)
    assert np.degrees(np.arcsin(-y)) == pytest.approx(45 - 90 / 64, abs=1e-3)
    with Image.open(path) as image:
        same = to_image_data(image)
    if ending != "tif":
        assert np.array_equal(same.pixels, data.pixels)


def test_tags_count_relative_to_the_size_that_they_were_written_for(tmp_path: Path) -> None:
    half = gpano((256, 128), (128, 64), (64, 32))
    data = read_image(write_xmp(tmp_path / "small.png", picture(), half))
    assert data.size == (64, 128)
    assert data.valid is not None
    assert data.valid[16:48, 32:96].all()
    assert data.valid.mean() == 0.25


def test_a_part_may_go_on_beyond_the_seam(tmp_path: Path) -> None:
    path = write_xmp(tmp_path / "s.png", picture(), gpano((128, 64), (64, 32), (96, 0)))
    data = read_image(path)
    assert data.valid is not None
    assert data.valid[:32, 96:].all()
    assert data.valid[:32, :32].all()
    assert not data.valid[:, 32:96].any()
    assert np.array_equal(data.pixels[:32, :32], picture()[:, 32:])


def test_elements_are_read_like_attributes(tmp_path: Path) -> None:
    fields = {"FullPanoWidthPixels": 128, "FullPanoHeightPixels": 64}
    fields |= {"CroppedAreaImageWidthPixels": 64, "CroppedAreaImageHeightPixels": 32}
    fields |= {"CroppedAreaLeftPixels": 0, "CroppedAreaTopPixels": 0}
    xmp = "".join(f"<GPano:{key}>{value}</GPano:{key}>" for key, value in fields.items())
    assert read_image(write_xmp(tmp_path / "e.png", picture(), xmp)).size == (64, 128)


def test_full_panoramas_and_stale_tags(tmp_path: Path) -> None:
    whole = gpano((W, H), (W, H), (0, 0), PoseHeadingDegrees="12.5")
    data = read_image(write_xmp(tmp_path / "w.png", picture(), whole))
    assert np.array_equal(data.pixels, picture())
    assert (data.valid, data.notes) == (None, ())
    padded = read_image(
        write_xmp(tmp_path / "s.png", picture(), gpano((W, H), (W, H // 2), (0, 8)))
    )
    assert padded.valid is None
    assert "64x16 of 64x32" in padded.notes[0]


@pytest.mark.parametrize(
    ("xmp", "says"),
    [
        (gpano((128, 64), (64, 32), (32, 40)), "contradict each other"),
        (gpano((128, 64), (64, 32), (32, -4)), "contradict each other"),
        (gpano((128, 64), (200, 32), (0, 0)), "contradict each other"),
        (gpano((128, 64), (64, 32), (0, 0)).replace('="64"', '="x"', 1), "no number"),
        (gpano((128, 64), (20, 32), (32, 0)), "do not fit its 64x40 pixels"),
        (gpano((128, 100), (64, 32), (0, 0)), "contradict each other"),
        (GPANO.format('GPano:ProjectionType="cylindrical"'), "projection is cylindrical"),
        (GPANO.format('GPano:CroppedAreaLeftPixels="8"'), "how large the whole panorama is"),
        (PART.replace('LeftPixels="32"', 'LeftPixels=""'), "do not say where in the panorama"),
    ],
)
def test_tags_that_cannot_be_true_are_named(tmp_path: Path, xmp: str, says: str) -> None:
    message = refused(write_xmp(tmp_path / "t.png", picture(0, 40), xmp))
    assert says in message
    assert "GPano" in message


@pytest.mark.parametrize(
    "missing",
    ["FullPanoWidth", "FullPanoHeight", "CroppedAreaImageWidth", "CroppedAreaImage", "Height"],
)
def test_what_tags_leave_out_follows_from_the_shapes(tmp_path: Path, missing: str) -> None:
    xmp = re.sub(rf'GPano:\w*{missing}\w*="\d+"', "", PART)
    data = read_image(write_xmp(tmp_path / "p.png", picture(), xmp))
    assert data.pano.area == Area((64, 128), 16, 32, (32, 64))


def test_tags_of_a_whole_alone_change_nothing(tmp_path: Path) -> None:
    for said in ('GPano:FullPanoWidthPixels="128"', 'GPano:FullPanoHeightPixels="32"'):
        data = read_image(write_xmp(tmp_path / "w.png", picture(), GPANO.format(said)))
        assert (data.pano, data.valid, data.notes) == (None, None, ())
    said = 'GPano:CroppedAreaImageWidthPixels="64"'
    data = read_image(write_xmp(tmp_path / "w.png", picture(), GPANO.format(said)))
    assert data.notes == ("GPano tags name a part but no whole: taken for it",)


@pytest.mark.parametrize("prefix", ["g", "pano-1", "Pano"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32-le"])
def test_tags_in_any_encoding_under_any_prefix(prefix: str, encoding: str) -> None:
    xmp = PART.replace("GPano:", f"{prefix}:").replace("xmlns:GPano", f"xmlns:{prefix}")
    area, note = pano_area(xmp.encode(encoding), (H, W), "x")
    assert (area, note) == (Area((64, 128), 16, 32, (32, 64)), "")


FIELDS = re.findall(r'GPano:(\w+)="(\w+)"', PART)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        (' rdf:datatype="http://www.w3.org/2001/XMLSchema#integer">', ""),
        ('><rdf:Alt><rdf:li xml:lang="x-default">', "</rdf:li></rdf:Alt>"),
        ("><rdf:Seq>\n <rdf:li>", "</rdf:li></rdf:Seq>"),
        ("><![CDATA[", "]]>"),
        ("><!-- of the whole: 7 -->\n", "\n"),
        (">&#32;", "&#x20;"),
    ],
)
def test_elements_as_rdf_and_xml_allow_them(opening: str, closing: str) -> None:
    tags = "".join(f"<GPano:{k}{opening}{v}{closing}</GPano:{k}>" for k, v in FIELDS)
    area, _ = pano_area(f"<GPano:Empty/>{tags}".encode(), (H, W), "x")
    assert area == Area((64, 128), 16, 32, (32, 64))


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("prefix", ["", "p"])
def test_the_namespace_may_be_named_by_each_element(prefix: str, scheme: str, slash: str) -> None:
    named = f'{scheme}://ns.google.com/photos/1.0/panorama{slash}"'
    where, colon = (f"xmlns:{prefix}", ":") if prefix else ("xmlns", "")
    tags = [f'<{prefix}{colon}{k} {where}="{named}>{v}</{prefix}{colon}{k}>' for k, v in FIELDS]
    area, _ = pano_area("".join(tags).encode(), (H, W), "x")
    assert area == Area((64, 128), 16, 32, (32, 64))


def test_an_empty_element_does_not_take_the_next_ones_value() -> None:
    tags = dict(FIELDS, FullPanoWidthPixels="") | {"CroppedAreaLeftPixels": "32"}
    xmp = "".join(
        f"<GPano:{k}>{v}</GPano:{k}>" if v else f'<GPano:{k} a="b"/>' for k, v in tags.items()
    )
    area, _ = pano_area(xmp.encode(), (H, W), "x")  # the width follows from the height
    assert area == Area((64, 128), 16, 32, (32, 64))


def test_many_prefixes_are_replaced_at_once() -> None:
    named = '"http://ns.google.com/photos/1.0/panorama/"'
    xmp = "".join(f"xmlns:a{number}={named} " for number in range(15_000)) + PART
    started = time.monotonic()
    area, _ = pano_area(xmp.encode(), (H, W), "x")
    assert area == Area((64, 128), 16, 32, (32, 64))
    assert time.monotonic() - started < 60  # one by one they took many minutes


def test_a_second_xmp_packet_counts_too(tmp_path: Path) -> None:
    path = write_xmp(tmp_path / "p.jpg", picture(), PART)
    first = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"
    content = path.read_bytes()
    segment = b"\xff\xe1" + (len(first) + 2).to_bytes(2, "big") + first
    path.write_bytes(content[:2] + segment + content[2:])
    assert read_image(path).pano.area == Area((64, 128), 16, 32, (32, 64))
