"""Datasets as the command line names them, in true layouts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from panodepth.errors import ConfigError
from panodepth.lab.data import open_source, write_shards
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.run.datasets import open_datasets, split_groups
from panodepth.lab.evaluation.run.predictors import shared_names


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    pano = tmp_path / "2D3DS" / "area_5a" / "pano"
    for part in ("rgb", "depth"):
        (pano / part).mkdir(parents=True)
    for name in ("camera_a", "camera_b"):
        cv2.imwrite(str(pano / f"rgb/{name}_rgb.png"), np.full((16, 32, 3), 90, np.uint8))
        cv2.imwrite(str(pano / f"depth/{name}_depth.png"), np.full((16, 32), 2048, np.uint16))
    return tmp_path / "2D3DS"


def test_da2_reads_the_released_steps_and_the_others_the_true_ones(stanford):
    for name, metres in (("da2", 2.048), ("affine", 2.048), ("da2-fixed", 4.0), ("sphere", 4.0)):
        (dataset,) = open_datasets([f"stanford2d3d={stanford}"], PROTOCOLS[name])
        assert dataset.kind == "stanford2d3d"
        assert dataset.source[0].distance[0, 0] == pytest.approx(metres)


def test_names_kinds_and_splits(stanford, tree, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text(
        "area_5a/pano/rgb/camera_b_rgb.png area_5a/pano/depth/camera_b_depth.png\n"
        "area_5a/pano/rgb/gone_rgb.png area_5a/pano/depth/gone_depth.png\n"
    )
    datasets = open_datasets(
        [f"stanford2d3d:test={stanford}", f"mine={tree}", str(tree)],
        PROTOCOLS["da2"],
        [f"test={listed}"],
    )
    assert [(d.name, d.kind) for d in datasets] == [
        ("test", "stanford2d3d"),
        ("mine", "folder"),
        ("tree", "folder"),
    ]
    assert datasets[0].sample_name(1) == "area_5a/pano/rgb/gone_rgb"
    assert len(datasets[1].source) == 30


def test_samples_of_shards_have_the_names_that_they_had(tmp_path: Path) -> None:
    """By which they are grouped, and predicted files are found; of other makers, their keys."""
    rows = np.full((16, 32), 2, np.float32)
    for name in ("x/atrium", "y/atrium", "y/yard"):
        place = tmp_path / "own" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"{place}.png", np.full((16, 32, 3), 90, np.uint8))
        np.save(f"{place}_distance.npy", rows)
    write_shards(open_source("folder", tmp_path / "own"), tmp_path / "tars")
    (dataset,) = open_datasets([str(tmp_path / "tars")], PROTOCOLS["uncapped"])
    assert dataset.kind == "shards"
    names = [dataset.sample_name(i) for i in range(3)]
    assert names == [dataset.source[i].meta["name"] for i in range(3)]
    assert names == ["x/atrium", "y/atrium", "y/yard"]
    assert shared_names(names) == {"atrium"}
    inside, other = split_groups([dataset], ["inside=a*"])
    assert [inside.sample_name(1), other.sample_name(0)] == ["y/atrium", "y/yard"]

    (tar,) = (tmp_path / "tars").glob("*.tar")
    content = tar.read_bytes()
    for index in (tmp_path / "tars").glob("*.index.json"):
        index.unlink()
    tar.write_bytes(content.replace(b'"name": "y/yard"', b'"name": 12345678'))
    (dataset,) = open_datasets([str(tmp_path / "tars")], PROTOCOLS["uncapped"])
    assert [dataset.sample_name(i) for i in (1, 2)] == ["y/atrium", "00000002_y_yard"]
    tar.write_bytes(content.replace(b'"name": "y/yard"', b'"name"; "y/yard"'))
    (dataset,) = open_datasets([str(tmp_path / "tars")], PROTOCOLS["uncapped"])
    assert dataset.sample_name(2) == "00000002_y_yard"


def test_a_folder_s_path_may_hold_an_equals_sign(tree, tmp_path):
    folder = tmp_path / "lr=1" / "rooms"
    folder.parent.mkdir()
    folder.symlink_to(tree, target_is_directory=True)
    for text, name in ((f"mine={folder}", "mine"), (str(folder), "tree")):
        (dataset,) = open_datasets([text], PROTOCOLS["da2"])
        assert (dataset.name, dataset.path, len(dataset.source)) == (name, str(folder), 30)


def test_hidden_files_say_nothing_of_what_a_folder_holds(tree):
    for name in ("._old.tar", "._old_pano.json"):
        (tree / name).touch()
    (dataset,) = open_datasets([str(tree)], PROTOCOLS["da2"])
    assert dataset.kind == "folder"


def test_the_fit_copy_is_smaller_for_panosuncg(tmp_path):
    room = tmp_path / "house" / "room"
    room.mkdir(parents=True)
    cv2.imwrite(str(room / "1_color.png"), np.full((16, 32, 3), 90, np.uint8))
    cv2.imwrite(str(room / "1_depth.png"), np.full((16, 32, 3), 40, np.uint8))
    (dataset,) = open_datasets([f"panosuncg={tmp_path}"], PROTOCOLS["affine"])
    assert dataset.fit_side == 1024
    assert dataset.source[0].distance[0, 0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("texts", "splits", "said"),
    [
        (["a={tree}", "a={tree}"], [], "two datasets are called 'a'"),
        (["={tree}"], [], "no name before ="),
        (["a={tree}/none"], [], "no such folder"),
        (["nonsense:a={tree}"], [], "source kind 'nonsense'"),
        (["matterport3d={tree}"], [], "no Matterport3D"),
        (["a={tree}"], ["b=list.txt"], "no dataset of that name"),
        (["a={tree}"], ["list.txt"], "not NAME=FILE"),
    ],
)
def test_what_can_be_wrong(tree, texts, splits, said):
    with pytest.raises(ConfigError, match=said):
        open_datasets([text.format(tree=tree) for text in texts], PROTOCOLS["da2"], splits)
