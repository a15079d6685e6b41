"""What the sub-commands share: exit codes, options, and options made from a dataclass's fields."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

from typer import Exit, Option

from panodepth.errors import PanodepthError, one_line

DONE, SOME_FAILED, NOTHING_STARTED, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

Model = Annotated[
    str, Option(help="default, released, a hub id org/name, a folder, .safetensors, .onnx or .xml.")
]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, Option(help="auto, float32, bfloat16, int8 (CPUs), float16 (GPUs).")]
Size = Annotated[str | None, Option(metavar="HxW", help="Network size; default: the model's own.")]
Settings = Annotated[
    list[str], Option("--set", metavar="TABLE.KEY=VALUE", help="Change a key; repeat.")
]
AsJson = Annotated[bool, Option("--json", help="Print one JSON document, nothing else.")]
Quiet = Annotated[bool, Option("--quiet", help="Print errors only.")]


def with_fields(command: Callable[..., None]) -> Callable[..., None]:
    """A command as typer takes it: a parameter that is a dataclass stands for its fields.

    Each field made by `panodepth.options.option` becomes an option; others keep their defaults.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            types = get_type_hints(groups[name], include_extras=True)
            for field in _offered(groups[name]):
                made = _parameter(f"{name}_{field.name}", field, types[field.name])
                parameters[made.name] = made
        else:
            parameters[name] = parameter.replace(
                annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY
            )

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            values = {f.name: (f, given.pop(f"{name}_{f.name}")) for f in _offered(kind)}
            given[name] = kind(**{key: _value(*value) for key, value in values.items()})
        command(**given)

    called.__annotations__ = {name: p.annotation for name, p in parameters.items()}
    vars(called)["__signature__"] = inspect.Signature(list(parameters.values()))
    return called


def _offered(kind: Any) -> list[Field[Any]]:
    """The fields made by `option`; those of the class itself before inherited ones."""
    found = [field for field in fields(kind) if "help" in field.metadata]
    return sorted(found, key=lambda field: field.name not in inspect.get_annotations(kind))


def _parameter(name: str, field: Field[Any], kind: Any) -> inspect.Parameter:
    """A field as typer reads it: as text where it has a parser, to be repeated if a tuple."""
    more = {key: value for key, value in field.metadata.items() if key != "counts"}
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    if more.pop("parser", None):
        kind = str | None if default is None else str
    elif isinstance(default, list):
        kind = list[str]
    flag = more.pop("flag", "--" + field.name.replace("_", "-"))
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[kind, Option(flag, **more)],
        default=inspect.Parameter.empty if default is MISSING else default,
    )


def _value(field: Field[Any], given: Any) -> Any:
    """What the command line gave for a field, as the dataclass takes it."""
    if isinstance(given, str) and "parser" in field.metadata:
        return field.metadata["parser"](given)
    return tuple(given) if isinstance(given, list) else given


class BegunError(PanodepthError):
    """An error that ends a command with exit code 1, not 2: something had been done."""


@dataclass
class Done:
    """How many items are done."""

    count: int = 0

    def add(self) -> None:
        self.count += 1


@contextmanager
def fail_if_begun(told: str = "") -> Iterator[Done]:
    """An error inside ends the command with exit code 1, not 2, once something is done.

    told: what the count of it is called in the error, such as "were written".
    """
    done = Done()
    try:
        yield done
    except PanodepthError as error:
        if not done.count:
            raise
        end = f"; {done.count} {told}" if told else ""
        raise BegunError(f"{one_line(error)}{end}") from error


def run_training(trainer: Any) -> None:
    """Run what has been prepared; an error from here on ends it with exit code 1, not 2."""
    try:
        result = trainer.run()
    except PanodepthError as error:
        raise BegunError(str(error)) from error
    if trainer.engine.is_main and not trainer.quiet:
        print(result.summary())
    trainer.engine.close()
    if result.signal is not None:  # as a shell tells a signal
        raise Exit(128 + result.signal)
