"""The house rules that no linter knows: sizes, what is imported where, what the repo speaks of."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("edgecnn", "targets", "quantization", "firmware_glue")
MAX_FILE_LINES = 700
MAX_FUNCTION_LINES = 60


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (relative(path), node)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long_for_one_idea() -> None:
    c_files = sorted((ROOT / "firmware_glue").rglob("*.[ch]"))
    tests = sorted((ROOT / "tests").rglob("*.py"))
    lengths = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*sources(), *c_files, *tests)
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{file}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for file, node in functions()
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_no_assert_outside_tests() -> None:
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


def test_package_init_holds_only_the_version() -> None:
    tree = ast.parse((ROOT / "edgecnn/__init__.py").read_text(encoding="utf-8"))
    names = [ast.unparse(node).split("=")[0].strip() for node in tree.body[1:]]
    assert names == ["__version__"]


def test_every_verb_is_imported_on_use() -> None:
    code = (
        "import sys; from edgecnn.cli import main; main(['--help']);"
        "bad = {'numpy', 'cv2', 'rich', 'keras', 'tensorflow', 'targets', 'ai_edge_litert'};"
        "sys.exit(str(bad & set(sys.modules)) if bad & set(sys.modules) else 0)"
    )
    from tests.run import python

    result = python("-c", code)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(shutil.which("git") is None, reason="looks at tracked files; no git here")
def test_no_machine_path_in_tracked_files() -> None:
    listed = subprocess.run(
        ["git", "grep", "-nIE", r"(/w[o]rk/|/t[m]p/house|file:///o[p]t)", "--", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.stdout == ""
