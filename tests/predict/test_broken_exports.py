"""Exported files that are damaged: one line of ours, and nothing that a runtime prints."""

from __future__ import annotations

from pathlib import Path

import pytest

import panodepth
from panodepth.errors import ModelError


def onnx_with_bytes_for_a_text() -> bytes:
    """A network with a layer whose kind is no UTF-8: so is the error about it."""
    onnx = pytest.importorskip("onnx")
    sides = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    node = onnx.helper.make_node("Layer", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", sides[:1], sides[1:])
    model = onnx.helper.make_model(graph, ir_version=8)
    content: bytes = model.SerializeToString()
    return content.replace(b"Layer", b"\xff" * 5)


@pytest.mark.parametrize(
    ("name", "content", "runtime"),
    [
        ("a.onnx", b"\x08\x07\x12", "onnxruntime"),
        ("b.onnx", None, "onnxruntime"),
        ("a.xml", b"<net><layers>", "openvino"),
        ("b.xml", b"\xff\xfe\x00" * 9, "openvino"),
    ],
)
def test_a_damaged_file_is_one_line(
    name: str,
    content: bytes | None,
    runtime: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip(runtime)
    path = tmp_path / name
    path.write_bytes(onnx_with_bytes_for_a_text() if content is None else content)
    with pytest.raises(ModelError, match="panodepth export makes it anew") as caught:
        panodepth.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
