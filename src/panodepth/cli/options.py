"""What the sub-commands share: exit codes, options, and options made from a dataclass's fields."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from panodepth.errors import PanodepthError, one_line

DONE, SOME_FAILED, NOTHING_STARTED, INTERRUPTED = 0, 1, 2, 130

Model = Annotated[
    str,
    typer.Option(help="default, released, a hub id org/name, a folder, .safetensors or .onnx."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16, int8 (CPUs), float16 (GPUs).")]
Size = Annotated[
    str | None, typer.Option(metavar="HxW", help="Network size, in the model's steps.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print errors only.")]


def with_fields(command: Callable[..., None]) -> Callable[..., None]:
    """A command as typer takes it: a parameter that is a dataclass stands for all of its fields.

    Each field becomes an option of its name; its metadata (`predict.options.option`) says the rest.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            types = get_type_hints(groups[parameter.name])
            parameters += [_parameter(f, types[f.name]) for f in fields(groups[parameter.name])]
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{f.name: _value(f, given.pop(f.name)) for f in fields(kind)})
        command(**given)

    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    called.__annotations__ = {p.name: p.annotation for p in keywords}
    vars(called)["__signature__"] = inspect.Signature(keywords)
    return called


def _parameter(field: Field[Any], kind: Any) -> inspect.Parameter:
    """A field as typer reads it; one with a parser is given as text, a tuple by repeating."""
    more = dict(field.metadata)
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    if more.pop("parser", None):
        kind = str | None if default is None else str
    elif isinstance(field.default, tuple):
        kind = list[str]
    flag = more.pop("flag", "--" + field.name.replace("_", "-"))
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[kind, typer.Option(flag, **more)],
        default=inspect.Parameter.empty if default is MISSING else default,
    )


def _value(field: Field[Any], given: Any) -> Any:
    """What the command line gave for a field, as the dataclass takes it."""
    if isinstance(given, str) and "parser" in field.metadata:
        return field.metadata["parser"](given)
    return tuple(given) if isinstance(given, list) else given


def run_training(trainer: Any) -> None:
    """Run what has been prepared; an error from here on ends it with exit code 1, not 2."""
    try:
        result = trainer.run()
    except PanodepthError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise typer.Exit(SOME_FAILED) from None
    if trainer.engine.is_main:
        print(result.summary())
    trainer.engine.close()
