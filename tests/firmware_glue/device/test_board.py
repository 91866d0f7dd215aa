"""A board is data: every wrong key and value is named."""

from importlib.resources import files
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError, UnknownNameError
from firmware_glue.device.board_file import board_names, load_board, load_board_file, parse_board

GOOD = """
name = "my-board"
summary = "a board"
core = "cortex-m0plus"
[memory]
flash_origin = 0x10000000
flash_bytes = 0x200000
ram_origin = 0x20000000
ram_bytes = 0x42000
[clock]
hz = 125_000_000
"""


def _regions(*pairs: str | int) -> str:
    """[[memory.regions]] of (name, bytes) pairs, before [clock]."""
    rows = zip(pairs[::2], pairs[1::2], strict=True)
    tables = (f'[[memory.regions]]\nname = "{name}"\nbytes = {size}\n' for name, size in rows)
    return "".join(tables) + "[clock]"


def test_regions_are_read_in_order() -> None:
    board = parse_board(GOOD.replace("[clock]", _regions("dtcm", 64, "sram", 128)), source="x")
    assert [(r.name, r.bytes) for r in board.memory.regions] == [("dtcm", 64), ("sram", 128)]


def test_every_packaged_toml_is_in_the_table_and_loads() -> None:
    folder = files("firmware_glue.device") / "boards"
    tomls = {entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")}
    assert tomls == set(board_names())
    for name in board_names():
        board = load_board(name)
        assert board.name == name
        # A bare core promises what a board may leave out.
        if board.generic:
            assert board.cycles is not None
            assert board.compiler.gcc
            assert board.emulator.qemu


def test_a_board_takes_over_its_core() -> None:
    board, core = parse_board(GOOD, source="x"), load_board("cortex-m0plus")
    assert (board.compiler, board.emulator, board.cycles) == (
        core.compiler, core.emulator, core.cycles,
    )  # fmt: skip
    assert board.memory.ram_bytes == 0x42000
    assert board.memory.stack_bytes == 0x2000
    assert not board.generic


def test_an_unknown_board_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown board 'cortex-m5'") as caught:
        load_board("cortex-m5")
    assert "did you mean 'cortex-m55'" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hz =", "hertz =", r"'clock.hertz' is 125000000; allowed: only the keys hz"),
        ("name =", "nam =", r"'nam' is 'my-board'; allowed: only the keys name, summary, cpu"),
        ('"my-board"', '"My Board"', r"'name' is 'My Board'; allowed: lower-case letters"),
        ('"my-board"', "7", r"'name' is 7; allowed: a text"),
        ("0x42000", "-1", r"'memory.ram_bytes' is -1; allowed: an integer from 0 to"),
        ("0x42000", "true", r"'memory.ram_bytes' is True; allowed: an integer"),
        ("0x42000", "0", r"'memory.ram_bytes' is 0; allowed"),
        ("0x42000", "0xffffffff", r"'memory.ram_bytes' is 4294967295; allowed: 1 up to"),
        ("0x20000000", "0x10000100", r"'memory.ram_origin' is 268435712; allowed: RAM apart"),
        ("0x10000000", "0x10000001", r"'memory.flash_origin' .* allowed: a multiple of 256"),
        ("125_000_000", "0", r"'clock.hz' is 0; allowed: more than 0"),
        ("cortex-m0plus", "cortex-x", r"'core' is 'cortex-x'; allowed: one of"),
        ("ram_bytes = 0x42000", "", r"'memory.ram_bytes' is missing; expected an integer"),
        ("[clock]", "stack_bytes = 12\n[clock]", r"'memory.stack_bytes' is 12; allowed"),
        ("[memory]", 'emulator = "qemu"\n[memory]', r"'emulator' is 'qemu'; allowed: a table"),
        ("[memory]", 'isa = "avr"\n[memory]', r"'isa' is 'avr'; allowed: thumb, riscv"),
        (
            "[clock]",
            _regions("Fast", 64),
            r"'memory.regions\[0\].name' is 'Fast'; allowed",
        ),
        ("[clock]", _regions("a", 64, "a", 64), r"'memory.regions\[1\].name' is 'a'; allowed"),
        ("[clock]", _regions("a", 0), r"'memory.regions\[0\].bytes' is 0; allowed: 1 up to"),
        ("[clock]", _regions("a", 0x30000, "b", 0x30000), r"'memory.regions\[1\].bytes' is 196608"),
        (
            "[clock]",
            '[compiler]\ntarget = "x"\nmcpu = "y"\nflags = [1]\n[clock]',
            r"'compiler.flags' is \[1\]; allowed: a list of texts",
        ),
        ("name =", "name", r"is not TOML"),
    ],
)
def test_each_wrong_key_or_value_is_named(old: str, new: str, message: str) -> None:
    with pytest.raises(TargetError, match=message) as caught:
        parse_board(GOOD.replace(old, new, 1), source="my.toml")
    assert caught.value.message.startswith("my.toml")


def test_a_board_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_board_file(path).name == "my-board"
    with pytest.raises(TargetError, match=r"nowhere\.toml' cannot be read"):
        load_board_file(tmp_path / "nowhere.toml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(TargetError, match="cannot be read"):
        load_board_file(path)
