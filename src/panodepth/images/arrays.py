"""NumPy files whose shape and type are checked before anything is unpacked.

A few megabytes of an npz can unpack to many gigabytes; its header says so first.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from panodepth.errors import InputError, damaged, raise_if_out_of_memory
from panodepth.images.limits import MAX_PIXELS

MAX_TEXT_BYTES = 1 << 24  # of an array without (H, W), such as JSON in an npz


def read_npy(path: Path) -> npt.NDArray[Any]:
    """The array of an npy file. Raises InputError when it is damaged or too large."""
    try:
        with path.open("rb") as file:
            return read_array(file, path.stat().st_size, str(path))
    except InputError:
        raise
    except Exception as error:  # headers are evaluated: damaged ones raise anything
        raise_if_out_of_memory(error, str(path))
        raise damaged(str(path), "npy", error) from error


def read_npz(path: Path, wanted: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Those of the arrays `wanted` that an npz file has. Raises InputError as `read_npy`."""
    if ending_of(path) == ".npy":
        raise InputError(f"{path}: an npy file by its content; save it by numpy.savez")
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in wanted:
                if f"{name}.npy" in archive.namelist():
                    about = archive.getinfo(f"{name}.npy")
                    if about.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                        raise InputError(  # whose decoders unpack all of it, however much that is
                            f"{path}: {name} is compressed in a way that NumPy does not write; "
                            "save it by numpy.savez_compressed"
                        )
                    size = about.file_size
                    with archive.open(f"{name}.npy") as member:
                        found[name] = read_array(member, size, f"{path}: {name}")
            return found
    except InputError:
        raise
    except Exception as error:
        raise_if_out_of_memory(error, str(path))
        raise damaged(str(path), "npz", error) from error


def ending_of(path: Path) -> str:
    """ ".npz" or ".npy" by a file's first bytes, whatever it is called; else its own ending."""
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError:
        start = b""
    kinds = {b"PK\3\4": ".npz", b"\x93NUM": ".npy"}
    return kinds.get(start[:4], path.suffix.lower())


def names_in(path: Path) -> list[str]:
    """The names of the arrays in an npz file that `read_npz` could open."""
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def check_count(values: int, where: str) -> None:
    """Raise InputError when an array has more values than a picture may have pixels, three each."""
    if values > 3 * MAX_PIXELS:
        raise InputError(f"{where}: has {values:,} values; at most {3 * MAX_PIXELS:,} are read")


def read_array(file: IO[bytes], size: int, where: str) -> npt.NDArray[Any]:
    """The array in an open npy file of `size` bytes. Raises InputError when it is too large."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise InputError(f"{where}: npy version {version} is not read")
    read_header = {1: np.lib.format.read_array_header_1_0}.get(
        version[0], np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(file)
    if dtype.hasobject:
        raise InputError(f"{where}: holds Python objects; save plain numbers")
    if any(side < 0 for side in shape):  # -1 would be as many as there are
        raise InputError(f"{where}: a side of {shape} is negative")
    count = math.prod(shape)
    each = max(1, dtype.itemsize)  # of a structure or a text: any number of bytes
    limit = MAX_PIXELS * 16 // max(16, each) if len(shape) >= 2 else MAX_TEXT_BYTES // each
    if count > limit:
        raise InputError(f"{where}: {shape} has {count:,} values; at most {limit:,} are read")
    if count * dtype.itemsize > size:
        raise InputError(f"{where}: cut short: {shape} of {dtype} does not fit into {size} bytes")
    content = file.read(count * dtype.itemsize)
    values = np.frombuffer(content, dtype, count).copy()
    return values.reshape(shape, order="F" if fortran else "C")
