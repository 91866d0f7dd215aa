"""What a chain of ops over row buffers is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_glue.compiler.ir import Tensor
from firmware_glue.compiler.ops.spec import Call, Overlap, RowReach

Turn = tuple[int, int]
"""(number of a stage, rows)."""
MAX_BAND = 255
"""Rows of one turn: they fill a byte of the table."""


@dataclass(frozen=True)
class Stage:
    """One op of a chain.

    Attributes:
        name, code, kernel, sources: as a step has them.
        calls: of the rows form, one; or of one row, any number.
        by_row: ``calls`` are of one row, repeated for every row of a band.
        reads: which rows of each input that is no constant.
        inputs: tensor ids for comments.
        output: tensor id.
        height: rows of the output.
        band: rows of one turn, at most.
        scratch_bytes: of a turn.
        overlaps: of the calls for one row: how a row may lie over one that it is made of.
        call_instructions, row_instructions: estimates, per call and per row.
        step: rows that are computed at a time.
    """

    name: str
    code: str
    kernel: str
    sources: tuple[int, ...]
    calls: tuple[Call, ...]
    by_row: bool
    reads: tuple[RowReach, ...]
    inputs: tuple[int, ...]
    output: int
    height: int
    band: int = 1
    scratch_bytes: int = 0
    overlaps: tuple[Overlap, ...] = ()
    call_instructions: int = 0
    row_instructions: int = 0
    step: int = 1


@dataclass(frozen=True)
class Ring:
    """Where the rows of a tensor lie: row y at y % rows.

    Attributes:
        offset: bytes from the start of the step's scratch memory.
    """

    rows: int
    row_bytes: int
    offset: int


@dataclass(frozen=True)
class Chain:
    """The stages of a step.

    Attributes:
        rings: tensor id → its ring; other tensors of the chain are whole.
        turns: (stage, rows that it computes), turn by turn.
    """

    stages: tuple[Stage, ...]
    rings: Mapping[int, Ring]
    turns: tuple[Turn, ...]


def rows_of(tensor: Tensor) -> tuple[int, int]:
    """(rows, bytes of each) of a tensor as chains see it; one row if it is no single image."""
    if len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.nbytes:
        return tensor.shape[1], tensor.nbytes // tensor.shape[1]
    return 1, tensor.nbytes
