"""A site that predicts in the browser: the bundle of web/app (site/ beside this file) and a model.

The host only hands out files; pictures never leave the machine that opens the page.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from html import escape
from importlib.resources import files
from pathlib import Path

from panodepth.app.shipped import examples
from panodepth.atomic import write_atomic
from panodepth.errors import OutputError, require
from panodepth.export.colour import distance_table
from panodepth.export.html.packing import as_text
from panodepth.export.html.page import bundle
from panodepth.model.distance import SCALE_QUANTILE

SITE = ("index.html", "app.js", "worker.js", "manifest.webmanifest", "icon.svg", "ort.wasm.bin")


def write_site(folder: Path, model: str = "default", *, int8: bool = False) -> list[Path]:
    """Write the site into a folder and return its files.

    model: as `load` takes it. int8: 8-bit weights, half the download.
    Raises ConfigError without the extra onnx, ModelError, and OutputError where a file is in the
    way that is no site's.
    """
    require("app --static", "onnx", "onnx")
    from panodepth.model import load_model
    from panodepth.onnx import onnx_file
    from panodepth.predict.models import find_model

    if (folder / "index.html").exists() and not (folder / "ort.wasm.bin").exists():
        raise OutputError(f"{folder}: holds another page; name a new folder")
    name, path = find_model(model)
    options = onnx_file.OnnxOptions(int8=int8, name=name)
    proto = onnx_file.build_onnx(load_model(path), options)
    facts = onnx_file.metadata_of(proto)
    config = {key: facts[key] for key in ("model", "edges")}
    size = {key: int(facts[key]) for key in ("height", "width")}
    source = files("panodepth.app").joinpath("site")
    network = gzip.compress(proto.SerializeToString(), 9, mtime=0)
    contents = {file: source.joinpath(file).read_bytes() for file in SITE} | {"model.bin": network}
    size["bytes"] = len(network) + len(contents["ort.wasm.bin"])  # of what the first picture needs
    contents |= {
        "config.json": json.dumps(config | size | {"quantile": SCALE_QUANTILE}).encode(),
        "viewer.html": bundle().encode(),
        "table.txt": as_text(distance_table().tobytes()).encode(),
    }
    shown = {f"example-{file.name}": file for file in examples()}
    contents |= {name: file.read_bytes() for name, file in shown.items()}
    buttons = [_button(name, file.stem) for name, file in shown.items()]
    page = contents["index.html"].decode().replace("{{EXAMPLES}}", "".join(buttons))
    contents["index.html"] = page.encode()
    version = hashlib.sha256(b"".join(contents.values())).hexdigest()[:16]
    service = source.joinpath("sw.js").read_text(encoding="utf-8")
    service = service.replace("{{VERSION}}", version).replace("{{EXAMPLES}}", json.dumps([*shown]))
    contents["sw.js"] = service.encode()
    for file, content in contents.items():
        write_atomic(folder / file, content)
    return [folder / file for file in contents]


def _button(file: str, name: str) -> str:
    """Of the page, for an example picture."""
    told = escape(name)
    image = f'<img src="{escape(file)}" alt="{told}" width="136" height="68">'
    return f'<button title="Try this one: {told}">{image}</button>'
