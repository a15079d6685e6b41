"""One formula for NumPy arrays and torch tensors: what the array API standard leaves to do.

NumPy has the functions of the standard itself from 2.1 on; `array-api-compat` gives them to torch
and to older NumPy, for which it loads much. Nothing here loads torch; who passes a tensor or a
torch dtype has loaded it already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import array_api_compat as compat
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

numpy_api: Any = np
if not hasattr(np, "astype"):  # before 2.1
    import array_api_compat.numpy as numpy_api

Array: TypeAlias = Any  # made in the library that a dtype names: an ndarray or a Tensor
Scalar: TypeAlias = Any  # one number, or an array (...) with one number per view
ArrayT = TypeVar("ArrayT", "npt.NDArray[Any]", "Tensor")


def library(array: Array) -> Any:
    """The array API standard's functions for `array` (...): NumPy's or torch's."""
    return numpy_api if is_numpy(array) else compat.array_namespace(array)


def library_of(dtype: Any) -> Any:
    """The library that a dtype belongs to."""
    if type(dtype).__module__ != "torch":
        return numpy_api
    import array_api_compat.torch as torch_api

    return torch_api


def is_numpy(array: Array) -> bool:
    """True for a NumPy array (...) or number, False for a tensor."""
    return isinstance(array, np.ndarray | np.generic)


def to_dtype(array: ArrayT, dtype: Any) -> ArrayT:
    """The array (...) in another dtype; itself if it has it."""
    return library(array).astype(array, dtype, copy=False)


def match(array: Array, other: ArrayT) -> ArrayT:
    """The array (...) in the dtype of `other`; NumPy's also in its library, on its device."""
    if is_numpy(array) and not is_numpy(other):
        return library(other).asarray(array, dtype=other.dtype, device=compat.device(other))
    return to_dtype(array, other.dtype)


def is_floating(array: Array) -> bool:
    """Whether the array (...) holds floating-point numbers."""
    return bool(library(array).isdtype(array.dtype, "real floating"))


def constant(array: ArrayT) -> ArrayT:
    """The same values (...), through which no gradient goes."""
    detach = getattr(array, "detach", None)
    return detach() if detach else array


def like(array: Any) -> dict[str, Any]:
    """dtype and device of floats to go with `array` (...): float64 with float64, else float32."""
    xp = library(array)
    dtype = xp.float64 if array.dtype == xp.float64 else xp.float32
    return {"dtype": dtype, "device": compat.device(array)}


def exact_indices(count: int, dtype: Any, device: Any = None) -> Array:
    """0 … count − 1 as (count,) float64 in the library of `dtype`; float32 on a device without.

    Tables of angles and weights are worked out in these before they are rounded to `dtype`.
    """
    xp = library_of(dtype)
    index = xp.arange(count, device=device)
    no_float64 = getattr(compat.device(index), "type", "cpu") == "mps"
    return xp.astype(index, xp.float32 if no_float64 else xp.float64)


def broadcast(*values: Scalar) -> tuple[Any, list[Any]]:
    """The library of the arrays among `values` (NumPy where all are floats), and all at one shape.

    A float becomes an array of the first array's dtype, on its device, without waiting for it.
    """
    given = [value for value in values if not isinstance(value, float | int)]
    first = given[0] if given else np.zeros(())
    xp = library(first)
    options = {"dtype": first.dtype, "device": compat.device(first)}
    arrays = [xp.full((), v, **options) if isinstance(v, float | int) else v for v in values]
    return xp, xp.broadcast_arrays(*arrays)


def planes(xp: Any, *parts: Any) -> Any:
    """Maps (...) as one of vectors (..., n), one part after the other in memory."""
    return xp.moveaxis(xp.stack(parts), 0, -1)


def from_rows(xp: Any, rows: Any) -> Any:
    """Three rows of three arrays (...) to matrices (..., 3, 3)."""
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
