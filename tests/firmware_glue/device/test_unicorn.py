"""Instruction counts are exact, and faults say where."""

import builtins

import pytest

from edgecnn.core.errors import MissingExtraError, TargetError, ToolError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.base import Program, Span
from firmware_glue.device.emulate.block_counter import NativeCounter, PythonCounter, _hook_library
from firmware_glue.device.emulate.session import MachineSession, count_call
from firmware_glue.device.emulate.unicorn_machine import UnicornMachine, find_unicorn
from tests.firmware_glue.device.code import CONDITIONAL, LOOP, LOOP_INSTRUCTIONS, MIXED, MODEL
from tests.firmware_glue.device.programs import UNICORN_CORES as CORES
from tests.firmware_glue.device.programs import program


def machine(core: str, code: str, **options: float) -> UnicornMachine:
    return UnicornMachine(program(core, code), load_board(core), **options)


def count(core: str, code: str, function: str) -> int:
    elf = program(core, code)
    started = UnicornMachine(elf, load_board(core))
    return count_call(started, elf.address(function)).instructions


@pytest.mark.parametrize("core", CORES)
def test_counts_a_loop_of_known_length(core: str) -> None:
    assert count(core, LOOP, "loop7") == LOOP_INSTRUCTIONS


def test_counts_conditional_instructions_that_fail_their_condition() -> None:
    assert count("cortex-m4", CONDITIONAL, "choose") == 4 + 10 * 6 + 1


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m7", "rv32imc"])
def test_counts_as_a_hook_on_every_instruction_does(core: str) -> None:
    """Switch tables, calls, 64-bit products, library calls."""
    import unicorn

    elf = program(core, MIXED)
    stepped = machine(core, MIXED)
    stepped.run_until(elf.address("work"))
    seen: list[int] = []
    stepped._uc.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, at, _size, _user: seen.append(at))
    stepped.run_until(stepped.return_address)
    assert count(core, MIXED, "work") == len(seen) > 5000


@pytest.mark.parametrize("core", CORES)
def test_both_counters_agree(core: str) -> None:
    elf = program(core, MIXED)
    library = _hook_library()
    assert library is not None
    entered = [
        count_call(
            UnicornMachine(elf, load_board(core), counter=counter), elf.address("work")
        ).entered
        for counter in (PythonCounter, lambda: NativeCounter(library))
    ]
    assert entered[0] == entered[1]
    assert len(entered[0]) > 10


def test_counts_as_single_steps_do() -> None:
    """As above where instructions are conditional: a step covers a whole IT block."""
    elf = program("cortex-m4", MIXED)
    stepped = machine("cortex-m4", MIXED)
    stepped.run_until(elf.address("work"))
    end, steps, conditional, at = stepped.return_address, 0, 0, stepped.pc
    while at != end:
        conditional += it_length(int.from_bytes(stepped.read(at, 2), "little"))
        stepped._uc.emu_start(at | 1, 0xFFFFFFFE, count=1)
        at, steps = stepped.pc, steps + 1
    assert conditional > 0
    assert count("cortex-m4", MIXED, "work") == steps + conditional


def it_length(halfword: int) -> int:
    """How many instructions an IT makes conditional; 0 for any other instruction."""
    mask = halfword & 0xF if halfword >> 8 == 0xBF else 0
    return 4 - ((mask & -mask).bit_length() - 1) if mask else 0


def test_the_reset_code_initialises_data_bss_and_stack() -> None:
    code = """
    volatile uint32_t set[3] = {11u, 22u, 33u};
    volatile uint32_t zero[3];
    int main(void) { edgecnn_ready(); set[0] += zero[2]; return 0; }
    """
    elf = program("cortex-m4", code)
    runner = UnicornMachine(elf, load_board("cortex-m4"))
    ram = load_board("cortex-m4").memory
    runner.write(elf.address("zero"), b"\xff" * 12)
    runner.run_until(elf.address("edgecnn_ready"))
    assert runner.read(elf.address("set"), 12) == bytes.fromhex("0b0000001600000021000000")
    assert runner.read(elf.address("zero"), 12) == bytes(12)
    assert runner.read(ram.ram_origin, 4) == b"\xa5" * 4


@pytest.mark.parametrize("core", CORES)
def test_a_session_runs_again_and_again(core: str) -> None:
    elf = program(core, MODEL)
    model = Program(elf, (Span(0, 4),), (Span(8, 1),), "invoke")
    session = MachineSession(model, load_board(core), UnicornMachine(elf, load_board(core)))
    first = session.run([bytes([1, 2, 3, 4])], count=True)
    second = session.run([bytes([10, 2, 3, 4])])
    third = session.run([bytes([1, 2, 3, 4])], count=True)
    assert (first.outputs, second.outputs) == ((bytes([10]),), (bytes([19]),))
    assert second.instructions is None
    assert first.instructions == third.instructions
    assert first.instructions and first.cycles_estimate
    assert first.cycles_estimate > first.instructions
    assert 4 * 64 <= first.stack_bytes < 600


def test_inputs_of_the_wrong_size_are_refused() -> None:
    elf = program("cortex-m4", MODEL)
    model = Program(elf, (Span(0, 4),), (Span(8, 1),), "invoke")
    session = MachineSession(model, load_board("cortex-m4"), machine("cortex-m4", MODEL))
    with pytest.raises(TargetError, match=r"inputs of \[3\] bytes were given; .* takes \[4\]"):
        session.run([b"abc"])


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("*(volatile uint32_t *)0x40000000 = 1u;", "WRITE_UNMAPPED"),
        ("(void)*(volatile uint32_t *)0x90000000;", "READ_UNMAPPED"),
        ("*(volatile uint32_t *)0x00000000 = 1u;", "WRITE_PROT"),
        ('__asm__ volatile(".hword 0xde00");', "INSN_INVALID"),
        ("((void (*)(void))0x30000001)();", "FETCH"),
        ("((void (*)(void))0x20000001)();", "FETCH"),
    ],
)
def test_a_fault_names_the_place(body: str, what: str) -> None:
    code = "KEEP void victim(void) { " + body + " }\nint main(void) { victim(); return 0; }"
    runner = machine("cortex-m4", code)
    with pytest.raises(ToolError) as caught:
        runner.run_until(runner._elf.address("edgecnn_fault"))
    details = " ".join(caught.value.details)
    assert what in details
    assert "pc 0x" in details
    assert "victim+0x" in details or "FETCH" in what


def test_a_stack_overflow_is_a_fault() -> None:
    code = """
    KEEP uint32_t deeper(uint32_t n) { volatile uint32_t a[8]; a[n & 7u] = n;
      return n == 0u ? 0u : deeper(n - 1u) + a[n & 7u]; }
    int main(void) { return (int)deeper(100000u); }
    """
    runner = machine("cortex-m0plus", code)
    with pytest.raises(ToolError, match="unicorn failed") as caught:
        runner.run_until(runner._elf.address("edgecnn_fault"))
    assert "deeper+0x" in " ".join(caught.value.details)


def test_an_endless_loop_hits_the_limit() -> None:
    code = 'KEEP void spin(void) { for (;;) { __asm__ volatile(""); } } int main(void) { spin(); }'
    runner = machine("cortex-m4", code, limit_s=0.05)
    with pytest.raises(ToolError, match="timed out") as caught:
        runner.run_until(runner._elf.address("edgecnn_fault"))
    assert "spin+0x" in " ".join(caught.value.details)
    assert "0.05 s" in caught.value.hint


def test_without_unicorn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def blocked(name: str, *rest: object, **more: object) -> object:
        if name.split(".")[0] == "unicorn":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(MissingExtraError, match="needs 'unicorn'") as caught:
        find_unicorn(load_board("cortex-m4"))
    assert caught.value.hint == "pip install 'edgecnn[mcu]'"
