"""The chip files of every board in unicorn, each access to a peripheral held against the manual.

What a register, its reserved bits and its allowed values are comes from the chip's SVD file
(pyOCD's wheel ships several) or from a table that cites the manual; what has to be on first, and in
what order, from rules that cite it. None of it comes from the firmware. No board was touched.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import ToolError
from firmware_glue.device.board import Clock
from firmware_glue.device.families import pin_number
from tests.firmware_glue.device.chips import firmware
from tests.firmware_glue.device.chips.machine import Access
from tests.firmware_glue.device.chips.rules import check, readable
from tests.firmware_glue.device.chips.specimens import (
    BOARDS,
    CAUSES,
    SHORT,
    TRACED,
    Cause,
    Specimen,
    specimen,
    traced,
)
from tests.firmware_glue.device.programs import toolchain
from tests.share import long_but_for

GOLDEN = Path(__file__).parent / "golden"
STM32 = tuple(name for name in BOARDS if specimen(name).board.family.startswith("stm32"))
PHASES = ("", "reset cause", "clock", "line", "watchdog", "put", "time", "receive", "reset")


def faults(what: Specimen, trace: tuple[Access, ...]) -> list[str]:
    return check(trace, what.registers, what.gates, what.rules, what.memory)


@pytest.mark.parametrize("name", long_but_for(TRACED, *SHORT))
def test_every_access_is_as_the_manual_has_it(name: str) -> None:
    run = traced(name)
    assert faults(specimen(name), run.trace) == []
    assert run.was_reset


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.stem)
def test_the_sequence_is_the_one_that_was_read_against_the_manual(path: Path) -> None:
    """Compares with golden files, each the whole of what a board's start-up writes."""
    what, lines = specimen(path.stem), list[str]()
    for phase in range(firmware.CAUSE, firmware.RESET + 1):
        writes = [access for access in traced(path.stem).trace if access.phase == phase]
        lines += [f"[{PHASES[phase]}]", *readable(writes, what.registers, what.memory)]
    assert lines == path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    "name",
    long_but_for(TRACED, "microbit-v2", "nucleo-l4r5zi", "nucleo-h743zi", "pico2", "pico2-uart"),
)
def test_both_compilers_make_the_same_sequence(name: str) -> None:
    what = specimen(name)
    toolchain("cortex-m4", "gcc")
    ours, theirs = (
        readable(traced(name, compiler=each).trace, what.registers, what.memory)
        for each in ("zig", "gcc")
    )
    table = what.registers.named("SCB.VTOR").name  # where the image has it
    assert [line for line in ours if table not in line] == [
        line for line in theirs if table not in line
    ]


@pytest.mark.parametrize("name", long_but_for(TRACED, *SHORT))
def test_clock_and_baud_rate_that_the_registers_give(name: str) -> None:
    what, run = specimen(name), traced(name)
    core, rate = what.rates(run.state)
    line = what.board.line
    assert line is not None
    assert core == what.board.clock.hz
    if line.kind == "usb":
        assert rate == 48e6
    else:
        assert rate == pytest.approx(line.baud, rel=0.02)


@pytest.mark.parametrize("name", long_but_for(BOARDS, *SHORT))
def test_a_byte_goes_out_and_one_comes_in(name: str) -> None:
    what, run = specimen(name), traced(name)
    sent = [
        a for a in run.trace if a.phase == firmware.PUT and a.write and a.value == firmware.SENT
    ]
    assert len(sent) == 1
    (name_sent,) = {what.registers.by_address[a.address].name.split(".")[-1] for a in sent}
    assert name_sent in ("TDR", "DR", "TXD", "UARTDR")
    assert (run.ring_count, run.ring_byte) == (1, firmware.RECEIVED)


@pytest.mark.parametrize(
    ("name", "cause"), [(n, cause) for n in BOARDS if n in SHORT for cause in specimen(n).causes]
)
def test_why_the_chip_started(name: str, cause: Cause) -> None:
    run = traced(name, dict(cause.registers), kept=cause.kept)
    assert CAUSES[run.cause] == cause.why
    assert faults(specimen(name), run.trace) == []


@pytest.mark.parametrize("name", long_but_for(BOARDS, *SHORT))
def test_the_watchdog_waits_as_long_as_it_was_told(name: str) -> None:
    what, state = specimen(name), traced(name).state
    known = {each.name: each.address for each in what.registers.by_address.values()}
    if what.board.family.startswith("stm32"):
        iwdg = "IWDG1" if what.board.family == "stm32h7" else "IWDG"
        ticks, divider = state[known[f"{iwdg}.RLR"]] + 1, 4 << state[known[f"{iwdg}.PR"]]
        seconds = ticks * divider / 32_000
    elif what.board.family.startswith("nrf"):
        seconds = (state[known["WDT.CRV"]] + 1) / 32_768
    else:
        loaded = next(a.value for a in traced(name).trace if a.address == known["WATCHDOG.LOAD"])
        # RP2040's counts twice a microsecond (erratum RP2040-E1).
        seconds = loaded / (2e6 if what.board.family == "rp2040" else 1e6)
    assert seconds == pytest.approx(firmware.WATCHDOG_MS / 1000, rel=0.01)


@pytest.mark.parametrize("name", long_but_for(STM32, *SHORT))
def test_microseconds_of_systick(name: str) -> None:
    """SysTick counts down; a wrap whose handler has not run yet is seen in ICSR."""
    hz = specimen(name).board.clock.hz // 8
    rounds = traced(name).state[0xE000E014] + 1
    assert rounds <= 1 << 24
    assert rounds <= hz  # it wakes the core once a second or more often
    assert rounds * 1_000_000 % hz == 0  # a round is whole microseconds
    for pending in (0, 1):
        for left in (0, 1, 12345, rounds - 1):
            fixed = {0xE000E018: left, 0xE000ED04: pending << 26}
            ticks = pending * rounds + (rounds - left if left else 0)
            assert traced(name, fixed=fixed).us == ticks * 1_000_000 // hz


@pytest.mark.parametrize("name", long_but_for(BOARDS, *SHORT))
def test_pins_are_those_of_the_board(name: str) -> None:
    what, state = specimen(name), traced(name).state
    line = what.board.line
    assert line is not None
    known = {each.name: each.address for each in what.registers.by_address.values()}
    for pin_name in (line.tx, line.rx):
        found = pin_number(pin_name)
        if found is None:
            continue
        port, pin = found
        if what.board.family.startswith("stm32"):
            base = f"GPIO{'ABCDEFGHIJK'[port]}"
            assert state[known[f"{base}.MODER"]] >> 2 * pin & 3 == 2
            assert (
                state[known[f"{base}.AFR{'LH'[pin // 8]}"]] >> 4 * (pin % 8) & 0xF == line.function
            )
        elif what.board.family.startswith("nrf"):
            key = "TXD" if pin_name == line.tx else "RXD"
            names = {each.split(".", 1)[1].replace(".", ""): known[each] for each in known}
            assert state[names[f"PSEL{key}"]] == 32 * port + pin
        else:
            assert state[known[f"IO_BANK0.GPIO{pin}_CTRL"]] & 0x1F == 2
            pad = state[known[f"PADS_BANK0.GPIO{pin}"]]
            assert not pad & 0x180  # neither isolated nor off
            assert pad & 0x40 or pin_name == line.tx  # what is read is an input


def test_the_h7_s_caches_are_clean_before_they_are_on() -> None:
    """Every line of the data cache is invalidated; what a reset keeps is not cached."""
    trace = [access for access in traced("nucleo-h743zi").trace if access.write]
    on = next(i for i, a in enumerate(trace) if a.address == 0xE000ED14 and a.value & 3 << 16)
    lines = {access.value for access in trace[:on] if access.address == 0xE000EF60}
    assert lines == {way << 30 | each << 5 for way in range(4) for each in range(128)}
    assert any(access.address == 0xE000EF50 for access in trace[:on])
    elf = firmware.image("nucleo-h743zi")
    kept = range(elf.address("edgecnn_noinit_begin"), elf.address("edgecnn_noinit_end"))
    assert elf.address("edgecnn_kept_word") in kept
    regions = [access.value for access in trace[:on] if access.address == 0xE000ED9C]
    settings = [access.value for access in trace[:on] if access.address == 0xE000EDA0]
    covered: set[int] = set()
    for number, (region, setting) in enumerate(zip(regions, settings, strict=True)):
        assert region & 0x1F == 0x10 | number
        assert setting >> 16 & 0x3F == 8  # TEX 1, S, C and B 0: normal memory, not cached
        size = 2 << (setting >> 1 & 0x1F)
        assert region & ~0x1F & size - 1 == 0
        covered |= set(range(region & ~0x1F, (region & ~0x1F) + size))
    assert covered >= set(kept)
    assert len(covered) <= 64


@pytest.mark.parametrize(
    ("name", "clock", "message"),
    [
        ("nucleo-l4r5zi", Clock(121_000_000), "32 to 120 MHz here, in steps of 2 MHz"),
        ("nucleo-h743zi", Clock(400_000_000, 25_000_000), "must have a multiple of 4 MHz"),
        ("nucleo-f446re", Clock(200_000_000, 8_000_000), "50 to 180 MHz"),
        ("pico2", Clock(144_000_000, 12_000_000), "a whole part of 1500 MHz"),
        ("microbit-v2", None, "baud rate of an nRF board"),
    ],
)
def test_a_clock_that_cannot_be_made_is_refused(name: str, clock: Clock, message: str) -> None:
    board = firmware.board(name)
    assert board.line is not None
    odd = replace(board, clock=clock) if clock else replace(board, line=replace(board.line, baud=7))
    with pytest.raises(ToolError) as caught:
        firmware.build(odd)
    assert any(message in line for line in caught.value.details)


FALLBACKS = [
    ("netduino-plus2", 0x40023800, 0x02000083), ("nucleo-f446re", 0x40023800, 0x02000083),
    ("nucleo-h743zi", 0x58024400, 0x02000087),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("name", "control", "without"), FALLBACKS)
def test_a_crystal_that_does_not_start_is_done_without(
    name: str, control: int, without: int
) -> None:
    """RCC_CR never says HSERDY: the internal oscillator feeds the PLL, to the same clock."""
    what = specimen(name)
    run = traced(name, fixed={control: without}, instructions=60_000_000)
    core, baud = what.rates(run.state)
    assert what.board.line is not None
    assert core == what.board.clock.hz
    assert baud == pytest.approx(what.board.line.baud, rel=0.02)
    assert run.was_reset
