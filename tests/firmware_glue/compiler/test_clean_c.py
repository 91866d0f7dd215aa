"""The generated C and all kernels: no warning of any compiler, nothing found by clang-tidy.

One model of every op and dtype, some graphs, models that remember, weights as a blob, the other
numerics, preprocess and postprocess, models for every set of kernels; as a few translation units.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import MissingExtraError, TargetError
from edgecnn.core.tflite.reader import read_model
from firmware_glue import kernels
from firmware_glue.compiler import api
from firmware_glue.compiler.api import NUMERICS, CompiledModel, compile_model
from firmware_glue.device import app
from firmware_glue.device.board_file import load_board
from firmware_glue.device.toolchain import find_toolchain
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.box_cases import CENTERS, LISTED
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.dense_cases import DENSE
from tests.firmware_glue.compiler.fast.any_offer import OFFERED, SETS, take_any
from tests.firmware_glue.compiler.fast.layer_cases import model_of
from tests.firmware_glue.compiler.fast.pair_cases import ROOM, paired, take_pairs
from tests.firmware_glue.compiler.graphs import GRAPHS
from tests.firmware_glue.compiler.harness import run_tool, write
from tests.firmware_glue.compiler.pose_cases import MAPS, POSES
from tests.firmware_glue.compiler.stage_cases import CLASSIFIERS, DETECTORS, GRIDS
from tests.firmware_glue.compiler.stream.nets import Grouping, random_net
from tests.firmware_glue.compiler.test_state import counter
from tests.share import long_but_for

CHECKS = "-*,bugprone-*,cert-*,clang-diagnostic-*"
WARNINGS = (
    "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic", "-Werror",
)  # fmt: skip
# GCC's plain -Wcast-align is silent for a core that may read at any address.
CAST_ALIGN = {"gcc": "-Wcast-align=strict", "clang": "-Wcast-align"}
LANGUAGES = ("c99", "c11", "c++11", "c++17", "c++20")
COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
VARIANT = "-DEDGECNN_SHARE_ALL -DEDGECNN_PROFILE"
CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m55", "rv32imc")
# A model of each kind of postprocess, and of each way that its kernel may go.
STAGES = {**CLASSIFIERS, **DETECTORS, **GRIDS} | {
    name: case
    for name, case in {**DENSE, **LISTED, **CENTERS, **POSES, **MAPS}.items()
    if name
    in (
        *("yolov8", "levels", "faces", "pose", "yolov5raw", "ssdopint", "multipose", "centerltrb"),
        *(
            "facedet",
            "landmarks",
            "simcc",
            "posenetturned",
            "baseline",
            "softmaxmap",
            "numbersint64",
        ),
    )
}
_UNITS, _SEEDS = 6, range(7, 11)


def _models() -> dict[str, bytes]:
    rng = np.random.default_rng
    models = {key.lower().replace(":", "_"): make(rng(8)) for key, make in CASES.items()}
    models |= {name: make(rng(8)) for name, make in GRAPHS.items()}
    models |= {name: data for name, (data, *_) in STAGES.items()}
    start = np.arange(6).reshape(2, 3)
    return models | {"tiny": tiny_classifier(), "counter": counter("int8", start=start)}


def _unit(path: Path, sources: Sequence[Path]) -> Path:
    """A file that includes others."""
    lines = (
        f'/* NOLINTNEXTLINE(bugprone-suspicious-include) */\n#include "{source}"\n'
        for source in sources
    )
    path.write_text("".join(lines))
    return path


@pytest.fixture(scope="module")
def plain_units(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files that include all the models with the kernels for any core."""
    root = tmp_path_factory.mktemp("clean")
    models = _models()
    jobs = [(name, "litert-ref", "c") for name in models]
    jobs += [(name, "litert-ref", "blob") for name in ("tiny", "counter")]
    jobs += [(name, other, "c") for other in NUMERICS if other != "litert-ref" for name in GRAPHS]
    # A unit has one kind of numerics: they are a macro of the file.
    groups: dict[str, list[Path]] = {}
    for number, (name, numerics, weights) in enumerate(jobs):
        symbol = f"{name}_blob" if weights == "blob" else name
        compiled = compile_model(
            read_model(models[name]), name=symbol, numerics=numerics, weights=weights
        )
        group = f"{numerics}_{number % _UNITS if numerics == 'litert-ref' else 0}"
        groups.setdefault(group, []).extend(write(compiled, root / numerics / symbol))
    return [_unit(root / f"{group}.c", sources) for group, sources in groups.items()]


def _set_models(kernels: str) -> Iterator[CompiledModel]:
    """Every kernel of a set: each op, whole, in chains and in pairs."""
    ops = [code for known, code in OFFERED if known == kernels]
    for code, seed in itertools.product(ops, _SEEDS):
        data = CASES[f"{code}:int8"](np.random.default_rng(seed))
        yield compile_model(read_model(data), name=f"{code}_{seed}".lower(), kernels=kernels)
    for seed in _SEEDS:
        model = read_model(random_net(np.random.default_rng(seed), "int8"))
        yield compile_model(model, name=f"net_{seed}", kernels=kernels)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(api, "planned", Grouping((seed,)))
            yield compile_model(model, name=f"chains_{seed}", kernels=kernels, max_ram=0)
        model = read_model(model_of(paired, [8, seed], 4))
        yield compile_model(model, name=f"pairs_{seed}", kernels=kernels, max_ram=ROOM)


@pytest.fixture(scope="module")
def set_units(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Set of kernels → a file that includes models with them; one more, compiled for size."""
    root, found = tmp_path_factory.mktemp("sets"), {}
    with pytest.MonkeyPatch.context() as patch:
        take_any(patch)
        take_pairs(patch)
        for kernels in SETS:
            models = _set_models(kernels)
            sources = [s for model in models for s in write(model, root / kernels / model.name)]
            found[kernels] = _unit(root / f"{kernels}.c", sources)
    size = (
        compile_model(read_model(data), name=f"{kernels}_{name}", kernels=kernels, optimize="size")
        for kernels in SETS
        for name, data in _size_models()
    )
    sources = [s for model in size for s in write(model, root / "size" / model.name)]
    return found | {"size": _unit(root / "size.c", sources)}


def _size_models() -> Iterator[tuple[str, bytes]]:
    for name in ("net", "tiny"):
        rng = np.random.default_rng(8)
        yield name, tiny_classifier() if name == "tiny" else random_net(rng, "int8")


@pytest.fixture(scope="module")
def units(plain_units: list[Path], set_units: dict[str, Path]) -> list[Path]:
    """All files."""
    return [*plain_units, *set_units.values()]


def _program(compiler: str, kind: str = "c") -> str:
    name = COMPILERS[compiler][kind == "c++"]
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name}")
    if compiler == "gcc" and "clang" in run_tool([name, "--version"]).stdout.lower():
        pytest.skip(f"{name} is clang")
    return name


def _each(command: Sequence[object], units: list[Path], after: Sequence[object] = ()) -> None:
    """Runs the command on every unit."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda unit: run_tool([*command, unit, *after]), units))


def test_every_kernel_is_there(units: list[Path]) -> None:
    folder = Path(kernels.__file__).parent
    used = {path.name for unit in units for path in unit.parent.rglob("edgecnn_*.h")}
    assert {path.name for path in folder.rglob("*.h")} == used


@pytest.mark.parametrize(
    ("compiler", "language"),
    long_but_for(itertools.product(COMPILERS, LANGUAGES), ("gcc", "c99"), ("clang", "c++11")),
)
def test_no_warnings(compiler: str, language: str, units: list[Path]) -> None:
    kind = "c++" if "+" in language else "c"
    flags = [*WARNINGS, CAST_ALIGN[compiler], "-fsyntax-only"]
    _each([_program(compiler, kind), "-x", kind, f"-std={language}", *flags], units)


@pytest.mark.parametrize(
    ("variant", "every"), long_but_for([(VARIANT, 3), (VARIANT, 1), ("", 1)], (VARIANT, 3))
)
def test_no_warnings_of_the_optimizer(variant: str, every: int, units: list[Path]) -> None:
    """Uninitialised values and accesses beyond an array are found with optimization only."""
    flags = [*WARNINGS, CAST_ALIGN["gcc"], "-O1", *variant.split()]
    _each([_program("gcc"), "-std=c99", *flags, "-c", "-o", os.devnull], units[::every])


def test_zig_has_no_warnings(units: list[Path]) -> None:
    pytest.importorskip("ziglang", reason="there is no ziglang")
    # An object, not -fsyntax-only: zig then warns of an unused flag of its own.
    output = ["-c", "-o", units[0].with_suffix(".o")]
    flags = [*WARNINGS, CAST_ALIGN["clang"], "-O0", "-g0"]
    run_tool([sys.executable, "-m", "ziglang", "cc", "-std=c99", *flags, *output, units[0]])


@pytest.mark.parametrize("variant", long_but_for(["", "-DEDGECNN_SHARE_ALL"], ""))
@pytest.mark.parametrize("name", ["zig", "gcc"])
@pytest.mark.parametrize("core", CORES)
def test_no_warnings_of_the_cores_compilers(
    core: str, name: str, variant: str, set_units: dict[str, Path]
) -> None:
    """What is there for the core alone: its intrinsics and assembly."""
    board = load_board(core)
    try:
        toolchain = find_toolchain(board, name)
    except (TargetError, MissingExtraError) as error:
        pytest.skip(error.message)
    # Those of v7m are the ones of v6m.
    unit = set_units["v6m" if board.kernels == "v7m" else board.kernels]
    flags = [*toolchain.flags(board), *WARNINGS, *variant.split()]
    run_tool([*toolchain.command, *flags, "-c", unit, "-o", unit.with_suffix(".o")])


def _clang_tidy() -> str:
    beside = Path(sys.executable).with_name("clang-tidy")
    found = str(beside) if beside.exists() else shutil.which("clang-tidy")
    if found is None:
        pytest.skip("there is no clang-tidy (pip install clang-tidy)")
    return found


def _tidy(program: str) -> list[str]:
    return [program, "-quiet", f"-checks={CHECKS}", "-warnings-as-errors=*"]


@pytest.mark.parametrize(
    ("variant", "every"), long_but_for([("", 3), ("", 1), (VARIANT, 1)], ("", 3))
)
def test_clang_tidy_finds_nothing(variant: str, every: int, units: list[Path]) -> None:
    flags = ["--", "-std=c99", "-Wall", "-Wextra", *variant.split()]
    _each([*_tidy(_clang_tidy()), "-header-filter=.*"], units[::every], flags)


@pytest.mark.parametrize("core", ["thumbv7em-none-eabi", "riscv32-unknown-elf"])
def test_clang_tidy_finds_nothing_in_the_start_up_code(core: str) -> None:
    entry = {"entry_thumb.c", "entry_riscv.c"} - {f"entry_{core[:5]}.c"}
    sources = [path for path in Path(app.__file__).parent.glob("*.c") if path.name not in entry]
    assert len(sources) >= 4
    flags = ["--", f"--target={core}", "-std=c99", "-ffreestanding", "-Wall", "-Wextra"]
    _each(_tidy(_clang_tidy()), sources, flags)


def test_what_the_kernels_switch_off_is_found_elsewhere(tmp_path: Path) -> None:
    header = (Path(kernels.__file__).parent / "generic" / "edgecnn_common.h").as_posix()
    source = tmp_path / "smells.c"
    source.write_text(
        f'#include "{header}"\nint smell(int a, int b);\n'
        "int smell(int a, int b) { (void)b; return a; }\n"
    )
    command = [*_tidy(_clang_tidy()), "-header-filter=.*", source, "--", "-std=c99"]
    with pytest.raises(AssertionError, match=r"smells\.c:3:.*easily-swappable-parameters") as found:
        run_tool(command)
    assert "edgecnn_common.h:" not in str(found.value)
