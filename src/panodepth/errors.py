"""Errors and notes for users: one line each, saying what was wrong, where, and what to do."""

from __future__ import annotations

import errno
import importlib.util
import re
import sys

# Words that torch, its allocators, the libraries of CUDA and ROCm (cuBLAS, cuDNN, hipBLAS) and
# Metal (of a buffer larger than it takes) write into RuntimeErrors when memory is not enough.
OUT_OF_MEMORY = (
    "DefaultCPUAllocator",
    "out of memory",
    "STATUS_ALLOC_FAILED",
    "Invalid buffer size",
)
OPENCV_NO_MEMORY = -4  # cv2.Error.StsNoMem
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class PanodepthError(Exception):
    """Base class of every error this package raises on purpose; its text is one clear line."""


class InputError(PanodepthError):
    """One image, mask or other input cannot be used; other inputs may still be fine."""


class DamageError(ValueError):
    """A file is damaged; unlike a library's, its text is for users, and says where."""


class ModelError(PanodepthError):
    """The model cannot be found, read or loaded; nothing can start."""


class OutputError(PanodepthError):
    """The output folder or file cannot be written, or the format is unknown."""


class ConfigError(PanodepthError):
    """A configuration or option has an unknown key or a value out of range."""


def one_line(error: object, limit: int | None = None) -> str:
    """The text of an error, or any text, on one line of at most `limit` > 3 characters.

    What is left out of a longer one is whole words, where they are not very long. An error without
    a text is told by the name of its class.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    if limit is None or len(text) <= limit:
        return text
    kept = text[: limit - 3]
    words = kept if text[len(kept)] == " " else kept.rpartition(" ")[0]
    return (words if len(words) > limit / 2 else kept) + "..."


def printable(text: str) -> str:
    """The text with control characters escaped, as names may hold them: line ends, colours."""
    return re.sub("[\0-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)


def first_line(error: object) -> str:
    """The first line of an error that may bring a whole traceback, or the name of its class."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def print_note(text: str) -> None:
    """Tell the user in one line on standard error that something is done in another way."""
    print(f"note: {printable(one_line(text))}", file=sys.stderr, flush=True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of whatever device, was not enough."""
    if isinstance(error, RuntimeError):  # as torch's own kinds of error are
        return any(words in str(error) for words in OUT_OF_MEMORY)
    is_opencv = type(error).__module__ == "cv2"
    if is_opencv and getattr(error, "code", None) == OPENCV_NO_MEMORY:
        return True
    return isinstance(error, MemoryError)


def device_failed(error: BaseException) -> str | None:
    """One line for an error of a GPU itself, as one that torch has no kernels for; else None."""
    found = re.search("(CUDA|HIP) error: [^\n]+", str(error))
    if found is None or not isinstance(error, RuntimeError):
        return None
    return f"the GPU cannot run this ({found[0]}): use the device cpu, or a torch made for it"


def damaged(name: str, kind: str, error: Exception) -> InputError:
    """What a decoder's error on a file means: what a library says of itself is left out."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return InputError(f"{name}: cannot be read ({error.strerror})")
    where = f" ({error})" if isinstance(error, DamageError) else ""
    return InputError(
        f"{name}: damaged or unreadable {kind} file{where}; copy it again, or save it anew"
    )


def raise_if_out_of_memory(error: Exception, name: str) -> None:
    """Raise MemoryError, naming the file, when memory was not enough: no damage of the file."""
    pillow_says = isinstance(error, OSError) and "out of memory" in str(error)
    if pillow_says or is_out_of_memory(error):
        raise MemoryError(f"{name}: not enough memory to read it") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether no space was the reason, directly or as a cause."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(e, OSError) and e.errno in DISK_FULL for e in causes)


def require(what: str, extra: str, *modules: str) -> None:
    """Raise ConfigError, which says how to install them, unless all these packages are there.

    what: names what needs them. extra: of the optional dependencies in pyproject.toml; "" for those
    that come with panodepth, unless it was installed without any.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        wanted = f'"panodepth[{extra}]"' if extra else " ".join(missing)
        raise ConfigError(
            f"{what} needs {', '.join(missing)}, which is not installed: pip install {wanted}"
        )


def not_installed(error: BaseException) -> str | None:
    """One line for an import of a package that is not there; None for any other error."""
    name = (error.name or "panodepth") if isinstance(error, ModuleNotFoundError) else "panodepth"
    package = name.partition(".")[0]
    if package == "panodepth":
        return None
    return f"{package} is not installed, and this needs it: pip install {package}"
