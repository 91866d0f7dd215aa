"""Building: the same bytes each time, errors with their lines, limits, missing compiler."""

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from edgecnn.core.errors import (
    MissingExtraError,
    TargetError,
    ToolError,
    UnknownNameError,
)
from firmware_glue.device import toolchain as module
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.size import empty_size, image_size
from firmware_glue.device.toolchain import Toolchain, find_toolchain, start_up_sources
from tests.firmware_glue.device.programs import (
    CORES,
    PRELUDE,
    TOOLCHAINS,
    image,
    need_program,
    toolchain,
)

MAIN = "int main(void) { return 0; }"
M4 = load_board("cortex-m4")


def sources(main: str) -> dict[str, str | bytes]:
    return {**start_up_sources(M4), "main.c": PRELUDE + main}


def test_the_same_input_gives_the_same_bytes() -> None:
    code = "const char *volatile where; int main(void) { where = __FILE__; return 0; }"
    first, second = (find_toolchain().build(M4, sources(code)) for _ in range(2))
    assert first == second
    assert b"edgecnn-build" not in first
    assert str(Path.home()).encode() not in first


def test_builds_side_by_side() -> None:
    codes = [f"volatile int x; int main(void) {{ x = {n}; return 0; }}" for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        images = list(pool.map(lambda code: find_toolchain().build(M4, sources(code)), codes))
    assert len(set(images)) == 3


@pytest.mark.parametrize("core", CORES)
def test_sizes(core: str) -> None:
    """An empty program is small; 1000 bytes of constants and 64 of state are counted as such."""
    board = load_board(core)
    empty = empty_size(find_toolchain(), board)
    assert 100 < empty.flash_bytes < 700
    code = """
    const uint8_t table[1000] = {1u, 2u};
    uint32_t state[16];
    __attribute__((section(".edgecnn.arena"))) uint8_t edgecnn_arena[4096];
    int main(void) {
      for (;;) { edgecnn_ready(); state[edgecnn_arena[0] & 15u] += table[edgecnn_arena[1]]; }
    }
    """
    size = image_size(read_elf(image(core, code)))
    assert size.static_bytes == 64
    assert size.arena_bytes == 4096
    assert 1000 < size.flash_bytes < empty.flash_bytes + 1000 + 100


def test_a_compiler_error_shows_its_lines() -> None:
    with pytest.raises(ToolError, match=r"zig cc failed \(exit code 1\)") as caught:
        find_toolchain().build(M4, sources("int main(void) { return undeclared_thing; }"))
    assert any("main.c" in line and "undeclared_thing" in line for line in caught.value.details)
    assert caught.value.hint


def test_a_program_beyond_the_memory_is_a_linker_error() -> None:
    code = "uint8_t big[0x8000000]; int main(void) { big[big[0]] = 1u; return 0; }"
    with pytest.raises(ToolError) as caught:
        find_toolchain().build(M4, sources(code))
    assert any("RAM" in line for line in caught.value.details)


def test_a_hanging_compiler_is_stopped() -> None:
    sleeper = Toolchain((sys.executable, "-c", "import time; time.sleep(60)"), "sleeper")
    with pytest.raises(ToolError, match="timed out"):
        sleeper.build(M4, sources(MAIN), timeout_s=0.2)


def test_a_compiler_that_cannot_start_is_named(tmp_path: Path) -> None:
    missing = Toolchain((str(tmp_path / "no-such-compiler"),), "missing")
    with pytest.raises(TargetError, match="no-such-compiler' cannot be started"):
        missing.build(M4, sources(MAIN))


def test_a_source_outside_the_build_folder_is_refused() -> None:
    with pytest.raises(TargetError, match=r"'\.\./x\.c' leaves the build folder"):
        find_toolchain().build(M4, {"../x.c": ""})


def test_an_unwritable_cache_is_worked_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    monkeypatch.delenv("ZIG_GLOBAL_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocker))
    environment = module._environment(tmp_path)
    assert environment["ZIG_GLOBAL_CACHE_DIR"] == str(tmp_path / ".zig-global")
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", "mine")
    assert module._environment(tmp_path)["ZIG_GLOBAL_CACHE_DIR"] == "mine"


def test_without_the_compiler_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def blocked(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "ziglang" else real(name, package)

    monkeypatch.setattr(module, "find_spec", blocked)
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    message = "compiling for a microcontroller needs 'ziglang', which is not installed"
    with pytest.raises(MissingExtraError, match=message) as caught:
        find_toolchain()
    assert caught.value.hint == "pip install 'edgecnn[mcu]'"


def test_gcc_by_name() -> None:
    need_program("arm-none-eabi-gcc")
    found = find_toolchain(M4, "gcc")
    assert found.gcc
    assert found.description.startswith("arm-none-eabi-gcc 1")
    assert "-mfloat-abi=hard" in found.flags(M4)
    with pytest.raises(ToolError, match=r"arm-none-eabi-gcc failed \(exit code 1\)") as caught:
        found.build(M4, sources("int main(void) { return undeclared_thing; }"))
    assert any("undeclared_thing" in line for line in caught.value.details)
    first, second = (found.build(M4, sources(MAIN)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", TOOLCHAINS)
@pytest.mark.parametrize("core", [core for core in CORES if load_board(core).isa == "thumb"])
def test_floats_run_on_the_fpu_of_cores_that_have_one(core: str, name: str) -> None:
    board = load_board(core)
    hard = "eabihf" in board.compiler.target
    assert hard == ("-mfloat-abi=hard" in board.compiler.gcc)
    main = f"#if defined(__ARM_FP) != {int(hard)}\n#error another float unit\n#endif\n{MAIN}"
    toolchain(core, name).build(board, {**start_up_sources(board), "main.c": PRELUDE + main})


def test_auto_takes_gcc_where_zig_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    need_program("arm-none-eabi-gcc")
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert find_toolchain(M4).gcc
    with pytest.raises(MissingExtraError, match="needs 'ziglang'"):
        find_toolchain(M4, "zig")


@pytest.mark.parametrize(
    ("core", "program", "package"),
    [
        ("cortex-m4", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("rv32imc", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
    ],
)
def test_a_missing_gcc_is_named(
    core: str, program: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda _name: None)
    with pytest.raises(TargetError, match=f"needs '{program}', which is not") as caught:
        find_toolchain(load_board(core), "gcc")
    assert f"apt install {package}" in caught.value.hint


def test_an_unknown_toolchain_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown toolchain 'gc'") as caught:
        find_toolchain(M4, "gc")
    assert "did you mean 'gcc'" in caught.value.hint
