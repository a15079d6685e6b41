"""Functions of arrays say which shapes they take: one line per argument, as kornia does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import panodepth

ROOT = Path(panodepth.__file__).parent
# At least this share of each part's functions; the whole package is held to LEAST_SHARE.
PARTS = {"geometry": 0.9, "model": 0.9, "export": 0.9, "lab/losses.py": 0.9, "lab/evaluation": 0.9}
LEAST_SHARE = 0.95

ARRAYS = re.compile(r"\b(Tensor|Array|ArrayT|NDArray|ArrayLike|\w+Array|Matrix)\b")
# (H, W), (..., 3), (B, N, heads · d), (n,), (...) or (); one axis at least is a letter or a number.
AXIS = r"(?:\w+(?: ?[·+\-−×*/] ?\w+)*|\.\.\.)"
TUPLES = re.compile(rf"\(({AXIS}(?:, ?{AXIS})+|{AXIS},|\.\.\.|)\)")
SHORT = re.compile(r"\d*|[A-Za-z]\w?|\.\.\.")

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Found(NamedTuple):
    """A function with an array among its parameters. name: as path:function."""

    name: str
    has_shape: bool


def outer_functions(tree: ast.AST) -> Iterator[Function]:
    """Functions and methods, not those inside them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node
        else:
            yield from outer_functions(node)


def takes_arrays(function: Function) -> bool:
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return any(a.annotation and ARRAYS.search(ast.unparse(a.annotation)) for a in given)


def shapes(function: Function) -> bool:
    said = TUPLES.findall(ast.get_docstring(function) or "")
    return any(SHORT.fullmatch(a) for axes in said for a in re.split(r"[ ,·+\-−×*/]+", axes))


def is_abstract(function: Function) -> bool:
    return any(ast.unparse(d).endswith("abstractmethod") for d in function.decorator_list)


@cache
def array_functions(root: Path = ROOT) -> list[Found]:
    """All of the package. What implements an abstract method has its docstring there."""
    functions = [
        (str(path.relative_to(root)), function)
        for path in sorted(root.rglob("*.py"))
        for function in outer_functions(ast.parse(path.read_text(encoding="utf-8")))
        if takes_arrays(function)
    ]
    said = {f.name for _, f in functions if is_abstract(f) and shapes(f)}
    return [
        Found(f"{file}:{f.name}", shapes(f) or (f.name in said and not ast.get_docstring(f)))
        for file, f in functions
    ]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_says_its_shapes(part: str) -> None:
    found = [one for one in array_functions() if one.name.startswith(part)]
    assert found, f"no function of arrays in {part}"
    missing = [one.name for one in found if not one.has_shape]
    assert len(missing) <= (1 - PARTS[part]) * len(found), missing


def test_the_package_says_its_shapes() -> None:
    found = array_functions()
    missing = [one.name for one in found if not one.has_shape]
    assert len(missing) <= (1 - LEAST_SHARE) * len(found), missing


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("x: (B, 3, H, W) in [0, 1].", True),
        ("rays: (..., h, w, 3) of any length.", True),
        ("Returns (n,) angles.", True),
        ("values: (...) any.", True),
        ("Resize (see below), or not (and then wait).", False),
        ("The picture, smaller (filtered, antialiased).", False),
    ],
)
def test_the_check_itself(tmp_path: Path, docstring: str, expected: bool) -> None:
    code = f'def f(x: Tensor, n: int) -> int:\n    """{docstring}"""\n\ndef g(n: int) -> int: ...'
    (tmp_path / "a.py").write_text(code)
    assert array_functions(tmp_path) == [Found("a.py:f", expected)]
