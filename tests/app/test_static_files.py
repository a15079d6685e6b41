"""The files that the page without a server makes, by its own source in Node, read back."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

WEB = Path(__file__).parents[2] / "web"
MAKE = """
import { build } from "esbuild";
import { writeFile } from "node:fs/promises";
const [out, width] = [process.argv[1], Number(process.argv[2])];
const options = { entryPoints: ["app/files.ts"], bundle: true, format: "esm", write: false };
const bundle = await build(options);
const source = Buffer.from(bundle.outputFiles[0].contents).toString("base64");
const { glb } = await import(`data:text/javascript;base64,${source}`);
const height = width / 2;
const distance = { height, width, values: new Float32Array(width * height).fill(2) };
const blob = await glb({ distance, sky: new Uint8Array(width * height) }, new Blob([]));
await writeFile(out, Buffer.from(await blob.arrayBuffer()));
"""


@pytest.mark.skipif(
    shutil.which("node") is None or not (WEB / "node_modules").exists(),
    reason="needs the program node and web/node_modules",
)
@pytest.mark.parametrize("width", [512, 1444])  # 1444 is no multiple of the mesh's stride of 3
def test_the_mesh_is_closed_over_the_seam(width: int, tmp_path: Path) -> None:
    command = ["node", "--input-type=module", "-e", MAKE, str(tmp_path / "a.glb"), str(width)]
    subprocess.run(command, cwd=WEB, check=True, capture_output=True)
    file = (tmp_path / "a.glb").read_bytes()
    length = int.from_bytes(file[12:16], "little")
    columns = width // -(-width // 720) + 1
    count = columns * (width // 2 // -(-width // 720))
    points = np.frombuffer(file, "<f4", 3 * count, 28 + length).reshape(-1, columns, 3)
    np.testing.assert_allclose(points[:, -1], points[:, 0], atol=1e-5)
