"""Read weights without keeping their file mapped."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor

from panodepth.errors import ModelError

FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class TensorReader:
    """Reads single tensors of a .safetensors file into memory of their own.

    The library's own tensors are views of a mapped file: pages once touched count as the process's
    memory for as long as one tensor of the file lives.
    """

    def __init__(self, path: Path) -> None:
        """path: a file whose header `open_weights` has found whole."""
        self.path = path
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._start = 8 + length

    def read(self, name: str) -> Tensor:
        """The tensor `name`, on the CPU, as it is stored. ModelError when the file ends early."""
        entry = self._header[name]
        first, end = entry["data_offsets"]
        if entry["dtype"] not in FLOATS:
            return torch.empty(0, dtype=torch.int64)  # no precision that weights come in
        data = torch.empty(end - first, dtype=torch.uint8)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._start + first)
            view, filled = memoryview(data.numpy().data), 0
            while filled < len(view):
                count = file.readinto(view[filled:])
                if not count:
                    raise ModelError(f"{self.path}: not a whole .safetensors file (it ends early)")
                filled += count
        return data.view(FLOATS[entry["dtype"]]).view(entry["shape"])
