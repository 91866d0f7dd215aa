"""Modules of other projects that carry the names of our packages."""

import json
from pathlib import Path

import pytest

from edgecnn.core.own_packages import PACKAGES, foreign_modules
from tests.run import ROOT, edgecnn, python

OTHER = "NAME = 'a module of another project'\n"


def test_our_own_packages_are_found() -> None:
    assert foreign_modules() == ()


@pytest.mark.parametrize("name", PACKAGES[1:])
def test_a_folder_with_a_module_of_our_name_does_no_harm(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(OTHER)
    result = edgecnn("targets", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "cortex-m4" in result.stdout


def test_python_m_keeps_a_checkout_that_is_not_installed(tmp_path: Path) -> None:
    # -S leaves site-packages out, where an installed edgecnn could be; what it needs is named.
    result = python("-c", "import click; print(click.__path__[0])")
    needed = Path(result.stdout.strip()).parent
    done = python("-S", "-m", "edgecnn", "targets", cwd=ROOT, PYTHONPATH=str(needed))
    assert "cortex-m4" in done.stdout, done.stderr


def foreign_on_path(folder: Path, *arguments: str):
    """Runs a verb with ``folder`` before our packages on the search path."""
    return edgecnn(*arguments, cwd=folder.parent, PYTHONPATH=f"{folder}:{ROOT}")


def test_a_module_that_stands_in_for_ours_is_named_by_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "targets.py").write_text(OTHER)
    done = foreign_on_path(other, "targets")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"'targets' is imported from '{other / 'targets.py'}'" in done.stderr
    assert "hint: rename or uninstall the other one" in done.stderr


def test_its_distribution_is_named_and_doctor_finds_it(tmp_path: Path) -> None:
    other = tmp_path / "other"
    package = other / "quantization"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(OTHER)
    info = other / "bit_saver-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bit-saver\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("quantization\n")
    (info / "RECORD").write_text("quantization/__init__.py,,\n")
    rows = json.loads(foreign_on_path(other, "doctor", "--json").stdout)
    row = next(row for row in rows if row["name"] == "edgecnn")
    assert not row["ok"]
    assert str(package / "__init__.py") in row["advice"]
    assert "of the distribution 'bit-saver'" in row["advice"]
