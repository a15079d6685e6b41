"""Who may import whom, and that the package itself loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import panodepth

ROOT = Path(panodepth.__file__).parent
PLAIN = {"types", "images", "colour", "erp"}

# Package or module -> what it may import of ours, besides itself and `errors`.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "device": {"errors"},
    "sphere": set(),
    "erp": set(),
    "types": {"sphere", *PLAIN},
    "images": {"sphere", *PLAIN},
    "colour": {"sphere", *PLAIN},
    "model": {"sphere"},
    "losses": {"sphere"},
    "scenes": {"sphere", *PLAIN},
    "export": {"sphere", *PLAIN},
    "data": {"sphere", *PLAIN},
    "inference": {"sphere", "model", "export", "device", *PLAIN},
    "deploy": {"model", "export", *PLAIN},
    "evaluation": {"sphere", "data", *PLAIN},
    "curation": {"device", "sphere", "data", "scenes", *PLAIN},
    # Its fast route is what `load` returns, so that it measures what users get.
    "bench": {"model", "device", "inference", "export"},
    "training": {
        *("device", "sphere", "model", "losses", "data", "scenes", "evaluation", "curation"),
        *PLAIN,
    },
    "app": {"inference", "export", *PLAIN},
    "server": {"inference", "export", *PLAIN},
}
MAY_IMPORT_ALL = {"__init__", "__main__", "cli"}
# Inside a function only: `Prediction.save` hands over to the writers.
LAZY = {("types", "export")}
# `training` uses the metrics of `evaluation`, not its runner.
TRAINING_USES = {"panodepth.evaluation.align", "panodepth.evaluation.metrics"}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part(module: str) -> str:
    """panodepth.sphere.grid -> sphere; the package itself -> ""."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else ""


def imports(path: Path) -> list[tuple[str, bool]]:
    """Our modules imported by a file, and whether inside a function."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((name.name, inside) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                if child.module == "panodepth":
                    found.extend((f"panodepth.{name.name}", inside) for name in child.names)
                else:
                    found.append((child.module or "", inside))
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            visit(child, inside or is_function)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return [(module, lazy) for module, lazy in found if module.split(".")[0] == "panodepth"]


def forbidden(path: Path, root: Path = ROOT) -> list[str]:
    own = path.relative_to(root).with_suffix("").parts[0]
    if own in MAY_IMPORT_ALL:
        return []
    wrong = []
    for module, lazy in imports(path):
        target = part(module)
        if target in {own, "errors", "", "__version__"}:
            continue
        if lazy and (own, target) in LAZY:
            continue
        if own not in ALLOWED:
            wrong.append(f"{own} is not in the table of tests/test_architecture.py")
        elif target not in ALLOWED[own]:
            wrong.append(f"{path.relative_to(root)} imports {module}")
        elif (own, target) == ("training", "evaluation") and module not in TRAINING_USES:
            wrong.append(f"{path.relative_to(root)} imports {module}: only align and metrics")
    return wrong


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    assert forbidden(path) == []


@pytest.mark.parametrize(
    ("file", "line", "bad"),
    [
        ("sphere/a.py", "from panodepth.model import SphereViT", True),
        ("sphere/a.py", "import panodepth.types", True),
        ("sphere/a.py", "from panodepth import images", True),
        ("sphere/a.py", "def f():\n    from panodepth.model import SphereViT", True),
        ("evaluation/a.py", "from panodepth.model import SphereViT", True),
        ("training/a.py", "from panodepth.evaluation.runner import run", True),
        ("types.py", "from panodepth.export import save", True),
        ("unknown/a.py", "from panodepth.sphere import erp_rays", True),
        ("types.py", "def f():\n    from panodepth.export import save", False),
        ("training/a.py", "from panodepth.evaluation.metrics import abs_rel", False),
        ("sphere/a.py", "from panodepth.sphere.grid import erp_rays", False),
        ("model/a.py", "from panodepth.errors import ModelError", False),
        ("cli/a.py", "from panodepth.training import train", False),
    ],
)
def test_the_check_itself(tmp_path: Path, file: str, line: str, bad: bool) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(line)
    assert bool(forbidden(path, tmp_path)) == bad


def test_no_import_cycles_in_the_table() -> None:
    """Except among types, images and colour, which stand on one level."""
    level = {
        name: (targets - PLAIN if name in PLAIN else targets) for name, targets in ALLOWED.items()
    }
    done: set[str] = set()
    while len(done) < len(level):
        ready = {name for name, targets in level.items() if name not in done and targets <= done}
        assert ready, f"cycle among {sorted(set(level) - done)}"
        done |= ready


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "numpy", "cv2", "PIL", "OpenEXR", "trimesh", "safetensors", "huggingface_hub"]
    code = f"import panodepth, sys; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_predicting_never_loads_the_compiler() -> None:
    """torch's compiler and sympy cost a second of every start; building on "meta" can load them."""
    code = (
        "import numpy, panodepth, sys;"
        "panodepth.load('default', device='cpu').predict(numpy.zeros((28, 56, 3), numpy.float32));"
        "print([m for m in ['torch._dynamo', 'torch._inductor', 'sympy'] if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
