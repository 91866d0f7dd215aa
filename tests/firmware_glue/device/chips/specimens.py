"""The boards whose firmware is traced: their registers, model, rules, and clock tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import pytest

from firmware_glue.device.board import BOARDS as PACKAGED
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

CAUSES = ("UNKNOWN", "POWER", "PIN", "SOFTWARE", "WATCHDOG")
NRF51 = ("CLOCK", "POWER", "UART0", "TIMER0", "WDT", "GPIO")
NRF52 = ("CLOCK", "POWER", "UART0", "TIMER0", "WDT", "P0", "P1", "NVMC")
STM32F4 = (
    "RCC", "PWR", "FLASH", "IWDG", "USART1", "USART2", "USART3", "USART6", "GPIOA", "GPIOB",
    "GPIOC", "GPIOD", "GPIOE", "GPIOF", "GPIOG",
)  # fmt: skip
STM32L4 = (
    "RCC", "PWR", "FLASH", "IWDG", "LPUART1", "USART2", "GPIOA", "GPIOB", "GPIOC", "GPIOD",
    "GPIOE", "GPIOF", "GPIOG",
)  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """Why a chip started: registers after that reset, and the cause that RAM kept over it."""

    why: str
    registers: tuple[tuple[int, int], ...] = ()
    kept: str = ""


@dataclass(frozen=True)
class Specimen:
    """A board.

    Attributes:
        svd: one of pyOCD's files and its peripherals; None: none is shipped for the chip.
        tables: registers that the SVD lacks or has otherwise; they count first.
        rates: state → (core's Hz, baud).
        causes: what registers hold at reset, what RAM keeps, and why the chip started, then.
        resets: register that resets the chip when these bits are written.
        receiver: how a byte arrives.
        sent_at: the register that bytes to be sent are written to.
        memory: of a peripheral, that holds no registers.
    """

    name: str
    svd: tuple[str, tuple[str, ...]] | None
    tables: tuple[str, ...]
    answer: Answer
    gates: tuple[Gate, ...]
    rules: tuple[Rule, ...]
    rates: Callable[[State], tuple[float, float]]
    causes: tuple[Cause, ...]
    resets: dict[int, int]
    receiver: Receiver
    sent_at: int
    memory: range = range(0)
    aliases: bool = False

    @property
    def board(self) -> Board:
        return firmware.board(self.name)

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
    board: Board,
    layout: stm32.Layout,
    clocks: Callable[[State, int, stm32.Layout], stm32.Clocks],
    wait_states: int,
    causes: tuple[Cause, ...],
    source: tuple[str, tuple[str, ...]] | None,
    tables: tuple[str, ...],
    **wanted: tuple[int, int, int],
) -> Specimen:
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
        board.name, source, tables, answer, stm32.gates(ours, {pin[0] for pin in pins if pin}),
        stm32.rules(ours, wait_states, **wanted), rates, causes, dict(_AIRCR),
        _byte_at(port.base + layout.data), port.base + layout.sent,
    )  # fmt: skip


def _causes(address: int, **values: int) -> tuple[Cause, ...]:
    """Causes that one register tells; where it tells none, RAM does: emulators lack it."""
    told = tuple(Cause(why, ((address, value),)) for why, value in values.items())
    return (*told, Cause("SOFTWARE", ((address, 0),), "SOFTWARE"))


def _stm32f4(board: Board) -> Specimen:
    """pyOCD ships no SVD of the F446; of the registers used here the F429 has the same, PWR's
    over-drive included (RM0090 and RM0390 share those sections), but for PLLR."""
    fast = board.clock.hz > 168_000_000
    # RM0090 and RM0390, chapter FLASH, 2.7 V to 3.6 V: one wait state for each 30 MHz.
    waits = -(-board.clock.hz // 30_000_000) - 1
    wanted = {"latency": (0x40023C00, 0xF, waits)}
    if fast:
        wanted["over-drive"] = (0x40007004, 3 << 16, 3 << 16)
    # Every reset pulls the pin, too; power-on is a brown-out as well.
    causes = _causes(
        0x40023874, WATCHDOG=0x24000000, SOFTWARE=0x14000000, POWER=0x0E000000, PIN=0x04000000,
        UNKNOWN=0,
    )  # fmt: skip
    return _stm32(
        board, stm32.F4, stm32.clocks_f4, waits, causes,
        ("STM32F429x.svd" if fast else "STM32F41x.svd", STM32F4),
        ("stm32f446" if fast else "stm32f405",), **wanted,
    )  # fmt: skip


def _stm32l4(board: Board) -> Specimen:
    """pyOCD ships no SVD of the L4+; the L4x5 has the same registers (RM0351 and RM0432) but for
    those in the table."""
    # RM0432, chapter FLASH, range 1 boost mode: one wait state for each 20 MHz.
    waits = -(-board.clock.hz // 20_000_000) - 1
    causes = _causes(
        0x40021094, WATCHDOG=0x24000000, SOFTWARE=0x14000000, POWER=0x0C000000, PIN=0x04000000,
        UNKNOWN=0,
    )  # fmt: skip
    return _stm32(
        board, stm32.L4, stm32.clocks_l4, waits, causes, ("STM32L4x5.svd", STM32L4),
        ("stm32l4plus",), latency=(0x40022000, 0xF, waits),
    )  # fmt: skip


def _stm32h7(board: Board) -> Specimen:
    """No SVD of an H7 is shipped with pyOCD: all is in the table."""
    # RM0433, chapter FLASH, voltage scale 1: wait states and delay by the AXI clock in MHz.
    rows = ((70, 0x00), (140, 0x11), (185, 0x12), (210, 0x22))
    timing = next(value for limit, value in rows if board.clock.hz / 2e6 <= limit)
    causes = _causes(
        0x580244D0, WATCHDOG=0x04420000, SOFTWARE=0x01420000, POWER=0x00FA0000, PIN=0x00420000,
        UNKNOWN=0,
    )  # fmt: skip
    return _stm32(
        board, stm32.H7, stm32.clocks_h7, timing & 0xF, causes, None, ("stm32h743",),
        latency=(0x52002000, 0x3F, timing), voltage=(0x58024818, 7 << 13, 7 << 13),
        supply=(0x58024804, 1 << 13, 1 << 13),
    )  # fmt: skip


def _nordic(board: Board, source: tuple[str, tuple[str, ...]]) -> Specimen:
    hz = board.clock.hz
    return Specimen(
        board.name, source, (), nordic.answer, (), nordic.rules(), lambda s: (hz, nordic.baud(s)),
        (
            *_causes(0x40000400, POWER=0, PIN=1, WATCHDOG=2, SOFTWARE=4),
            Cause("PIN", ((0x40000400, 7),)),  # nRF52 anomaly 136
        ),
        dict(_AIRCR),
        _byte_at(nordic.UART + 0x518, nordic.UART + 0x108), nordic.UART + 0x51C,
    )  # fmt: skip


def _raspberry(
    board: Board, layout: raspberry.Layout, reason: int, chip_reset: int, power: int, pin: int
) -> Specimen:
    crystal, usb = board.clock.crystal_hz, board.line is not None and board.line.kind == "usb"

    def rates(state: State) -> tuple[float, float]:
        core = raspberry.core_hz(layout, state, crystal)
        if usb:
            return core, raspberry.usb_hz(layout, state, crystal)
        return core, raspberry.baud(layout, state, core, crystal)

    # The boot ROM resets by the watchdog, too: it was ours where RAM says that it ran.
    causes = (
        Cause("WATCHDOG", ((reason, 1), (chip_reset, power)), "WATCHDOG"),
        Cause("SOFTWARE", ((reason, 1), (chip_reset, power))),
        Cause("SOFTWARE", ((reason, 2), (chip_reset, power)), "SOFTWARE"),
        Cause("POWER", ((chip_reset, power),)),
        Cause("PIN", ((chip_reset, pin),)),
        Cause("UNKNOWN"),
    )
    return Specimen(
        board.name, None, (board.family,), partial(raspberry.answer, layout),
        raspberry.gates(layout), raspberry.rules(layout), rates, causes,
        {layout.blocks["WATCHDOG"]: 1 << 31}, _byte_at(layout.blocks["UART0"]),
        layout.blocks["UART0"], raspberry.USB_MEMORY, aliases=True,
    )  # fmt: skip


_MAKERS: dict[str, Callable[[Board], Specimen]] = {
    "nrf51": lambda board: _nordic(board, ("nrf51.svd", NRF51)),
    "nrf52": lambda board: _nordic(board, ("nrf52833.svd", NRF52)),
    "stm32f4": _stm32f4,
    "stm32l4": _stm32l4,
    "stm32h7": _stm32h7,
    "rp2040": lambda board: _raspberry(
        board, raspberry.RP2040, 0x40058008, 0x40064008, 1 << 8, 1 << 16
    ),
    "rp2350": lambda board: _raspberry(
        board, raspberry.RP2350, 0x400D8008, 0x4010002C, 1 << 16, 1 << 18
    ),
}
TRACED = (
    *(name for name in PACKAGED if load_board(name).family in _MAKERS), *firmware.VARIANTS,
)  # fmt: skip
"""Every board of a family whose registers are known here, and further lines of some."""
BOARDS = tuple(name for name in TRACED if not firmware.on_usb(name))
"""Those of them with a UART."""
SHORT = (*PACKAGED, "pico-uart", "pico2-uart")
"""Those of the usual run."""


@cache
def specimen(name: str) -> Specimen:
    """The specimen of a board."""
    board = firmware.board(name)
    return _MAKERS[board.family](board)


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
    kept: str = "",
    compiler: str = "auto",
    instructions: int = INSTRUCTIONS,
) -> Run:
    """Runs a board's chip files from reset to the reset that they ask for.

    Args:
        name: of the board.
        preset: registers with another value than after reset.
        fixed: registers that read the same whatever is written.
        kept: the reset cause that RAM kept.
        compiler: that builds the image.
        instructions: after so many it ends.
    """
    presets = tuple(sorted((preset or {}).items()))
    return _traced(
        name, presets, tuple(sorted((fixed or {}).items())), kept, compiler, instructions
    )


@cache
def _traced(
    name: str,
    preset: tuple[tuple[int, int], ...],
    fixed: tuple[tuple[int, int], ...],
    kept: str,
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
    if kept:
        word = 0xED9E0000 | CAUSES.index(kept)
        machine.machine.write(elf.address("edgecnn_kept_word"), word.to_bytes(4, "little"))
    machine.run(instructions)

    def variable(symbol: str) -> int:
        return int.from_bytes(machine.machine.read(elf.address(symbol), 4), "little")

    return Run(
        tuple(machine.trace), state, machine.was_reset, variable("cause"), variable("ring_count"),
        variable("ring_byte"), variable("us"),
    )  # fmt: skip
