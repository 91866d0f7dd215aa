"""RV32IMC code, as far as counting needs it: instruction sizes and classes of cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from firmware_glue.device.board import Cycles

_KINDS_32: Mapping[int, str] = {
    0b0000011: "load",
    0b0100011: "store",
    0b1100011: "branch",
    0b1101111: "branch",  # JAL
    0b1100111: "branch",  # JALR
}
# (quadrant, funct3) of 16-bit instructions; C.JAL is RV32's alone.
_KINDS_16: Mapping[tuple[int, int], str] = {
    (0, 0b010): "load",
    (0, 0b110): "store",
    (1, 0b001): "branch",
    (1, 0b101): "branch",
    (1, 0b110): "branch",
    (1, 0b111): "branch",
    (2, 0b010): "load",
    (2, 0b110): "store",
}


def decode(code: bytes) -> Iterator[tuple[int, int]]:
    """Splits code into (instruction, bytes); the low two bits are 3 where it takes 4 bytes."""
    at = 0
    while at < len(code):
        size = 4 if code[at] & 3 == 3 else 2
        yield int.from_bytes(code[at : at + size], "little"), size
        at += size


def count_instructions(code: bytes) -> int:
    """How many instructions ``code`` holds."""
    return sum(1 for _ in decode(code))


def code_cycles(code: bytes, table: Cycles) -> int:
    """Estimated cycles of ``code``, run once, with zero wait states; branches as if taken."""
    costs: Mapping[str, int] = vars(table)
    return sum(costs[kind(*row)] or costs["multiply"] for row in decode(code))


def kind(instruction: int, size: int) -> str:
    """The class of an instruction: a key of the cost table."""
    if size == 2:
        if instruction & 0xF003 in (0x8002, 0x9002) and instruction & 0x7C == 0:
            return "branch" if instruction & 0xF80 else "other"  # C.JR, C.JALR; C.EBREAK
        return _KINDS_16.get((instruction & 3, instruction >> 13), "other")
    opcode = instruction & 0x7F
    if opcode == 0b0110011 and instruction >> 25 == 1:
        function = instruction >> 12 & 7
        return "multiply" if function == 0 else "multiply_long" if function < 4 else "divide"
    return _KINDS_32.get(opcode, "other")
