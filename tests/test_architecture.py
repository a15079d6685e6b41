"""Who may import whom, and that the package itself loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import panodepth

ROOT = Path(panodepth.__file__).parent
PRODUCT = ("geometry", "images", "model", "export", "onnx", "predict")

# Part -> what it may import of ours, besides itself and what everybody may import.
EVERYBODY = {"errors", "strict", "device", "types", "jobs", "version"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "strict": set(),
    "version": set(),
    "device": set(),
    "jobs": set(),
    "types": {"geometry"},
    "geometry": set(),
    "images": {"geometry"},
    "model": {"geometry"},
    "export": {"geometry", "images"},
    "onnx": {"geometry", "model", "export"},
    "predict": {"geometry", "images", "model", "export", "onnx"},
    "lab.worlds": {"geometry"},
    "lab.data": {*PRODUCT},
    "lab.losses": {*PRODUCT},
    "lab.evaluation": {*PRODUCT, "lab.worlds", "lab.data", "lab.losses"},
    "lab.curation": {*PRODUCT, "lab.worlds", "lab.data", "lab.losses"},
    "lab.training": {
        *PRODUCT,
        *("lab.worlds", "lab.data", "lab.losses", "lab.evaluation", "lab.curation"),
    },
    "lab.bench": {*PRODUCT, "lab.worlds", "lab.data", "lab.losses", "lab.evaluation"},
}
MAY_IMPORT_ALL = {"__init__", "__main__", "cli"}
# Inside a function only: `Prediction.save` hands over to the writers.
LAZY = {("types", "export")}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part(module: str) -> str:
    """panodepth.geometry.grid -> geometry; panodepth.lab.worlds.x -> lab.worlds; itself -> ""."""
    pieces = module.split(".")[1:]
    return ".".join(pieces[: 2 if pieces[:1] == ["lab"] else 1])


def imports(path: Path) -> list[tuple[str, bool]]:
    """Our modules imported by a file, and whether inside a function."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, inside: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((name.name, inside) for name in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}: relative import"
                if child.module in ("panodepth", "panodepth.lab"):
                    found.extend((f"{child.module}.{name.name}", inside) for name in child.names)
                else:
                    found.append((child.module or "", inside))
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            visit(child, inside or is_function)

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return [(module, lazy) for module, lazy in found if module.split(".")[0] == "panodepth"]


def forbidden(path: Path, root: Path = ROOT) -> list[str]:
    own = part(".".join(["panodepth", *path.relative_to(root).with_suffix("").parts]))
    if own in MAY_IMPORT_ALL or own == "lab.__init__":
        return []
    wrong = []
    for module, lazy in imports(path):
        target = part(module)
        if target in {own, *EVERYBODY, "", "__version__"}:
            continue
        if lazy and (own, target) in LAZY:
            continue
        if own not in ALLOWED:
            wrong.append(f"{own} is not in the table of tests/test_architecture.py")
        elif target not in ALLOWED[own]:
            wrong.append(f"{path.relative_to(root)} imports {module}")
    return wrong


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    assert forbidden(path) == []


def test_the_product_never_imports_the_lab() -> None:
    outside = [p for p in modules() if p.relative_to(ROOT).parts[0] not in ("lab", "cli")]
    assert not [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in outside
        for module, _ in imports(path)
        if module.startswith("panodepth.lab")
    ]


@pytest.mark.parametrize(
    ("file", "line", "bad"),
    [
        ("geometry/a.py", "from panodepth.model import SphereViT", True),
        ("geometry/a.py", "from panodepth import images", True),
        ("geometry/a.py", "def f():\n    from panodepth.model import SphereViT", True),
        ("predict/a.py", "from panodepth.lab.data import open_folder", True),
        ("predict/a.py", "from panodepth import lab", True),
        ("lab/evaluation/a.py", "from panodepth.lab.training.trainer import train", True),
        ("lab/evaluation/a.py", "from panodepth.lab import training", True),
        ("lab/worlds/a.py", "from panodepth.lab.data import open_folder", True),
        ("types.py", "from panodepth.export import save", True),
        ("unknown/a.py", "from panodepth.geometry import erp_rays", True),
        ("types.py", "def f():\n    from panodepth.export import save", False),
        ("lab/training/a.py", "from panodepth.lab.evaluation.measures.align import x", False),
        ("geometry/a.py", "from panodepth.geometry.grid import erp_rays", False),
        ("model/a.py", "from panodepth.errors import ModelError", False),
        ("cli/a.py", "from panodepth.lab.training import train", False),
    ],
)
def test_the_check_itself(tmp_path: Path, file: str, line: str, bad: bool) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(line)
    assert bool(forbidden(path, tmp_path)) == bad


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
