"""Tensors in .safetensors files: read without keeping the file mapped, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from panodepth.atomic import atomic
from panodepth.errors import ModelError, OutputError

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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> None:
    """Write a file whole, or leave things as they were. Raises OutputError.

    tensors: (...) each, of any device and layout. texts: the file's metadata.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic(path) as (temporary,):
        mode = temporary.stat().st_mode  # as the umask wants it; save_file makes it private
        try:
            save_file(plain, str(temporary), dict(texts))
        except SafetensorError as error:
            raise OutputError(f"{path}: weights cannot be written there ({error})") from error
        temporary.chmod(mode)
