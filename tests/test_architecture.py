"""Who may import whom, and that the package itself loads nothing heavy."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import panodepth

ROOT = Path(panodepth.__file__).parent
MAX_FILES, MAX_LINES = 17, 60  # of a folder, of a function
PRODUCT = ("geometry", "images", "model", "export", "onnx", "predict", "scene")

# Part -> what it may import of ours, besides itself and what everybody may import.
EVERYBODY = {
    "streams",
    "atomic",
    "errors",
    "strict",
    "device",
    "types",
    "jobs",
    "size",
    "options",
    "progress",
    "version",
}
ALLOWED: dict[str, set[str]] = {
    "atomic": set(),
    "errors": set(),
    "strict": set(),
    "size": set(),
    "streams": set(),
    "options": set(),
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
    "scene": {"geometry", "images", "model", "export", "onnx", "predict"},
    "video": {*PRODUCT},
    "client": set(),
    "serve": {*PRODUCT},
    "app": {*PRODUCT},
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


@cache
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
        ("unknown/a.py", "from panodepth.geometry.grid import erp_rays", True),
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


# A circle that is there by design: a `Prediction` can save itself, and the writers know it.
CIRCLES = [
    {"types", "export", "export.options", "export.privacy", "export.registry", "export.saving"}
]


def file_imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Module -> modules of ours that its file imports, inside functions and for types too."""
    files = {
        ".".join(["panodepth", *path.relative_to(root).with_suffix("").parts]): path
        for path in root.rglob("*.py")
    }
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    edges: dict[str, set[str]] = {}
    for module, path in files.items():
        names: list[str] = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names += [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                inside = [f"{node.module}.{name.name}" for name in node.names]
                names += [name if name in files else str(node.module) for name in inside]
        edges[module] = {name for name in names if name in files and name != module}
    return edges


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that all reach each other; names without "panodepth."."""
    reached: dict[str, set[str]] = {}
    for start in edges:
        seen: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += edges[module]
        reached[start] = seen
    groups = {
        frozenset(b.removeprefix("panodepth.") for b in reached[a] if a in reached[b])
        for a in edges
        if a in reached[a]
    }
    return [set(group) for group in groups]


def test_no_circle_between_files() -> None:
    assert [circle for circle in circles(file_imports()) if circle not in CIRCLES] == []


def test_circles_are_found_wherever_an_import_stands(tmp_path: Path) -> None:
    files = {
        "__init__.py": "import panodepth.a",
        "a.py": "from panodepth.b import x",
        "b.py": "def f():\n    from panodepth import c",
        "c/__init__.py": "if TYPE_CHECKING:\n    import panodepth.a",
        "d.py": "from panodepth.a import y\nfrom panodepth import c, __version__",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert circles(file_imports(tmp_path)) == [{"a", "b", "c"}]


def test_no_folder_is_crowded() -> None:
    folders = [ROOT, *(path for path in ROOT.rglob("*") if path.is_dir())]
    files = {
        str(folder.relative_to(ROOT)): [
            path for path in folder.iterdir() if path.is_file() and path.suffix != ".pyc"
        ]
        for folder in folders
    }
    crowded = {name: len(found) for name, found in files.items() if len(found) > MAX_FILES}
    assert crowded == {}


def test_no_function_is_long() -> None:
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = {name: lines for name, lines in functions.items() if lines > MAX_LINES}
    assert long == {}


PATH_LINES = 4_850
# Runs one picture through a loaded model to its default files, and prints the files of ours whose
# functions ran on the way.
WALK = """
import sys, tempfile, threading
from pathlib import Path
import panodepth

root = Path(panodepth.__file__).parent
predictor = panodepth.load(device="cpu")
ran = set()

def note_call(frame, event, argument):
    if event == "call" and frame.f_code.co_name != "<module>":
        ran.add(frame.f_code.co_filename)

threading.setprofile(note_call)
sys.setprofile(note_call)
with tempfile.TemporaryDirectory() as folder:
    predictor.predict(sys.argv[1]).save(folder + "/")
    sys.setprofile(None)
for file in sorted(map(Path, ran)):
    if file.is_relative_to(root):
        print(file.relative_to(root).as_posix())
"""


def test_the_path_from_picture_to_file_is_listed_and_short() -> None:
    """docs/architecture.md lists it with the lines of each file, give or take 20."""
    page = Path(__file__).parents[1] / "docs/architecture.md"
    section = page.read_text(encoding="utf-8").split("## The path\n")[1].split("\n## ")[0]
    listed = {name: int(n) for name, n in re.findall(r"^\| `(\S+\.py)` \| (\d+) \|", section, re.M)}
    picture = page.parents[1] / "examples/interior.jpg"
    walk = [sys.executable, "-c", WALK, str(picture)]
    done = subprocess.run(walk, capture_output=True, text=True, check=True)
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in done.stdout.split()}
    rows = "\n".join(f"| `{name}` | {count} |" for name, count in lines.items())
    # Which of the fast routes run depends on the processor.
    fixed = {name for name in {*lines, *listed} if not name.startswith("model/fast/")}
    assert fixed & set(lines) == fixed & set(listed), rows
    assert all(abs(count - listed.get(name, count)) <= 20 for name, count in lines.items()), rows
    assert sum(lines.values()) <= PATH_LINES
    assert sum(listed.values()) <= PATH_LINES


def test_the_version_is_the_same_in_both_places() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["version"] == panodepth.__version__


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
