"""Errors that users can act on: one line each, saying what was wrong, where, and what to do."""

from __future__ import annotations


class PanodepthError(Exception):
    """Base class of every error this package raises on purpose; its text is one clear line."""


class InputError(PanodepthError):
    """One image, mask or other input cannot be used; other inputs may still be fine."""


class ModelError(PanodepthError):
    """The model cannot be found, read or loaded; nothing can start."""


class OutputError(PanodepthError):
    """The output folder or file cannot be written, or the format is unknown."""


class ConfigError(PanodepthError):
    """A configuration or option has an unknown key or a value out of range."""


OUT_OF_MEMORY = ("DefaultCPUAllocator", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error says that memory, of whatever device, was not enough."""
    if isinstance(error, RuntimeError):  # as torch's own kinds of error are
        return any(word in str(error) for word in OUT_OF_MEMORY)
    return isinstance(error, MemoryError)


def error_called(name: str, text: str) -> Exception:
    """An error that another process told of, by the name of its class; RuntimeError if not ours."""
    kinds = {kind.__name__: kind for kind in (InputError, ModelError, OutputError, ConfigError)}
    return kinds[name](text) if name in kinds else RuntimeError(f"{name}: {text}")
