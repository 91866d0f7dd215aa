"""Boards as targets: what they say they take is what the linker makes, and too much is refused."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from edgecnn.core.errors import PlanError, TargetError, UsageError
from edgecnn.core.files import sha256_bytes
from edgecnn.core.tflite.reader import read_model
from edgecnn.models.table import model_names
from firmware_glue.device.board import BOARDS
from firmware_glue.device.board_file import load_board, parse_board
from firmware_glue.device.firmware import Firmware, link_firmware
from firmware_glue.device.toolchain import find_toolchain
from targets.base import ModelFile, RunOptions
from targets.mcu.board_plan import BoardFits
from targets.mcu.board_target import BoardTarget, make
from targets.table import EXPORTS, chosen_target, get_target
from tests.builders import tiny_classifier
from tests.firmware_glue.device import programs
from tests.run import in_process, shared
from tests.share import long_but_for


@cache
def model() -> ModelFile:
    data = tiny_classifier()
    return ModelFile(Path("tiny.tflite"), data, sha256_bytes(data), read_model(data))


@pytest.fixture(autouse=True, scope="module")
def one_link_each() -> Iterator[None]:
    """The same program is linked once in this file: a C compiler takes a second."""
    from targets.mcu import board_target

    original, made = board_target.link_firmware, {}

    def link(compiled, board, toolchain, identity):  # type: ignore[no-untyped-def]
        key = (board, toolchain, identity, hash(tuple(sorted(compiled.files.items()))))
        if key not in made:
            made[key] = original(compiled, board, toolchain, identity)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_target, "link_firmware", link)
        yield


@cache
def linked(board: str, compiler: str = "auto") -> Firmware:
    target = make(board)
    options = RunOptions(toolchain=compiler)
    return target.program(target.plan(model(), options), options)


def sections(image: bytes) -> dict[str, tuple[int, int]]:
    """(address, bytes) of what takes memory, by an independent reader."""
    elf = ELFFile(io.BytesIO(image))
    return {s.name: (s["sh_addr"], s["sh_size"]) for s in elf.iter_sections() if s["sh_flags"] & 2}


def stored_end(image: bytes) -> int:
    """The first address of flash that the image leaves free."""
    segments = ELFFile(io.BytesIO(image)).iter_segments("PT_LOAD")
    return max(s["p_paddr"] + s["p_filesz"] for s in segments if s["p_filesz"])


@pytest.mark.parametrize("name", BOARDS)
def test_what_a_board_says_is_what_the_linker_makes(name: str) -> None:
    firmware = linked(name)
    use, memory = firmware.use, load_board(name).memory
    found = sections(firmware.image)
    assert use.data_bytes == found[".data"][1]
    assert use.bss_bytes == found[".bss"][1] + found.get(".noinit", (0, 0))[1]
    assert use.arena_bytes == found[".arena"][1]
    text = sum(
        size
        for at, size in found.values()
        if memory.flash_origin <= at < memory.flash_origin + memory.flash_bytes
    )
    text -= found[".data"][1] if found[".data"][0] < memory.ram_origin else 0
    assert text <= use.text_bytes <= text * 1.01
    # Padding of the last section may be kept for what follows it.
    assert 0 <= memory.flash_origin + use.flash_bytes - stored_end(firmware.image) < 8
    ends = [at + size for at, size in found.values() if 0 <= at - memory.ram_origin < 1 << 28]
    assert use.ram_bytes == max(ends) - memory.ram_origin
    whole = use.program_bytes + use.model_code_bytes + use.weight_bytes
    assert whole == use.flash_bytes and min(use.program_bytes, use.model_code_bytes) > 500


@pytest.mark.parametrize(
    ("name", "compiler"),
    long_but_for([(n, c) for n in BOARDS for c in ("auto", "gcc")], ("microbit", "auto")),
)
def test_the_image_is_that_of_a_linker_with_limits(name: str, compiler: str) -> None:
    """What is counted in memory without limits is what is flashed: byte for byte."""
    programs.toolchain(name, compiler)
    free = linked(name, compiler)
    toolchain = find_toolchain(free.board, compiler)
    limited = link_firmware(free.compiled, free.board, toolchain, free.identity, limited=True)
    assert free.image == limited.image


def smaller(name: str, **memory: int) -> BoardTarget:
    """The board with other sizes of memory, as a file of the user's own."""
    from importlib.resources import files

    text = (files("firmware_glue.device") / "boards" / f"{name}.toml").read_text()
    for key, value in memory.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    return BoardTarget(parse_board(text, source="own.toml"))


@pytest.mark.parametrize(("key", "what"), [("flash_bytes", "flash"), ("ram_bytes", "RAM")])
def test_one_byte_decides(key: str, what: str) -> None:
    firmware = linked("microbit")
    needed = getattr(firmware.use, key)
    for there, fits in ((needed, True), (needed - 1, False)):
        said = BoardFits(smaller("microbit", **{key: there}).board, firmware.compiled, firmware.use)
        assert said.fits is fits
        why = f"{what}: {needed:,} bytes needed, {there:,} there, 1 too many"
        assert said.why == (None if fits else why)


@pytest.mark.long
@pytest.mark.parametrize(("key", "what"), [("flash_bytes", "flash"), ("ram_bytes", "RAM")])
def test_one_byte_too_large_is_refused_with_numbers(key: str, what: str) -> None:
    options = RunOptions(optimize="size")
    enough = {"flash_bytes": 20480, "ram_bytes": 3072}[key]
    # What misses the memory by far is the smallest program there is.
    least = smaller("microbit", **{key: enough}).plan(model(), options).fits
    assert least.use is not None
    needed = getattr(least.use, key)
    assert smaller("microbit", **{key: needed}).plan(model(), options).fits.fits is True
    target = smaller("microbit", **{key: needed - 1})
    plan = target.plan(model(), options)
    with pytest.raises(PlanError, match=rf"{what}: {needed:,} bytes needed, {needed - 1:,} there"):
        target.program(plan, options)


@pytest.mark.parametrize("compiler", ["auto", pytest.param("gcc", marks=pytest.mark.long)])
def test_figures_that_cannot_be_are_the_boards_fault(compiler: str) -> None:
    """An RP2040 at 140 MHz: its clock's driver says so, and no report of ours is asked for."""
    target = smaller("pico", hz=140_000_000)
    with pytest.raises(TargetError, match="board 'pico': an RP2040 runs at 62.5 to 133 MHz") as e:
        target.plan(model(), RunOptions(toolchain=compiler))
    assert "[clock]" in e.value.hint


def test_too_large_by_itself_needs_no_c_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_building(*_: object, **__: object) -> None:
        raise AssertionError("it was built")

    monkeypatch.setattr("targets.mcu.board_target.link_firmware", no_building)
    target = smaller("microbit", flash_bytes=256)
    plan = target.plan(model(), RunOptions())
    assert plan.fits.fits is False
    assert "flash: " in (plan.fits.why or "") and "for the model alone" in (plan.fits.why or "")


def test_check_names_the_boards_that_hold_a_model(tmp_path: Path) -> None:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(model().data)
    done = in_process("check", file, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reports = {row["target"]: row for row in json.loads(done.stdout)}
    assert list(reports) == list(BOARDS)
    assert all(row["fits"] for row in reports.values())
    assert reports["pico"]["memory"]["flash_limit_bytes"] == 2 << 20


def test_compile_writes_what_is_flashed(tmp_path: Path) -> None:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(model().data)
    done = in_process("compile", file, "-t", "pico", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for end in ("elf", "map", "bin", "hex", "uf2"):
        assert (tmp_path / "out" / f"tiny.{end}").stat().st_size, end
    firmware = linked("pico")
    flash = said["flash"]["code_bytes"] + said["flash"]["weight_bytes"]
    assert flash == firmware.use.flash_bytes


def test_own_board_by_file(tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("firmware_glue.device") / "boards" / "microbit.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('name = "microbit"', 'name = "mine"'))
    assert chosen_target(None, tmp_path / "mine.toml").name == "mine"
    with pytest.raises(UsageError, match="describes 'mine'"):
        chosen_target("pico", tmp_path / "mine.toml")
    (tmp_path / "model.tflite").write_bytes(model().data)
    board = ("--board-file", tmp_path / "mine.toml", "--json")
    done = in_process("check", tmp_path / "model.tflite", *board)
    assert done.returncode == 0 and json.loads(done.stdout)["target"] == "mine"


def test_bench_counts_on_the_core_and_asks_no_device(tmp_path: Path) -> None:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(model().data)
    done = in_process("bench", file, "-t", "pico", "-d", "/dev/ttyACM0")
    assert done.returncode == 2 and "edgecnn run -t pico -d /dev/ttyACM0" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", BOARDS)
def test_bench_counts_every_board(name: str, tmp_path: Path) -> None:
    file = tmp_path / "tiny.tflite"
    file.write_bytes(model().data)
    done = in_process("bench", file, "-t", name, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["bit_exact"] and said["unit"] == "instructions"
    assert any("edgecnn run" in note for note in said["notes"])


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_boards_not_here_say_through_which_export(name: str) -> None:
    with pytest.raises(TargetError, match=f"edgecnn export --format {EXPORTS[name]}") as error:
        get_target(name)
    assert "edgecnn compile -t" in error.value.hint


def test_targets_tells_what_was_run_where() -> None:
    done = in_process("targets", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    for name in BOARDS:
        emulated = load_board(name).emulation is not None
        assert rows[name]["tried"].startswith("emulator" if emulated else "linked only")
        assert "hardware" not in rows[name]["tried"]


def agrees_with_the_linker(name: str, real: ModelFile) -> bool:
    """Whether the board holds the model, after its figures were compared with the image."""
    plan, memory = make(name).plan(real, RunOptions()), load_board(name).memory
    said, firmware = plan.fits, plan.firmware
    room = said.flash_bytes <= memory.flash_bytes and said.ram_bytes <= memory.ram_bytes
    assert said.fits is room
    if firmware is not None:
        end = stored_end(firmware.image) - memory.flash_origin
        assert end <= said.flash_bytes <= end * 1.01
        assert firmware.use.data_bytes == sections(firmware.image)[".data"][1]
    return bool(said.fits)


@pytest.mark.long
@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("file", ["kws_ref_model.tflite", "vww_96_int8.tflite"])
def test_real_models_on_all_boards(name: str, file: str) -> None:
    data = (shared() / "models/mlperf_tiny" / file).read_bytes()
    real = ModelFile(Path(file), data, sha256_bytes(data), read_model(data))
    holds = agrees_with_the_linker(name, real)
    assert holds is (file.startswith("kws") or name != "microbit")


@pytest.mark.long
@pytest.mark.train
@pytest.mark.parametrize("zoo", model_names())
def test_the_zoo_on_all_boards(zoo: str) -> None:
    """Every model of the zoo, small, with weights as they are drawn."""
    nets = pytest.importorskip("tests.quantization.nets")
    from edgecnn.models.table import build_model, model_info
    from quantization.quantize import QuantizeRequest, quantize
    from quantization.recipe import get_recipe

    info = model_info(zoo)
    side = 64 if info.task == "detect" else 32
    shape = (side, side, info.channels)
    options = {"width": 0.25} if zoo.startswith("mobilenet") else {}
    net = build_model(zoo, input_shape=shape, classes=4, **options)
    nets.randomise_batch_norm(net)
    items = [{net.inputs[0].name: sample["image"]} for sample in nets.samples(4, shape)]
    recipe = replace(get_recipe("int8"), samples=4)
    data = quantize(QuantizeRequest(net, nets.calibration(items), recipe)).model
    real = ModelFile(Path(f"{zoo}.tflite"), data, sha256_bytes(data), read_model(data))
    holding = [name for name in BOARDS if agrees_with_the_linker(name, real)]
    assert "riscv-virt" in holding
