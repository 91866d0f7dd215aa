"""The rules have teeth: each fault, put into a trace that is right, is found."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.firmware_glue.device.chips.machine import Access
from tests.firmware_glue.device.chips.registers import svd_names, table
from tests.firmware_glue.device.chips.rules import check
from tests.firmware_glue.device.chips.specimens import specimen, traced

Trace = Sequence[Access]


def without(trace: Trace, name: str, address: int, *, write: bool = True) -> list[Access]:
    kept = [a for a in trace if not (a.address == address and a.write == write)]
    assert len(kept) < len(trace), name
    return kept


def later(trace: Trace, address: int, behind: int) -> list[Access]:
    """The writes of one register, moved behind the last write of another one."""
    moved = [a for a in trace if a.address == address and a.write]
    rest = [a for a in trace if not (a.address == address and a.write)]
    at = max(i for i, a in enumerate(rest) if a.address == behind and a.write) + 1
    return [*rest[:at], *moved, *rest[at:]]


def changed(trace: Trace, address: int, bits: int) -> list[Access]:
    """The first write of a register with further bits."""
    at = next(i for i, a in enumerate(trace) if a.address == address and a.write)
    one = trace[at]
    other = replace(one, value=one.value | bits, after=one.after | bits)
    return [*trace[:at], other, *trace[at + 1 :]]


CASES: list[tuple[str, str, Callable[[Trace], Trace], str]] = [
    ("nucleo-l4r5zi", "pins before their clock", lambda t: without(t, "AHB2ENR", 0x4002104C),
     "bit 6 is still 0"),
    ("nucleo-l4r5zi", "LPUART1 before its clock", lambda t: without(t, "APB1ENR2", 0x4002105C),
     "bit 0 is still 0"),
    ("nucleo-l4r5zi", "PWR before its clock", lambda t: without(t, "APB1ENR1", 0x40021058),
     "bit 28 is still 0"),
    ("nucleo-l4r5zi", "wait states after the clock", lambda t: later(t, 0x40022000, 0x40021008),
     "fewer than 5 wait states"),
    ("nucleo-l4r5zi", "PLL set while on", lambda t: later(t, 0x4002100C, 0x40021000),
     "the PLL is on"),
    ("nucleo-l4r5zi", "watchdog locked", lambda t: later(t, 0x40003008, 0x40003000),
     "the watchdog is locked"),
    ("nucleo-l4r5zi", "lock not awaited", lambda t: without(t, "CR", 0x40021000, write=False),
     "lock was not awaited"),
    ("nucleo-l4r5zi", "a reserved bit", lambda t: changed(t, 0x4002105C, 1 << 30), "reserved bits"),
    ("nucleo-h743zi", "a voltage too low", lambda t: without(t, "D3CR", 0x58024818, write=False),
     "voltage was not awaited"),
    ("nucleo-h743zi", "a field's value", lambda t: changed(t, 0x58024410, 4), "SW = 0x7, allowed"),
    ("nucleo-h743zi", "a key", lambda t: changed(t, 0x58004800, 1), "KEY = 0xCCCD, allowed"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "what", "mutate", "message"), CASES, ids=[c[1] for c in CASES])
def test_a_fault_is_found(
    name: str, what: str, mutate: Callable[[Trace], Trace], message: str
) -> None:
    board = specimen(name)
    found = check(mutate(traced(name).trace), board.registers, board.gates, board.rules)
    assert any(message in fault for fault in found), (what, found)


def test_an_unknown_address_a_size_and_a_direction_are_found() -> None:
    known = table("stm32h743")
    access = Access(1, True, 0x58024404, 1, "", 4, 0, 1)
    assert "no such register" in check([access], known)[0]
    assert "1 bytes" in check([replace(access, address=0x58024400, value=0x83, size=1)], known)[0]
    assert "is read-only" in check([replace(access, address=0x4000481C, value=0)], known)[0]
    assert "is write-only" in check([replace(access, address=0x40004820, write=False)], known)[0]


def test_an_alias_touches_only_the_bits_it_names() -> None:
    known = table("rp2350")
    access = Access(1, True, 0x40020000, 1 << 14, "clear", 4, 0x1FFFFFFF, 0x1FFFBFFF)
    assert check([access], known) == []
    assert "reserved bits" in check([replace(access, value=1 << 29)], known)[0]


@pytest.mark.skipif(not svd_names(), reason="pyOCD is not installed")
def test_tables_agree_with_svd_files_where_both_have_a_register() -> None:
    """The tables were typed: what an SVD file of a relative has too is held against them."""
    from tests.firmware_glue.device.chips.registers import svd

    ours = table("stm32l4plus")
    theirs = svd("STM32L4x5.svd", ("FLASH", "LPUART1", "USART2", "RCC"))
    for address, register in ours.by_address.items():
        if address in theirs.by_address:
            other = theirs.by_address[address]
            assert other.mask & ~register.mask == 0, register.name
            assert other.reset == register.reset, register.name
