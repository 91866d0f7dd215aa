"""Renders docs/boards.md from the boards' TOML files."""

from __future__ import annotations

from firmware_glue.device.board import BOARDS, Board
from firmware_glue.device.board_file import load_board

_HEAD = """\
# Boards

Made from the boards' TOML files by `firmware_glue.device.docs`; do not edit.

`edgecnn run -t BOARD` compiles a model into a program for the board, says whether it fits, flashes
it, replays the golden vector there and measures; with `--emulate` it does the same with no board,
where an emulator is named. *Tried on* says where the program was run so far: **no board of this
list was touched yet**. "linked only" means that no emulator has the board: its program was linked,
and ran in unicorn against a model of the chip's registers that was made for the tests, each access
compared with the chip's description.

| `-t` | part | core, clock | flash | RAM | line | flashed by | tried on |
|---|---|---|--:|--:|---|---|---|
"""
_TAIL = """
A board of your own: `--board-file my-board.toml`
([CONTRIBUTING.md](../CONTRIBUTING.md), "Add a board or a core").

## Where the figures come from
"""


def boards_markdown() -> str:
    """The page: a table of boards, then the evidence behind each."""
    boards = [load_board(name) for name in BOARDS]
    rows = "".join(_row(board) for board in boards)
    return _HEAD + rows + _TAIL + "".join(_evidence(board) for board in boards)


def _row(board: Board) -> str:
    memory, line, flashing = board.memory, board.line, board.flashing
    cells = (
        f"`{board.name}`", board.part, f"{board.cpu}, {board.clock.hz / 1e6:g} MHz",
        f"{memory.flash_bytes // 1024:,} KiB", f"{memory.ram_bytes // 1024:,} KiB",
        line.peripheral if line else "", ", ".join(flashing.methods) if flashing else "–",
        board.tried,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _evidence(board: Board) -> str:
    lines = [f"\n**{board.name}**: {board.summary}\n"]
    lines += [f"- {what}: {source}" for what, source in board.evidence.items()]
    return "\n".join(lines) + "\n"
