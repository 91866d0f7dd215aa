"""RP2040 and RP2350: what they answer, what has to be out of reset, what order is demanded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.firmware_glue.device.chips.machine import State
from tests.firmware_glue.device.chips.rules import Gate, Rule, Step


@dataclass(frozen=True)
class Layout:
    """Where a chip has its registers.

    Attributes:
        blocks: name → address of the peripherals.
        resets: name → bit of RESETS.
        fraction_bits: of clk_sys's divider.
    """

    blocks: Mapping[str, int]
    resets: Mapping[str, int]
    fraction_bits: int


RP2350 = Layout(
    {
        "CLOCKS": 0x40010000, "RESETS": 0x40020000, "IO_BANK0": 0x40028000,
        "PADS_BANK0": 0x40038000, "XOSC": 0x40048000, "PLL_SYS": 0x40050000, "PLL_USB": 0x40058000,
        "UART0": 0x40070000, "TIMER0": 0x400B0000, "WATCHDOG": 0x400D8000, "CLK_USB": 0x40010060,
    },
    {
        "IO_BANK0": 6, "PADS_BANK0": 9, "PLL_SYS": 14, "PLL_USB": 15, "TIMER0": 23, "UART0": 26,
        "USBCTRL": 28,
    },
    16,
)  # fmt: skip
RP2040 = Layout(
    {
        "CLOCKS": 0x40008000, "RESETS": 0x4000C000, "IO_BANK0": 0x40014000,
        "PADS_BANK0": 0x4001C000, "XOSC": 0x40024000, "PLL_SYS": 0x40028000, "PLL_USB": 0x4002C000,
        "UART0": 0x40034000, "TIMER0": 0x40054000, "WATCHDOG": 0x40058000, "CLK_USB": 0x40008054,
    },
    {
        "IO_BANK0": 5, "PADS_BANK0": 8, "PLL_SYS": 12, "PLL_USB": 13, "TIMER0": 21, "UART0": 22,
        "USBCTRL": 24,
    },
    8,
)  # fmt: skip


USB_MEMORY = range(0x50100000, 0x50101000)
_USB = 0x50110000


def answer(layout: Layout, state: State, address: int) -> int:
    """Oscillators and PLLs are stable once on, multiplexers follow, a byte has arrived once."""
    blocks, word = layout.blocks, state[address]
    clocks, resets = blocks["CLOCKS"], blocks["RESETS"]
    if address == resets + 8:
        return ~state[resets] & 0x1FFFFFFF
    if address == blocks["XOSC"] + 4:
        return (1 << 31) if state[blocks["XOSC"]] >> 12 == 0xFAB else 0
    if address in (blocks["PLL_SYS"], blocks["PLL_USB"]):
        powered = not state[address + 4] & 0x21 and state[address + 8]
        return word | (1 << 31) if powered else word
    if address == clocks + 0x38:
        return 1 << (state[clocks + 0x30] & 3)
    if address == clocks + 0x44:
        return 1 << (state[clocks + 0x3C] & 1)
    if address == blocks["UART0"] + 0x18:
        return 0x80 if state.arrived else 0x90
    if address == blocks["TIMER0"] + 0x28:
        return 123456
    return word


def gates(layout: Layout) -> tuple[Gate, ...]:
    """Peripherals answer once their bit of RESETS is clear, and RESET_DONE was awaited."""
    resets = layout.blocks["RESETS"]
    ranges = {name: (layout.blocks[name], 0x1000) for name in layout.resets if name != "USBCTRL"}
    ranges["USBCTRL"] = (USB_MEMORY.start, 0x20000)
    return tuple(
        Gate(*ranges[name], resets, bit, off=True, seen=resets + 8)
        for name, bit in layout.resets.items()
    )


def rules(layout: Layout) -> tuple[Rule, ...]:
    """RP2350 datasheet sections 8.1.6, 8.2.4, 8.5, 8.6.4, 12.9; RP2040's 2.15, 2.16, 2.18, 4.7."""
    blocks = layout.blocks
    clocks, pll, xosc = blocks["CLOCKS"], blocks["PLL_SYS"], blocks["XOSC"]
    watchdog, uart = blocks["WATCHDOG"], blocks["UART0"]

    def reference_is_stable(step: Step) -> str | None:
        if not step.wrote(clocks + 0x30) or step.access.after & 3 != 2:
            return None
        return None if step.seen(xosc + 4, 1 << 31, 1 << 31) else "the crystal was not awaited"

    def pll_is_set_while_off(step: Step) -> str | None:
        for base in (pll, blocks["PLL_USB"]):
            if (step.wrote(base) or step.wrote(base + 8)) and not step.state[base + 4] & 1:
                return "the PLL is on"
            if step.wrote(base + 0xC) and not step.seen(base, 1 << 31, 1 << 31):
                return "the PLL's lock was not awaited"
        return None

    def fast_clock(step: Step) -> str | None:
        control = clocks + 0x3C
        if step.changes(control, 0xE0) and step.access.before & 1:
            return "the auxiliary source changes while it is used"
        if not step.changes(control, 1) or not step.access.after & 1:
            return None
        if not step.seen(pll, 1 << 31, 1 << 31):
            return "the PLL's lock was not awaited"
        return None if not step.state[pll + 4] & 8 else "the post dividers are off"

    def peripheral_clock(step: Step) -> str | None:
        control = clocks + 0x48
        if step.changes(control, 0xE0) and step.access.before >> 11 & 1:
            return "the source changes while the clock is on"
        return None

    def watchdog_is_loaded(step: Step) -> str | None:
        if step.changes(watchdog, 1 << 30) and step.access.after >> 30 & 1:
            return None if step.state.words.get(watchdog + 4) else "nothing is loaded"
        return None

    def baud_rate_before_format(step: Step) -> str | None:
        """PL011: the divisors take effect when UARTLCR_H is written."""
        if step.wrote(uart + 0x24) or step.wrote(uart + 0x28):
            return "the UART is on" if step.state[uart + 0x30] & 1 else None
        if step.wrote(uart + 0x30) and step.access.after & 1:
            return None if step.state.words.get(uart + 0x2C) else "UARTLCR_H was not written"
        return None

    def usb_pulls_up_last(step: Step) -> str | None:
        """The host sees a device from then on: clocked, enabled, its memory clear."""
        if not step.changes(_USB + 0x4C, 1 << 16) or not step.access.after >> 16 & 1:
            return None
        if not step.seen(blocks["PLL_USB"], 1 << 31, 1 << 31):
            return "the PLL's lock was not awaited"
        if not step.state[blocks["CLK_USB"]] >> 11 & 1:
            return "clk_usb is off"
        if step.state[_USB + 0x40] & 5 != 1 or step.state[_USB + 0x74] & 1 != 1:
            return "the controller is off, isolated, or not connected to its transceiver"
        return "pulled down, too" if step.access.after >> 15 & 1 else None

    return (
        reference_is_stable, pll_is_set_while_off, fast_clock, peripheral_clock, watchdog_is_loaded,
        baud_rate_before_format, usb_pulls_up_last,
    )  # fmt: skip


def core_hz(layout: Layout, state: State, crystal_hz: int) -> int:
    """RP2350 datasheet section 8.6.3: f = f(crystal) / REFDIV · FBDIV / (POSTDIV1 · POSTDIV2)."""
    pll, clocks = layout.blocks["PLL_SYS"], layout.blocks["CLOCKS"]
    assert state[clocks + 0x3C] & 0xE1 == 1  # the auxiliary source, PLL_SYS
    vco = crystal_hz / (state[pll] & 0x3F) * state[pll + 8]
    assert 750e6 <= vco <= 1600e6
    assert 16 <= state[pll + 8] <= 320
    prim = state[pll + 0xC]
    divider = state[clocks + 0x40] / 2**layout.fraction_bits
    return round(vco / (prim >> 16 & 7) / (prim >> 12 & 7) / divider)


def baud(layout: Layout, state: State, core: int, crystal_hz: int) -> float:
    """Section 12.1.7.1: f(clk_peri) / 16 / (IBRD + FBRD / 64)."""
    control = state[layout.blocks["CLOCKS"] + 0x48]
    assert control >> 11 & 1
    source = {0: core, 4: crystal_hz}[control >> 5 & 7]
    uart = layout.blocks["UART0"]
    return source / 16 / (state[uart + 0x24] + state[uart + 0x28] / 64)


def usb_hz(layout: Layout, state: State, crystal_hz: int) -> float:
    """clk_usb, from PLL_USB; has to be 48 MHz."""
    pll = layout.blocks["PLL_USB"]
    assert state[layout.blocks["CLK_USB"]] & 0x8E0 == 0x800  # on, PLL_USB, not divided after reset
    vco = crystal_hz / (state[pll] & 0x3F) * state[pll + 8]
    assert 750e6 <= vco <= 1600e6
    return vco / (state[pll + 0xC] >> 16 & 7) / (state[pll + 0xC] >> 12 & 7)
