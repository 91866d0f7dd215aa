"""Thumb code, as far as counting needs it: instruction sizes and classes of cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from firmware_glue.device.board import Cycles


@dataclass(frozen=True)
class Instruction:
    """One instruction; ``second`` is 0 for 16-bit ones."""

    first: int
    second: int
    size: int


def decode(code: bytes) -> Iterator[Instruction]:
    """Splits code (without literals) into instructions.

    A halfword whose top five bits are 29, 30 or 31 starts a 4-byte instruction.
    """
    at = 0
    while at < len(code):
        first = int.from_bytes(code[at : at + 2], "little")
        size = 4 if first >> 11 >= 29 else 2
        second = int.from_bytes(code[at + 2 : at + 4], "little") if size == 4 else 0
        yield Instruction(first, second, size)
        at += size


def count_instructions(code: bytes) -> int:
    """How many instructions ``code`` (without literals) holds."""
    return sum(1 for _ in decode(code))


def code_cycles(code: bytes, table: Cycles) -> int:
    """Estimated cycles of ``code`` (without literals), run once; see :func:`cycles`."""
    return sum(cycles(instruction, table) for instruction in decode(code))


def cycles(instruction: Instruction, table: Cycles) -> int:
    """Estimated cycles of one instruction with zero wait states; branches as if taken."""
    costs: Mapping[str, int] = vars(table)
    kind, registers = (
        _kind_16(instruction.first)
        if instruction.size == 2
        else _kind_32(instruction.first, instruction.second)
    )
    if kind == "multiple":
        return costs["multiple_base"] + registers
    if kind == "return":
        return costs["multiple_base"] + registers + costs["branch"]
    return costs[kind] or costs["multiply"]


def _kind_16(op: int) -> tuple[str, int]:
    """The class of a 16-bit instruction, and how many registers it moves."""
    top = op >> 12
    registers = (op & 0xFF).bit_count()
    if op >> 9 == 0b1011010 or top == 0b1100:
        return "multiple", registers + (op >> 8 & 1 if top == 0b1011 else 0)
    if op >> 9 == 0b1011110:
        return ("return" if op & 0x100 else "multiple"), registers + (op >> 8 & 1)
    if op >> 11 == 0b01001:
        return "load", 1
    if 0b0101 <= top <= 0b1001:
        # Register offsets: 0 to 2 store; 3 to 7 load. The others say it in bit 11.
        loads = (op >> 9 & 7) >= 3 if top == 0b0101 else bool(op & 0x800)
        return ("load" if loads else "store"), 1
    conditional = top == 0b1101 and op >> 8 & 0xF < 14
    compare = op & 0xF500 == 0xB100  # CBZ, CBNZ
    if conditional or compare or op >> 11 == 0b11100 or op >> 8 == 0b01000111:
        return "branch", 0
    if op >> 6 == 0b0100001101:
        return "multiply", 0
    return "other", 0


def _kind_32(first: int, second: int) -> tuple[str, int]:
    """The class of a 32-bit instruction, and how many registers it moves."""
    if first & 0xFE40 == 0xE800:
        returns = bool(first & 0x10) and bool(second & 0x8000)
        return ("return" if returns else "multiple"), second.bit_count()
    if first & 0xFE40 == 0xE840:
        if first & 0xFFF0 == 0xE8D0 and second & 0xF0E0 == 0xF000:
            return "branch", 0  # TBB, TBH
        return "multiple", 2  # LDRD, STRD
    if first & 0xFE00 == 0xF800:
        return ("load" if first & 0x10 else "store"), 1
    if first & 0xEC00 == 0xEC00:
        return _kind_coprocessor(first, second)
    if first >> 11 == 0b11110 and second & 0x8000:
        loop = first & 0xFF80 == 0xF000 and second & 0xD001 == 0xC001  # DLS, WLS, LE
        miscellaneous = second & 0x5000 == 0 and first & 0x0380 == 0x0380
        return ("other" if loop or miscellaneous else "branch"), 0
    if first & 0xFF80 == 0xFB80:
        divides = first & 0xFFD0 == 0xFB90 and second & 0xF0 == 0xF0
        return ("divide" if divides else "multiply_long"), 0
    if first & 0xFF80 == 0xFB00:
        return ("multiply" if second >> 12 == 0b1111 else "multiply_add"), 0
    return "other", 0


def _kind_coprocessor(first: int, second: int) -> tuple[str, int]:
    """FPU (coprocessors 10 and 11) and vectors, which share the rest of that encoding space."""
    if first & 0x1000 or second >> 9 & 7 != 0b101:
        return "vector", 0
    if first & 0xFE00 != 0xEC00 or first & 0xFFE0 == 0xEC40:
        return "other", 0
    if first & 0xFF20 == 0xED00:
        return ("load" if first & 0x10 else "store"), 1  # VLDR, VSTR
    return "multiple", second & 0xFF  # VLDM, VSTM, in words
