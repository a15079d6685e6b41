"""Files, folders and globs; every result has its own name, the same in every run."""

from __future__ import annotations

from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panodepth.errors import InputError
from panodepth.predict.folder.inputs import InputFile, _with_unique_targets, find_inputs, find_mask


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


def test_hopeless_collisions_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "room.jpg", "room.png", "room_jpg.png")
    with pytest.raises(InputError, match="would both be written as room_jpg"):
        find_inputs([str(tmp_path)])


def test_results_are_not_inputs(tmp_path: Path) -> None:
    make(tmp_path, "room.jpg", "room_preview.png", "room_distance.exr", "my_preview.png")
    assert set(targets(tmp_path, out=tmp_path)) == {"room.jpg", "my_preview.png"}
    make(tmp_path, "room.png", "room_png_normals.png")
    assert set(targets(f"{tmp_path}/*", out=tmp_path)) == {"room.jpg", "room.png", "my_preview.png"}
    make(tmp_path, "out/other.png")
    assert "other.png" not in targets(tmp_path, out=tmp_path / "out")


def test_masks(tmp_path: Path) -> None:
    make(tmp_path, "in/s/room.jpg", "in/hall.jpg", "in/x.jpg", "masks/s/room.png", "masks/hall.tif")
    masks = tmp_path / "masks"
    by_name = {item.path.name: item for item in find_inputs([str(tmp_path / "in")]).files}
    assert find_mask(masks, by_name["room.jpg"]) == masks / "s" / "room.png"
    assert find_mask(masks, by_name["hall.jpg"]) == masks / "hall.tif"
    assert find_mask(None, by_name["x.jpg"]) is None
    assert find_mask(masks / "hall.tif", by_name["x.jpg"]) == masks / "hall.tif"
    with pytest.raises(InputError, match=r"x\.jpg: no mask x\.png in"):
        find_mask(masks, by_name["x.jpg"])


names = st.text("ab", min_size=1, max_size=2)


@given(st.sets(st.tuples(names, names, st.sampled_from(["png", "jpg"])), min_size=1, max_size=8))
def test_no_two_inputs_share_a_target(files: set[tuple[str, str, str]]) -> None:
    paths = [Path("/in", folder, f"{stem}.{ending}") for folder, stem, ending in sorted(files)]
    items = [InputFile(path, PurePath(path.name), PurePath(path.stem)) for path in paths]
    found = _with_unique_targets(items)
    assert len({str(item.target).lower() for item in found}) == len(paths)
    assert [item.path for item in found] == paths
    reverse = _with_unique_targets(items[::-1])
    assert {i.path: i.target for i in reverse} == {i.path: i.target for i in found}
