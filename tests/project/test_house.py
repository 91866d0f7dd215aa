"""The house rules that no linter knows: sizes, what is imported where, what the repo speaks of."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("edgecnn", "targets", "quantization", "firmware_glue")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    "path",
    [
        *sources(),
        *sorted((ROOT / "firmware_glue").rglob("*.[ch]")),
        *sorted((ROOT / "tests").rglob("*.py")),
    ],
    ids=relative,
)
def test_file_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{lines} lines: split it by responsibility"


@pytest.mark.parametrize("path", sources(), ids=relative)
def test_functions_are_short_and_hold_no_assert(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{node.name}: {length} lines"


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
