"""Activations in 8 bits too, with ranges measured on pictures once (post-training, by NNCF)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from panodepth.errors import ConfigError, require
from panodepth.predict.openvino.backend import OpenVinoPredictor, read_network
from panodepth.predict.openvino.conversion import EXACT, quiet_nncf, save_xml
from panodepth.predict.options import PredictOptions

PLAIN = PredictOptions(level="none")  # pictures as they are shown to the network


def calibrate(predictor: OpenVinoPredictor, pictures: Iterable[Any], path: Path) -> Path:
    """Write a predictor's network as .xml with weights and activations in 8 bits.

    predictor: of a float32 file of `panodepth export`. pictures: what `predict` takes, a dozen or
    more like those that will be predicted; each is seen once. The blocks' linear layers and
    attention then multiply 8-bit integers, with ranges that stay as they were measured; the parts
    named by EXACT do not. Raises ConfigError without NNCF, for a file that is not float32, and
    without pictures; OutputError when the file cannot be written; InputError for a picture.
    """
    require("calibration", "openvino", "nncf")
    if predictor.facts["precision"] != "float32":
        raise ConfigError(f"{predictor.path}: calibration starts from a float32 file")
    seen = [predictor.fed(predictor.prepare(one, None, PLAIN).pixels) for one in pictures]
    if not seen:
        raise ConfigError("calibration needs pictures")
    model = read_network(predictor.path)
    with quiet_nncf():
        import nncf

        quantised = nncf.quantize(
            model,
            nncf.Dataset(seen),
            subset_size=len(seen),
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(patterns=list(EXACT), validate=False),
        )
    facts = {**predictor.facts, "precision": "int8", "calibration": f"{len(seen)} pictures"}
    return save_xml(quantised, facts, path)
