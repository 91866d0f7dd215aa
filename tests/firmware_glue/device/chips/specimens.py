"""The boards whose firmware is traced: their registers, model, rules, and clock tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import pytest

from firmware_glue.device.board import Board
from firmware_glue.device.board_file import load_board
from firmware_glue.device.families import FAMILIES, pin_number
from tests.firmware_glue.device.chips import firmware, nordic, raspberry, stm32
from tests.firmware_glue.device.chips.machine import (
    INSTRUCTIONS,
    Access,
    Answer,
    Receiver,
    State,
    TracedMachine,
)
from tests.firmware_glue.device.chips.registers import Registers, svd, svd_names, table
from tests.firmware_glue.device.chips.rules import Gate, Rule

NRF51 = ("CLOCK", "POWER", "UART0", "TIMER0", "WDT", "GPIO")
NRF52 = ("CLOCK", "POWER", "UART0", "TIMER0", "WDT", "P0", "P1")
STM32F4 = ("RCC", "PWR", "FLASH", "GPIOA", "USART1", "USART2", "IWDG")
STM32L4 = ("RCC", "PWR", "FLASH", "GPIOG", "LPUART1", "IWDG")


@dataclass(frozen=True)
class Specimen:
    """A board.

    Attributes:
        svd: one of pyOCD's files and its peripherals; None: none is shipped for the chip.
        tables: registers that the SVD lacks or has otherwise; they count first.
        rates: state → (core's Hz, baud).
        causes: the register of reset causes: address, and value → what it means.
        resets: register that resets the chip when these bits are written.
        receiver: how a byte arrives.
    """

    name: str
    svd: tuple[str, tuple[str, ...]] | None
    tables: tuple[str, ...]
    answer: Answer
    gates: tuple[Gate, ...]
    rules: tuple[Rule, ...]
    rates: Callable[[State], tuple[float, float]]
    causes: tuple[int, dict[int, str]]
    resets: dict[int, int]
    receiver: Receiver
    aliases: bool = False

    @property
    def board(self) -> Board:
        return load_board(self.name)

    @property
    def registers(self) -> Registers:
        return _registers(self.svd, self.tables)


@cache
def _registers(source: tuple[str, tuple[str, ...]] | None, tables: tuple[str, ...]) -> Registers:
    if source is not None and source[0] not in svd_names():
        pytest.skip(f"no {source[0]}: pyOCD is not installed")
    known = table("armv7m")
    for name in tables:
        known = known.over(table(name))
    return known.over(svd(*source)) if source is not None else known


_AIRCR = {0xE000ED0C: 4}


def _byte_at(data: int, event: int = 0) -> Receiver:
    return Receiver(firmware.RECEIVE, firmware.RECEIVED, data, event)


def _stm32(
    name: str,
    layout: stm32.Layout,
    clocks: Callable[[State, int, stm32.Layout], stm32.Clocks],
    wait_states: int,
    causes: tuple[int, dict[int, str]],
    source: tuple[str, tuple[str, ...]] | None,
    tables: tuple[str, ...],
    **wanted: tuple[int, int, int],
) -> Specimen:
    board = load_board(name)
    assert board.line is not None
    port = FAMILIES[board.family].ports[board.line.peripheral]
    pins = [pin_number(pin) for pin in (board.line.tx, board.line.rx)]
    ours = replace(layout, line=port.base, line_gate=(port.enable, port.bit))

    def rates(state: State) -> tuple[float, float]:
        tree = clocks(state, board.clock.crystal_hz, ours)
        return tree.core, tree.baud

    def answer(state: State, address: int) -> int:
        return stm32.answer(layout, ours, state, address)

    return Specimen(
        name, source, tables, answer, stm32.gates(ours, {pin[0] for pin in pins if pin}),
        stm32.rules(ours, wait_states, **wanted), rates, causes, dict(_AIRCR),
        _byte_at(port.base + layout.data),
    )  # fmt: skip


def _nordic(name: str, source: tuple[str, tuple[str, ...]]) -> Specimen:
    hz = load_board(name).clock.hz
    return Specimen(
        name, source, (), nordic.answer, (), nordic.rules(), lambda s: (hz, nordic.baud(s)),
        (0x40000400, {0: "POWER", 1: "PIN", 2: "WATCHDOG", 4: "SOFTWARE"}), dict(_AIRCR),
        _byte_at(nordic.UART + 0x518, nordic.UART + 0x108),
    )  # fmt: skip


def _raspberry(name: str, layout: raspberry.Layout, causes: tuple[int, dict[int, str]]) -> Specimen:
    board = load_board(name)

    def rates(state: State) -> tuple[float, float]:
        crystal = board.clock.crystal_hz
        core = raspberry.core_hz(layout, state, crystal)
        return core, raspberry.baud(layout, state, core, crystal)

    return Specimen(
        name, None, (board.family,), partial(raspberry.answer, layout), raspberry.gates(layout),
        raspberry.rules(layout), rates, causes, {layout.blocks["WATCHDOG"]: 1 << 31},
        _byte_at(layout.blocks["UART0"]), aliases=True,
    )  # fmt: skip


@cache
def specimen(name: str) -> Specimen:
    """The specimen of a board."""
    return _MAKERS[name]()


_F4_CAUSES = (
    0x40023874,
    {1 << 29 | 1 << 26: "WATCHDOG", 1 << 28 | 1 << 26: "SOFTWARE", 0x0E000000: "POWER",
     1 << 26: "PIN", 0: "UNKNOWN"},
)  # fmt: skip
_L4_CAUSES = (
    0x40021094,
    {1 << 29 | 1 << 26: "WATCHDOG", 1 << 28 | 1 << 26: "SOFTWARE", 0x0C000000: "POWER",
     1 << 26: "PIN", 0: "UNKNOWN"},
)  # fmt: skip
_H7_CAUSES = (
    0x580244D0,
    {1 << 26 | 1 << 22: "WATCHDOG", 1 << 24 | 1 << 22: "SOFTWARE", 0x00FA0000: "POWER",
     1 << 22 | 1 << 17: "PIN", 0: "UNKNOWN"},
)  # fmt: skip
_RP2350_CAUSES = (0x400D8008, {1: "WATCHDOG", 2: "SOFTWARE"})

_MAKERS: dict[str, Callable[[], Specimen]] = {
    "microbit": lambda: _nordic("microbit", ("nrf51.svd", NRF51)),
    "microbit-v2": lambda: _nordic("microbit-v2", ("nrf52833.svd", NRF52)),
    # RM0090 table 10 and RM0390 table 5, 2.7 V to 3.6 V: one wait state for each 30 MHz.
    "netduino-plus2": lambda: _stm32(
        "netduino-plus2", stm32.F4, stm32.clocks_f4, 5, _F4_CAUSES, ("STM32F41x.svd", STM32F4),
        ("stm32f405",), latency=(0x40023C00, 0xF, 5),
    ),
    # pyOCD ships no SVD of the F446; of the registers used here the F429 has the same, PWR's
    # over-drive included (RM0090 and RM0390 share those sections), but for PLLR.
    "nucleo-f446re": lambda: _stm32(
        "nucleo-f446re", stm32.F4, stm32.clocks_f4, 5, _F4_CAUSES, ("STM32F429x.svd", STM32F4),
        ("stm32f446",), over_drive=(0x40007004, 3 << 16, 3 << 16), latency=(0x40023C00, 0xF, 5),
    ),
    # pyOCD ships no SVD of the L4+; the L4x5 has the same registers (RM0351 and RM0432) but for
    # those in the table.
    "nucleo-l4r5zi": lambda: _stm32(
        "nucleo-l4r5zi", stm32.L4, stm32.clocks_l4, 5, _L4_CAUSES, ("STM32L4x5.svd", STM32L4),
        ("stm32l4plus",), latency=(0x40022000, 0xF, 5),
    ),
    # RM0433 table 17, VOS1: AXI clock of 185 to 210 MHz.
    "nucleo-h743zi": lambda: _stm32(
        "nucleo-h743zi", stm32.H7, stm32.clocks_h7, 2, _H7_CAUSES, None, ("stm32h743",),
        latency=(0x52002000, 0x3F, 0x22), voltage=(0x58024818, 7 << 13, 7 << 13),
        supply=(0x58024804, 1 << 13, 1 << 13),
    ),
}  # fmt: skip
BOARDS: Sequence[str] = tuple(_MAKERS)


@dataclass(frozen=True)
class Run:
    """A traced run: the accesses, the registers at its end, and the program's own variables."""

    trace: tuple[Access, ...]
    state: State
    was_reset: bool
    cause: int
    ring_count: int
    ring_byte: int
    us: int


def traced(
    name: str,
    preset: dict[int, int] | None = None,
    *,
    fixed: dict[int, int] | None = None,
    compiler: str = "auto",
    instructions: int = INSTRUCTIONS,
) -> Run:
    """Runs a board's chip files from reset to the reset that they ask for.

    Args:
        name: of the board.
        preset: registers with another value than after reset.
        fixed: registers that read the same whatever is written.
        compiler: that builds the image.
        instructions: after so many it ends.
    """
    presets = tuple(sorted((preset or {}).items()))
    return _traced(name, presets, tuple(sorted((fixed or {}).items())), compiler, instructions)


@cache
def _traced(
    name: str,
    preset: tuple[tuple[int, int], ...],
    fixed: tuple[tuple[int, int], ...],
    compiler: str,
    instructions: int,
) -> Run:
    what, same = specimen(name), dict(fixed)
    reset = {address: each.reset for address, each in what.registers.by_address.items()}
    elf = firmware.image(name, compiler)
    state = State(reset | dict(preset))

    def answer(state: State, address: int) -> int:
        return same[address] if address in same else what.answer(state, address)

    machine = TracedMachine(
        elf, what.board, state, answer, what.receiver, aliases=what.aliases, resets=what.resets
    )
    machine.run(instructions)

    def variable(symbol: str) -> int:
        return int.from_bytes(machine.machine.read(elf.address(symbol), 4), "little")

    return Run(
        tuple(machine.trace), state, machine.was_reset, variable("cause"), variable("ring_count"),
        variable("ring_byte"), variable("us"),
    )  # fmt: skip
