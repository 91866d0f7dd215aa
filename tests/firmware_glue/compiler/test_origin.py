"""Generated files say where they come from; files of two versions do not compile together."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest

import firmware_glue.licenses
from edgecnn import __version__
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, Origin, compile_model
from firmware_glue.compiler.emit.origin import banner
from firmware_glue.compiler.emit.text import comment
from firmware_glue.kernels import kernels_id
from firmware_glue.licenses import license_texts
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import compiler, run_tool, write
from tests.project.test_docs import detector_model
from tests.run import ROOT

ORIGIN = Origin("tiny.tflite", "ab" * 32, "--target cortex-m4 --weights c")
OTHER = "0x12345678u"


def _compiled(name: str = "tiny", data: bytes | None = None) -> CompiledModel:
    return compile_model(read_model(data or tiny_classifier()), name=name, origin=ORIGIN)


@pytest.fixture(scope="module")
def detector() -> CompiledModel:
    """Compiles a model that has all kinds of files."""
    return _compiled("detect", detector_model())


def test_every_file_names_license_and_origin(detector: CompiledModel) -> None:
    made = [file for file in detector.files if not file.startswith("edgecnn_")]
    assert len(made) == 8
    for file, text in detector.files.items():
        first, rest = text.split("\n", 1)
        if file in made:
            assert first == "/* SPDX-License-Identifier: 0BSD */"
            for fact in (f"edgecnn {__version__};", *vars(ORIGIN).values()):
                assert fact in rest.split("*/")[0], file
        else:
            assert first == "/* SPDX-License-Identifier: Apache-2.0 */"
            assert rest.startswith(f"/* Kernels of edgecnn {__version__}. */"), file


def test_every_c_file_of_the_repository_names_its_license() -> None:
    files = [path for end in "chd" for path in (ROOT / "firmware_glue").rglob(f"*.*{end}")]
    files = [path for path in files if path.suffix in (".c", ".h", ".ld")]
    assert len(files) > 80
    for path in files:
        assert path.read_text().startswith("/* SPDX-License-Identifier: Apache-2.0 */\n"), path


def test_license_texts() -> None:
    texts = license_texts()
    assert texts["LICENSE-Apache-2.0.txt"] == (ROOT / "LICENSE").read_text()
    assert "with or without fee is hereby granted" in texts["LICENSE-0BSD.txt"]
    folder = Path(firmware_glue.licenses.__file__).parent
    assert sorted(texts) == sorted(path.name for path in folder.glob("*.txt"))


def test_nothing_ends_a_comment_too_early() -> None:
    for parts in itertools.product("*/\\?\n x", repeat=5):
        text = comment("".join(parts))
        assert not re.search(r"\*/|/\*|\?\?|\\|\n", text), repr(parts)


def test_hostile_names_stay_in_the_comment(tmp_path: Path) -> None:
    for bad in ("a*/int main;/*", "a??/\n*/\nint x;", "*\\/", "é\r\n#error", "*" * 200 + "/"):
        text = banner(Origin(bad, bad, f"--name {bad} " * 9))
        assert text.isascii() and text.count("*/") == 2
        assert max(map(len, text.splitlines())) <= 250
        source = tmp_path / "banner.c"
        source.write_text(f"{text}int only;\n")
        done = run_tool([*compiler(), "-std=c99", "-Wall", "-Werror", "-E", "-P", source])
        assert done.stdout.split() == ["int", "only;"]


def _parse(unit: Path, *folders: Path) -> str:
    """Checks a file's syntax; what the compiler says."""
    flags = [f"-I{folder}" for folder in folders]
    done = subprocess.run(
        [*compiler(), "-std=c99", "-fsyntax-only", *flags, unit],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode == 0) == (done.stderr == "")
    return done.stderr


def test_files_of_two_versions_do_not_compile_together(
    detector: CompiledModel, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(_compiled(), one)
    write(detector, two)
    main = tmp_path / "main.c"
    orders = [
        '#include "tiny.h"\n#include "detect_preprocess.h"\n',
        '#include "detect_preprocess.h"\n#include "tiny.h"\n',
        '#include "one/tiny.c"\n#include "two/detect.c"\n',
        '#include "one/edgecnn_common.h"\n#include "two/edgecnn_image.h"\n',
    ]
    for text in orders:
        main.write_text(text)
        assert not _parse(main, one, two)
    for path in two.iterdir():
        path.write_text(path.read_text().replace(kernels_id(), OTHER))
    for text in orders:
        main.write_text(text)
        assert "of two versions of edgecnn" in _parse(main, one, two)
    # Alone, each is as good as before.
    assert not _parse(two / "detect.c")


@pytest.mark.parametrize("unit", ["detect", "detect_weights", "detect_postprocess"])
def test_kernels_of_another_version_are_not_taken(
    unit: str, detector: CompiledModel, tmp_path: Path
) -> None:
    """Where folders were merged: all kernels are others, one is, or they name no version."""
    write(detector, tmp_path)
    source = tmp_path / f"{unit}.c"
    assert not _parse(source)
    texts = {p: p.read_text() for p in tmp_path.glob("edgecnn_*.h")}
    for path, text in texts.items():
        path.write_text(text.replace(kernels_id(), OTHER))
    assert "of another version of edgecnn" in _parse(source)
    for path, text in texts.items():
        path.write_text(re.sub(r"#if !defined\(EDGECNN_KERNELS.*?#endif\n", "", text, flags=re.S))
    assert "of another version of edgecnn" in _parse(source)
    for path, text in texts.items():
        other = path.name == "edgecnn_common.h"
        path.write_text(text.replace(kernels_id(), OTHER) if other else text)
    expected = "of another version" if unit == "detect_weights" else "of two versions"
    assert expected in _parse(source)
