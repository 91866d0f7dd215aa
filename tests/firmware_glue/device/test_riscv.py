"""Sizes and cost classes of RV32IMC instructions, from their encodings in the RISC-V manual."""

import pytest

from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.riscv import code_cycles, count_instructions, decode, kind

CASES = [
    (0x00A28293, 4, "addi t0, t0, 10", "other"),
    (0x0002A303, 4, "lw t1, 0(t0)", "load"),
    (0x00028303, 4, "lb t1, 0(t0)", "load"),
    (0x0062A023, 4, "sw t1, 0(t0)", "store"),
    (0x00628463, 4, "beq t0, t1, 8", "branch"),
    (0x008000EF, 4, "jal ra, 8", "branch"),
    (0x00008067, 4, "ret", "branch"),
    (0x026283B3, 4, "mul t2, t0, t1", "multiply"),
    (0x026293B3, 4, "mulh t2, t0, t1", "multiply_long"),
    (0x0262C3B3, 4, "div t2, t0, t1", "divide"),
    (0x0262F3B3, 4, "remu t2, t0, t1", "divide"),
    (0x006283B3, 4, "add t2, t0, t1", "other"),
    (0x406283B3, 4, "sub t2, t0, t1", "other"),
    (0x0001, 2, "c.nop", "other"),
    (0x4188, 2, "c.lw a0, 0(a1)", "load"),
    (0xC188, 2, "c.sw a0, 0(a1)", "store"),
    (0x4502, 2, "c.lwsp a0, 0(sp)", "load"),
    (0xC02A, 2, "c.swsp a0, 0(sp)", "store"),
    (0x8082, 2, "c.jr ra", "branch"),
    (0x9502, 2, "c.jalr a0", "branch"),
    (0x852E, 2, "c.mv a0, a1", "other"),
    (0x952E, 2, "c.add a0, a1", "other"),
    (0x9002, 2, "c.ebreak", "other"),
    (0xA001, 2, "c.j 0", "branch"),
    (0x2001, 2, "c.jal 0", "branch"),
    (0xC111, 2, "c.beqz a0, 4", "branch"),
    (0xE111, 2, "c.bnez a0, 4", "branch"),
    (0x0505, 2, "c.addi a0, 1", "other"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[2])
def test_size_and_cost_class(case: tuple[int, int, str, str]) -> None:
    instruction, size, _, expected = case
    assert list(decode(instruction.to_bytes(size, "little"))) == [(instruction, size)]
    assert kind(instruction, size) == expected


def test_sizes_and_cycles_add_up() -> None:
    code = b"".join(value.to_bytes(size, "little") for value, size, *_ in CASES)
    table = load_board("rv32imc").cycles
    assert table is not None
    assert count_instructions(code) == len(CASES)
    costs = {"branch": 3, "multiply_long": 5, "divide": 19}
    assert code_cycles(code, table) == sum(costs.get(row[3], 1) for row in CASES)
