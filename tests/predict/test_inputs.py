"""Files, folders and globs; every result has its own name, the same in every run."""

from __future__ import annotations

import errno
import os
import unicodedata
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panodepth.errors import InputError, ModelError
from panodepth.export import WRITERS
from panodepth.predict.folder.inputs import (
    InputFile,
    _below_common,
    _with_unique_targets,
    find_inputs,
    find_mask,
    find_rig_folders,
)
from panodepth.predict.models import find_model
from panodepth.types import Prediction


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def targets(*inputs: Path | str, out: Path | None = None) -> dict[str, str]:
    """Path (from the test's folder on) -> target."""
    found = find_inputs([str(i) for i in inputs], out)
    return {item.path.name: item.target.as_posix() for item in found.files}


def test_a_folder_is_walked_and_mirrored(tmp_path: Path) -> None:
    make(tmp_path, "b.JPG", "a.png", "x/y/c.exr", "notes.txt", ".hidden.png", ".git/d.png")
    make(tmp_path, "@eaDir/a.png/THUMB_XL.jpg", "x/__MACOSX/a.png", "._a.png")
    assert targets(tmp_path) == {"a.png": "a", "b.JPG": "b", "c.exr": "x/y/c"}
    order = [item.path.name for item in find_inputs([str(tmp_path)]).files]
    assert order == ["a.png", "b.JPG", "c.exr"]


def test_globs(tmp_path: Path) -> None:
    make(tmp_path, "in/a.png", "in/s/b.png", "in/s/c.jpg", "in/s/d.txt")
    assert targets(f"{tmp_path}/in/*.png") == {"a.png": "a"}
    assert targets(f"{tmp_path}/in/**/*.png") == {"a.png": "a", "b.png": "s/b"}
    assert targets(f"{tmp_path}/i*") == {"a.png": "in/a", "b.png": "in/s/b", "c.jpg": "in/s/c"}


def test_a_name_with_brackets_is_a_file_first(tmp_path: Path) -> None:
    make(tmp_path, "room[1].png")
    assert targets(tmp_path / "room[1].png") == {"room[1].png": "room[1]"}


def test_any_ending_when_named_by_itself(tmp_path: Path) -> None:
    make(tmp_path, "picture.data")
    assert targets(tmp_path / "picture.data") == {"picture.data": "picture"}


def test_nothing_twice_and_missing_is_told(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    found = find_inputs([str(tmp_path), str(tmp_path / "a.png"), "no.png", "no/*.png"])
    assert len(found.files) == 1
    assert found.missing == ["no.png", "no/*.png"]


def test_same_names_from_different_folders(tmp_path: Path) -> None:
    make(tmp_path, "p/one/room.jpg", "p/two/room.jpg", "p/two/hall.jpg")
    inputs = sorted(tmp_path.glob("p/*/*.jpg"))
    found = [item.target.as_posix() for item in find_inputs([str(i) for i in inputs]).files]
    assert found == ["one/room", "hall", "two/room"]
    both = [str(tmp_path / "p" / name) for name in ("two", "one")]
    again = [item.target.as_posix() for item in find_inputs(both).files]
    assert again == ["hall", "two/room", "one/room"]


def test_same_stem_with_different_endings(tmp_path: Path) -> None:
    make(tmp_path, "room.jpg", "room.png", "hall.png")
    assert targets(tmp_path) == {"room.jpg": "room_jpg", "room.png": "room_png", "hall.png": "hall"}


@pytest.mark.skipif(os.sep == "\\", reason="it parts folders there")
def test_no_result_has_a_backslash_in_its_name(tmp_path: Path) -> None:
    make(tmp_path, "a\\b.jpg", "a_b.jpg", "a\\c.jpg", "a\\c.png")
    assert targets(tmp_path) == {
        "a\\b.jpg": "a_b",
        "a_b.jpg": "a_b_2",
        "a\\c.jpg": "a_c_jpg",
        "a\\c.png": "a_c_png",
    }


@pytest.mark.skipif(os.sep == "\\", reason="such names end before their dots there")
def test_no_result_is_called_as_a_folder_is(tmp_path: Path) -> None:
    make(tmp_path, "in/..jpg", "in/...jpg", "in/x..jpg")
    files = [tmp_path / "in" / name for name in ("..jpg", "...jpg", "x..jpg")]
    assert targets(*files) == {"..jpg": "..jpg", "...jpg": "...jpg", "x..jpg": "x."}


def test_names_that_some_disks_take_for_one(tmp_path: Path) -> None:
    one, two = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    make(tmp_path, "Room.jpg", "room.jpg", f"{two}.jpg", f"{one}.jpg", "b/x.jpg", "B/y.jpg")
    make(tmp_path, "hall.jpg", "hall.png", "hall_jpg.png", "room_2.jpg")
    found = targets(tmp_path)
    assert found == {
        "x.jpg": "b/x",
        "y.jpg": "B/y",
        "Room.jpg": "Room",
        "room.jpg": "room_3",
        f"{two}.jpg": two,
        f"{one}.jpg": f"{one}_2",
        "room_2.jpg": "room_2",
        "hall.jpg": "hall_jpg",
        "hall.png": "hall_png",
        "hall_jpg.png": "hall_jpg_2",
    }


def save(folder: Path, name: str, *formats: str) -> list[Path]:
    """Results of a small prediction."""
    ones = np.ones((8, 16), np.float32)
    image = np.zeros((8, 16, 3), np.uint8)
    meta = {"name": name, "unit": "m", "camera_height_m": 1.6}  # some formats are in metres
    prediction = Prediction(ones, ones > 0, image, meta, confidence=ones)
    return prediction.save(folder, formats or tuple(WRITERS))


def test_results_are_not_inputs_by_what_stands_in_them(tmp_path: Path) -> None:
    make(tmp_path, "room.jpg", "room_preview.png", "room_normals.tiff", "x/room_distance.exr")
    mine = set(targets(tmp_path))
    assert mine == {"room.jpg", "room_preview.png", "room_normals.tiff", "room_distance.exr"}
    made = save(tmp_path / "one", "room")
    made += [path.rename(tmp_path / f"holiday{path.suffix}") for path in save(tmp_path, "b", "png")]
    for inputs in ([str(tmp_path)], [f"{tmp_path}/*"]):
        found = find_inputs(inputs, tmp_path / "two")
        assert {item.path.name for item in found.files} == mine
        assert (found.left_out.results, str(found.left_out)) == (len(made), "")
    found = find_inputs([str(tmp_path / "one" / "room_preview.png"), str(tmp_path / "room.jpg")])
    assert [item.path.name for item in found.files] == ["room.jpg"]
    assert "a result of panodepth" in "".join(found.left_out.problems.values())


def test_what_lies_in_the_output_folder_is_no_input(tmp_path: Path) -> None:
    make(tmp_path, "room.jpg", "out/other.png")
    assert set(targets(tmp_path, out=tmp_path / "out")) == {"room.jpg"}
    assert set(targets(tmp_path / "out", out=tmp_path / "out")) == {"other.png"}


def test_kinds_that_are_not_read_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.DNG", "c.dng", "d.insv", "README", ".hidden", "s/e.mp4")
    left_out = find_inputs([str(tmp_path), str(tmp_path / "a.jpg")]).left_out
    assert left_out.endings == {".dng": 2, ".insv": 1, "": 1, ".mp4": 1}
    assert str(left_out) == "2 .dng, 1 without an ending, 1 .insv, 1 .mp4"
    assert left_out.counts["duplicates"] == 1
    assert find_inputs([str(tmp_path / "**")]).left_out.duplicates == 0
    twice = find_inputs([str(tmp_path), str(tmp_path / "**" / "*"), str(tmp_path)]).left_out
    assert twice.endings == left_out.endings
    make(tmp_path, *(f"x.{letter}" for letter in "qrstuvw"))
    assert str(find_inputs([str(tmp_path)]).left_out).endswith("5 others")


def test_linked_folders_are_walked_once_under_the_link_s_name(tmp_path: Path) -> None:
    make(tmp_path, "real/pano.jpg", "in/top.jpg", "in/deep/x.png", "other/far.png")
    (tmp_path / "in" / "roof").symlink_to("../real")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "deep")
    (tmp_path / "in" / "loop").symlink_to("..")
    (tmp_path / "real" / "back").symlink_to("../in")
    (tmp_path / "real" / "self").symlink_to(".")
    (tmp_path / "in" / "gone").symlink_to("nowhere")
    expected = {"top.jpg": "top", "x.png": "deep/x", "pano.jpg": "roof/pano"}
    assert targets(tmp_path / "in") == expected
    (tmp_path / "link").symlink_to("in")
    assert targets(tmp_path / "link") == expected
    (tmp_path / "in" / "ring.jpg").symlink_to("ring.jpg")
    assert targets(tmp_path / "in") == {**expected, "ring.jpg": "ring"}
    (tmp_path / "in" / "out").symlink_to("../other")
    assert "far.png" not in targets(tmp_path / "in", out=tmp_path / "other")


def test_junctions_are_walked_as_links_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Windows, where `os.walk` does not follow them from Python 3.12 on."""
    make(tmp_path, "in/a/1.jpg", "in/b/2.jpg")

    def walk(top: Any, **more: Any) -> Any:
        for place, folders, names in os_walk(top, **more):
            yield place, folders, names
            folders[:] = [name for name in folders if name != "a"]

    os_walk = os.walk
    monkeypatch.setattr(os, "walk", walk)
    isjunction = lambda path: Path(path).name == "a"  # noqa: E731
    monkeypatch.setattr(os.path, "isjunction", isjunction, raising=False)
    assert list(targets(tmp_path / "in").values()) == ["b/2", "a/1"]


def test_names_of_several_drives() -> None:
    """Windows: they have no folder in common."""
    paths = [PureWindowsPath(p) for p in (r"C:\a\room.jpg", r"D:\a\room.jpg", r"\\nas\x\room.jpg")]
    below = [path.as_posix() for path in _below_common(paths)]
    assert below == ["C/a/room.jpg", "D/a/room.jpg", "nas_x/room.jpg"]


def test_folders_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.jpg", "locked/b.jpg")
    real = os.scandir

    def scandir(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_inputs([str(tmp_path)])
    assert [item.path.name for item in found.files] == ["a.jpg"]
    assert found.left_out.problems == {
        str(tmp_path / "locked"): "cannot be read (Permission denied)"
    }


def test_a_tilde_may_be_part_of_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As programs call their temporary files; no user is called so."""
    make(tmp_path, "~$room.png")
    monkeypatch.chdir(tmp_path)
    found = find_inputs(["~$room.png", "~no user/room.png"])
    assert [item.path.name for item in found.files] == ["~$room.png"]
    assert found.missing == ["~no user/room.png"]
    with pytest.raises(ModelError, match="no model '~no user/model'"):
        find_model("~no user/model")


def test_names_that_cannot_be_are_missing() -> None:
    impossible = ["x" * 5000, "nul\0.jpg"]
    assert find_inputs(impossible).missing == impossible


def test_masks(tmp_path: Path) -> None:
    make(tmp_path, "in/s/room.jpg", "in/hall.jpg", "in/x.jpg", "masks/s/room.png", "masks/hall.tif")
    masks = tmp_path / "masks"
    by_name = {item.path.name: item for item in find_inputs([str(tmp_path / "in")]).files}
    assert find_mask(masks, by_name["room.jpg"]) == masks / "s" / "room.png"
    assert find_mask(masks, by_name["hall.jpg"]) == masks / "hall.tif"
    assert find_mask(None, by_name["x.jpg"]) is None
    (masks / "hall.tif").rename(masks / "hall.PNG")
    assert find_mask(masks, by_name["hall.jpg"]) == masks / "hall.PNG"
    (masks / "hall.PNG").rename(masks / "hall.tif")
    assert find_mask(masks / "hall.tif", by_name["x.jpg"]) == masks / "hall.tif"
    with pytest.raises(InputError, match=r"x\.jpg: no mask x\.png in"):
        find_mask(masks, by_name["x.jpg"])


def test_folders_of_a_rig(tmp_path: Path) -> None:
    make(tmp_path, "2024.01.05/a.jpg", "2024.01.06/a.jpg")
    make(tmp_path, "masks/2024.01.05.png", "masks/2024.01.06.png", "masks/2024.01.png")
    names = ("2024.01.05", "2024.01.06", "masks/2024.01.png", "x")
    inputs = [str(tmp_path / name) for name in names]
    found = find_rig_folders(inputs)
    assert [item.target.name for item in found.files] == ["2024.01.05", "2024.01.06"]
    masks = [find_mask(tmp_path / "masks", item) for item in found.files]
    assert [mask and mask.name for mask in masks] == ["2024.01.05.png", "2024.01.06.png"]
    assert found.missing == [inputs[3]]
    assert found.left_out.problems == {inputs[2]: "a file; a rig's pictures lie in a folder"}


names = st.lists(st.sampled_from("abAe\u0301\u00e9ß_2"), min_size=1, max_size=2).map("".join)


@settings(deadline=None)  # of a busy machine
@given(st.sets(st.tuples(names, names, st.sampled_from(["png", "jpg"])), min_size=1, max_size=8))
def test_no_two_inputs_share_a_target(files: set[tuple[str, str, str]]) -> None:
    paths = [Path("/in", folder, f"{stem}.{ending}") for folder, stem, ending in sorted(files)]
    items = [InputFile(path, PurePath(path.name), PurePath(path.stem)) for path in paths]
    found = _with_unique_targets(items)
    plain = {unicodedata.normalize("NFC", str(item.target)).casefold() for item in found}
    assert len(plain) == len(paths)
    assert [item.path for item in found] == paths
    reverse = _with_unique_targets(items[::-1])
    assert {i.path: i.target for i in reverse} == {i.path: i.target for i in found}


def test_a_picture_and_a_link_to_it_give_one_result_under_its_own_name(tmp_path: Path) -> None:
    make(tmp_path, "in/top.jpg")
    (tmp_path / "in" / "a.jpg").symlink_to("top.jpg")
    (tmp_path / "in" / "z.jpg").symlink_to("top.jpg")
    assert targets(tmp_path / "in") == {"top.jpg": "top"}
