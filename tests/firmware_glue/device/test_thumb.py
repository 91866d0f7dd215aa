"""Sizes and cost classes of Thumb instructions, from their encodings in the ARM manuals."""

import pytest

from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.thumb import count_instructions, cycles, decode

M4 = load_board("cortex-m4").cycles
M0 = load_board("cortex-m0plus").cycles

# (halfwords, what it is, cycles on M4, on M0+ or None where it has no such instruction)
CASES = [
    ((0x2001,), "movs r0, #1", 1, 1),
    ((0x1840,), "adds r0, r0, r1", 1, 1),
    ((0x4348,), "muls r0, r1, r0", 1, 1),
    ((0x6808,), "ldr r0, [r1]", 2, 2),
    ((0x6008,), "str r0, [r1]", 1, 2),
    ((0x7808,), "ldrb r0, [r1]", 2, 2),
    ((0x5688,), "ldrsb r0, [r1, r2]", 2, 2),
    ((0x5488,), "strb r0, [r1, r2]", 1, 2),
    ((0x4801,), "ldr r0, [pc, #4]", 2, 2),
    ((0x9801,), "ldr r0, [sp, #4]", 2, 2),
    ((0xB530,), "push {r4, r5, lr}", 4, 4),
    ((0xBD30,), "pop {r4, r5, pc}", 7, 6),
    ((0xBC30,), "pop {r4, r5}", 3, 3),
    ((0xC907,), "ldm r1!, {r0, r1, r2}", 4, 4),
    ((0xD1FC,), "bne", 3, 2),
    ((0xDE00,), "udf", 1, 1),
    ((0xE7FE,), "b", 3, 2),
    ((0x4770,), "bx lr", 3, 2),
    ((0xB108,), "cbz r0", 3, None),
    ((0xB2C0,), "uxtb r0, r0", 1, 1),
    ((0xBF08,), "it eq", 1, None),
    ((0xF7FF, 0xFFFE), "bl", 3, 2),
    ((0xF000, 0xB800), "b.w", 3, None),
    ((0xF3BF, 0x8F4F), "dsb", 1, 1),
    ((0xFB20, 0xF001), "smlad (smuad) r0, r0, r1", 1, None),
    ((0xFBA0, 0x0101), "umull r0, r1, r0, r1", 1, None),
    ((0xFB90, 0xF0F1), "sdiv r0, r0, r1", 7, None),
    ((0xFBB0, 0xF0F1), "udiv r0, r0, r1", 7, None),
    ((0xE92D, 0x47F0), "push.w {r4-r10, lr}", 9, None),
    ((0xE8BD, 0x87F0), "pop.w {r4-r10, pc}", 12, None),
    ((0xE9D1, 0x2300), "ldrd r2, r3, [r1]", 3, None),
    ((0xE8DF, 0xF001), "tbb [pc, r1]", 3, None),
    ((0xF8D1, 0x0004), "ldr.w r0, [r1, #4]", 2, None),
    ((0xF8C1, 0x0004), "str.w r0, [r1, #4]", 1, None),
    ((0xF991, 0x0004), "ldrsb.w r0, [r1, #4]", 2, None),
    ((0xEB00, 0x0051), "add.w r0, r0, r1, lsr #1", 1, None),
    ((0xF302, 0x0107), "ssat r1, #8, r2", 1, None),
    ((0xFB00, 0x1002), "mla r0, r0, r2, r1", 1, None),
    ((0xED92, 0x0A00), "vldr s0, [r2]", 2, None),
    ((0xED82, 0x0A00), "vstr s0, [r2]", 1, None),
    ((0xED2D, 0x8B04), "vpush {d8, d9}", 5, None),
    ((0xEE30, 0x0A20), "vadd.f32 s0, s0, s1", 1, None),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[1])
def test_cost_class(case: tuple[tuple[int, ...], str, int, int | None]) -> None:
    halfwords, _, m4, m0 = case
    code = b"".join(half.to_bytes(2, "little") for half in halfwords)
    (instruction,) = decode(code)
    assert instruction.size == len(code)
    assert cycles(instruction, M4) == m4
    if m0 is not None:
        assert cycles(instruction, M0) == m0


# The M3 multiplies in more than one cycle; the M55 has vectors and loops of its own.
OTHER = [
    ("cortex-m3", (0xFB00, 0xF002), "mul r0, r0, r2", 1),
    ("cortex-m3", (0xFB00, 0x1002), "mla r0, r0, r2, r1", 2),
    ("cortex-m3", (0xFBA0, 0x0101), "umull r0, r1, r0, r1", 5),
    ("cortex-m55", (0xEF02, 0x0844), "vadd.i8 q0, q1, q2", 2),
    ("cortex-m55", (0xED92, 0x1E00), "vldrb.8 q0, [r2]", 2),
    ("cortex-m55", (0xEEF2, 0x0E04), "vmladava.s8 r0, q1, q2", 2),
    ("cortex-m55", (0xF00F, 0xC009), "le lr, back", 1),
    ("cortex-m55", (0xF04E, 0xE001), "dls lr, lr", 1),
    ("cortex-m55", (0xE7FE,), "b", 2),
]


@pytest.mark.parametrize("case", OTHER, ids=lambda case: case[2])
def test_cost_class_on_other_cores(case: tuple[str, tuple[int, ...], str, int]) -> None:
    core, halfwords, _, cost = case
    (instruction,) = decode(b"".join(half.to_bytes(2, "little") for half in halfwords))
    table = load_board(core).cycles
    assert table is not None
    assert cycles(instruction, table) == cost


def test_sizes_add_up() -> None:
    halfwords = [half for case in CASES for half in case[0]]
    code = b"".join(half.to_bytes(2, "little") for half in halfwords)
    assert count_instructions(code) == len(CASES)
