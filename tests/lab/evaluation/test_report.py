"""Means, intervals, tables, the page, and the published numbers beside them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.lab.evaluation.conftest import Fixed, panorama, smooth

from panodepth.errors import ConfigError
from panodepth.lab.evaluation.command import skipped_lines, write_report
from panodepth.lab.evaluation.protocol import PROTOCOLS
from panodepth.lab.evaluation.report import paired, pictures, report
from panodepth.lab.evaluation.report.page import Shown, html
from panodepth.lab.evaluation.report.published import published
from panodepth.lab.evaluation.report.summary import RESAMPLES, statistic, summarise
from panodepth.lab.evaluation.run.journal import Row
from panodepth.lab.evaluation.scoring import compare
from panodepth.types import Panorama

RUN = {"predictor": "mine<1>", "threads": 1}


def rows(dataset="stanford2d3d", count=20):
    made = [
        Row(dataset, i, f"n{i}", {"abs_rel": 0.05 + 0.01 * i, "rmse": 0.2, "delta1": 0.9})
        for i in range(count)
    ]
    return [*made, Row(dataset, count, "bad|name", reason="no such file")]


def made_report(dataset="stanford2d3d", protocol="da2"):
    return report.build(rows(dataset), PROTOCOLS[protocol], {dataset: dataset}, RUN)


def test_means_and_counts():
    (summary,) = summarise(rows())
    assert (summary.images, summary.skipped) == (20, 1)
    found = summary.measures["abs_rel"]
    assert found.mean == pytest.approx(0.145)
    assert found.low < 0.145 < found.high
    assert "seam" not in summary.measures


def test_a_measure_that_some_images_lack_is_the_mean_of_the_rest():
    some = [Row("d", 0, "a", {"seam": 1.0}), Row("d", 1, "b", {"seam": None})]
    found = summarise(some)[0].measures["seam"]
    assert found == statistic([1.0])
    assert (found.mean, found.low, found.count) == (1.0, None, 1)


def test_the_interval_is_that_of_the_mean():
    values = np.random.default_rng(5).normal(10, 2, 400)
    found = statistic(values.tolist())
    error = values.std() / 20
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error * 3)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error * 3)
    assert found == statistic(values.tolist())
    many = statistic(np.linspace(0, 1, 5000).tolist())  # drawn in several blocks
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.2887 / 5000**0.5, rel=0.15)
    assert RESAMPLES >= 1000


def test_the_published_table_is_whole():
    table = published()
    assert len(table) == 35
    ours = table[-1]
    assert (ours.setting, ours.method) == ("zero-shot end-to-end", "DA2")
    assert ours.values["stanford2d3d", "abs_rel"] == pytest.approx(0.0723)
    assert ours.values["matterport3d", "rmse"] == pytest.approx(0.2882)
    assert table[3].values["panosuncg", "delta1"] is None
    unik3d = next(row for row in table if row.method == "UniK3D")
    kinds = ("stanford2d3d", "matterport3d", "panosuncg")
    cuts = [1 - ours.values[k, "abs_rel"] / unik3d.values[k, "abs_rel"] for k in kinds]
    assert sum(cuts) / 3 == pytest.approx(0.38, abs=0.005)  # the paper's headline


def test_published_rows_stand_beside_the_paper_s_datasets_only():
    table = report.comparison_table([made_report()])
    assert len(table) == 1 + 1 + 35
    assert table[1][:6] == ["mine<1>", "da2", "14.50", "0.2000", "90.00", "–"]
    assert table[-1][:6] == [
        "DA2 (published, zero-shot end-to-end)",
        "da2",
        "7.23",
        "0.1400",
        "95.45",
        "98.38",
    ]
    affine = [row for row in table if row[0].startswith("PanDA")]
    assert [row[1] for row in affine] == ["da2", "affine"]
    assert len(report.comparison_table([made_report("own")])) == 2
    assert len(report.comparison_table([made_report(protocol="sphere")])) == 2


def test_runs_stand_side_by_side():
    table = report.comparison_table([made_report("own"), made_report("own", "sphere")])
    assert [row[1] for row in table] == ["protocol", "da2", "sphere"]
    other = report.comparison_table([made_report("own"), made_report("else")])
    assert other[2][2:] == ["–"] * 4


def test_markdown_says_the_protocol_and_who_was_skipped():
    text = report.markdown(made_report())
    for fact in PROTOCOLS["da2"].facts():
        assert f"- {fact}" in text
    assert "black pixels are left out of the alignment only" in text
    assert "| stanford2d3d | bad\\|name | no such file |" in text
    assert "AbsRel % ↓ | 14.50 [" in text
    heads = [line for line in text.splitlines() if line.startswith("| measure")]
    assert heads == ["| measure | stanford2d3d (20) |"]


def test_missing_predictions_are_told():
    few = [Row("d", 0, "a", {"abs_rel": 0.1, "coverage": 0.75})]
    made = report.build(few, PROTOCOLS["uncapped"], {"d": "folder"}, RUN)
    assert "d: predictions are missing on 25.00% of the pixels" in report.remarks(made)


def test_an_earlier_report_on_other_files_is_told_of():
    def of(stamp: str) -> dict:
        row = Row("d", 0, "a", {"abs_rel": 0.1}, files=stamp)
        return report.build([row], PROTOCOLS["uncapped"], {"d": "folder"}, RUN)

    told = "d: mine<1>, protocol uncapped was measured on other images"
    assert told in report.markdown(of("x"), [of("y")])
    assert "was measured on other images" in html(of("x"), [of("y")])
    for other in (of("x"), of("")):  # the same, or a report that does not know
        assert "other images" not in report.markdown(of("x"), [other])


def test_csv_reads_back_exactly():
    value = 0.1 + 0.2
    text = report.csv_text([Row("d", 0, "a,b", {"abs_rel": value, "seam": None}), rows()[-1]])
    lines = text.splitlines()
    assert lines[0] == "dataset,name,abs_rel,seam,skipped"
    assert lines[1] == f'd,"a,b",{value!r},,'
    assert lines[2] == "stanford2d3d,bad|name,,,no such file"


def test_worst_and_median_are_chosen():
    chosen = pictures.choose(rows(), 3)
    assert [(c.row.index, c.why) for c in chosen[:3]] == [
        (19, "worst"),
        (18, "worst"),
        (17, "worst"),
    ]
    assert [c.row.index for c in chosen[3:]] == [8, 9, 10]
    assert len(pictures.choose(rows(count=2), 3)) == 2


def test_the_strip_shows_the_error_in_its_place():
    import cv2

    made = panorama(0, 64, 128)
    prediction = smooth(0, 64, 128)
    prediction[:, :64] *= 2
    mask = made.mask.copy()
    mask[:8] = False
    compared = compare(replace(made, mask=mask), Fixed(prediction)(made), PROTOCOLS["metric"])
    jpeg = pictures.strip(made.image, compared)
    strip = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape == (240, 4 * 480 + 3 * 4, 3)
    error = strip[:, -480:, ::-1].astype(int)
    assert error[150, 100] == pytest.approx([190, 32, 38], abs=12)  # too far: red
    assert error[150, 400] == pytest.approx([246, 246, 246], abs=12)
    assert error[5, 200] == pytest.approx([40, 40, 40], abs=12)  # no truth


def test_the_page_is_one_file_and_escapes_names():
    shown = [Shown(pictures.Choice(rows()[3], "worst"), b"\xff\xd8")]
    text = html(made_report(), [made_report()], shown)
    assert "mine&lt;1&gt;" in text
    assert "mine<1>" not in text
    assert "data:image/jpeg;base64,/9g=" in text
    assert not re.search(r'(src|href)="?(http|/)', text)
    assert text.count("<table>") == text.count("</table>") == 3


def test_files_are_written_and_read_again(tmp_path):
    made = made_report()
    write_report(tmp_path, rows(), made)
    names = {"report.json", "report.md", "images.csv", "index.html"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert report.read_report(tmp_path) == json.loads(json.dumps(made))
    with pytest.raises(ConfigError, match="no report"):
        report.read_report(tmp_path / "none")
    for damaged in ("{}", "[" * 100_000):
        (tmp_path / "report.json").write_text(damaged)
        with pytest.raises(ConfigError, match="no report"):
            report.read_report(tmp_path)


def test_panels_show_input_truth_prediction_and_error():
    """Rows at distance 1 to 8, half of the last seen as twice as far; the top row is unknown."""
    distance = np.repeat(np.arange(1, 9, dtype=np.float32)[:, None], 16, axis=1)
    known = np.ones(distance.shape, bool)
    known[0], distance[0] = False, 0.0
    said = 20 * np.maximum(distance, 1)
    said[7, :8] *= 2  # beyond the median, which stays
    image = np.zeros((8, 16, 3), np.float32)
    image[..., 0] = 1
    made = Panorama(image, distance, known, {"name": "x"})
    compared = compare(made, Fixed(said)(made), PROTOCOLS["uncapped"])
    seen, truth, prediction, error = pictures.panels(image, compared)
    assert (seen == [255, 0, 0]).all()
    right, wrong = (6, 12), (7, 2)
    assert (prediction[right] == truth[right]).all(), "aligned, on the truth's scale"
    assert (truth[0] == truth[0, 0]).all()
    assert (truth[0, 0] != truth[1, 0]).any()
    assert error[right].min() > 240, "no error: white"
    assert error[wrong][0] > 2 * error[wrong][2], "too far: red"
    assert (error[0] == pictures.NOTHING).all()
    grey = pictures.panels(image, compared, sky=distance > 7)[2]
    assert (grey[7] == truth[0, 0]).all(), "predicted sky is as grey as what the truth lacks"
    assert (grey[:7] == prediction[:7]).all()


def test_few_images_beside_published_rows_are_told():
    (first, *_) = report.remarks(made_report("matterport3d"))
    assert first.startswith("matterport3d: 20 images here, 2,014 behind the published rows")
    assert first in report.markdown(made_report("matterport3d"))
    assert report.other_images(made_report("own")) == []
    whole = made_report("matterport3d")
    whole["datasets"]["matterport3d"]["images"] = 2014
    assert report.other_images(whole) == []


def test_lengths_have_units():
    heads = [row[0] for row in report.measure_table(made_report())]
    assert "RMSE [m] ↓" in heads
    assert "AbsRel % ↓" in heads
    relative = made_report("own", "uncapped")
    assert "RMSE [unit] ↓" in [row[0] for row in report.measure_table(relative)]
    assert any(text.startswith("[unit]") for text in report.remarks(relative))


def test_what_all_samples_share_is_said_once():
    skipped = [{"dataset": "d", "name": f"n{i}", "reason": "no unit"} for i in range(16)]
    skipped += [{"dataset": "d", "name": "x", "reason": "damaged"}]
    made = {"skipped": skipped, "datasets": {"d": {"images": 0}}}
    assert skipped_lines(made) == ["d: n0 and 15 more: no unit", "d: x: damaged"]
    made["datasets"]["d"]["images"] = 1
    assert len(skipped_lines(made)) == 17
    pairs = [{"dataset": "d", "name": f"in/{i}", "reason": f"/a/in/{i}_d.png: ?"} for i in "pqr"]
    made = {"skipped": pairs, "datasets": {"d": {"images": 0}}}
    assert skipped_lines(made) == ["d: in/p and 2 more: /a/in/p_d.png: ?"]


def test_two_runs_are_compared_image_by_image(tmp_path):
    """Images differ by more than the runs do, and yet their difference is sure."""
    other = made_report()
    gains = np.linspace(0.001, 0.005, 20)
    better = [
        replace(r, values={**r.values, "abs_rel": r.values["abs_rel"] - g})
        for r, g in zip(rows(), gains, strict=False)
    ]
    now = report.build(better, PROTOCOLS["da2"], {}, {"predictor": "tuned", "threads": 1})
    write_report(tmp_path, rows(), other)
    images = paired.read_images(tmp_path / "report.json", "images.csv")
    (found,) = paired.differences(now, better, other, images)
    assert (found["dataset"], found["beside"], found["images"]) == ("stanford2d3d", "mine<1>", 20)
    told = found["measures"]["abs_rel"]
    assert told["difference"] == pytest.approx(-gains.mean())
    assert told["low"] < -gains.mean() < told["high"] < 0
    assert told["p"] < 0.001
    assert paired.verdict("abs_rel", told) == "better"
    assert paired.verdict("delta1", {**told, "difference": -0.1}) == "worse"
    assert found["measures"]["delta1"]["p"] == 1
    text = report.markdown({**now, "beside": [found]}, [other])
    assert "| stanford2d3d | mine<1> | 20 | -0.30 [" in text
    assert "~ (p 1)" in text
    (line,) = paired.sentences([found])
    assert line.startswith("stanford2d3d, beside mine<1>, 20 images: AbsRel % ↓ -0.30 [")
    sphere = report.build(better, PROTOCOLS["sphere"], {}, RUN)
    assert paired.differences(sphere, better, other, images) == []
    assert paired.differences(now, better, other, paired.read_images(tmp_path / "no", "no")) == []
    (tmp_path / "images.csv").write_text("dataset;name;abs_rel\nd;n;0,05\n")  # by a spreadsheet
    with pytest.raises(ConfigError, match="not the images of an earlier report"):
        paired.read_images(tmp_path, "images.csv")


def test_what_cannot_be_compared_image_by_image_says_why():
    now, images = made_report(), {("stanford2d3d", "a"): {"abs_rel": 0.1}}
    protocol = now["protocol"]
    for change, said in (
        ({"protocol": {**protocol, "name": "sphere"}}, "its protocol is sphere"),
        ({"protocol": {**protocol, "far": 6.0}}, "its protocol da2 had other rules"),
        ({"datasets": {"mine": {}}}, "its datasets are called mine"),
        ({}, "it measured other images, or other files of theirs"),
    ):
        text = paired.why_not(now, {**now, **change}, images)
        assert text == f"mine<1> is not compared image by image: {said}"
    assert paired.why_not(now, now, {}).endswith("no images.csv beside its report.json")


def test_a_difference_of_few_images_is_never_sure():
    assert paired.chance([-1.0, -1.1, -1.2, -1.3, -1.4]) == 2 / 32
    assert paired.chance([-1.0, -1.1, -1.2, -1.3, -1.4, -1.5]) == 2 / 64
    assert paired.chance([1.0, -1.0]) == 1
    noise = np.random.default_rng(3).normal(0, 1, 200)
    assert paired.chance(noise) > 0.05
    assert paired.chance(noise - noise.mean() + 0.5) < 0.001
