"""STM32 chips: what they answer, what has to be on first, what order their manuals demand."""

from __future__ import annotations

from dataclasses import dataclass

from tests.firmware_glue.device.chips.machine import State
from tests.firmware_glue.device.chips.rules import Gate, Rule, Step

ON = 0xFFFFFFFF


@dataclass(frozen=True)
class Clocks:
    """The clock tree as the registers have it at the end, in Hz."""

    core: int
    line: float
    baud: float
    systick: float


@dataclass(frozen=True)
class Layout:
    """Where a family has its registers, and the bits that matter.

    Attributes:
        ready: RCC_CR's bits: switched on → answers that it is.
        pll_on: RCC_CR's bit.
        pll_registers: must not change while the PLL is on.
        switch: low bits of CFGR that choose the clock, and the value for the PLL.
        latency: mask of the wait states in FLASH_ACR.
        ports: address of port A, and the register with the ports' clock bits.
        line: the USART, and its clock bit.
        power: a register of PWR, and PWR's clock bit; 0: it has none.
        baud_at: offset of BRR; ``enable``: UE's bit in CR1 at ``control``.
        status: the USART's status register, and what it answers while nothing has arrived.
        data: where a byte is read; ``sent``: where one is written.
        watchdog: address of IWDG.
    """

    rcc: int
    ready: tuple[tuple[int, int], ...]
    pll_on: int
    pll_registers: tuple[int, ...]
    switch: tuple[int, int]
    acr: int
    latency: int
    ports: tuple[int, int]
    line: int
    line_gate: tuple[int, int]
    power: int
    power_gate: tuple[int, int] | None
    control: int
    enable: int
    baud_at: int
    status: tuple[int, int]
    data: int
    sent: int
    watchdog: int
    cfgr: int = 0x08


F4 = Layout(
    rcc=0x40023800, ready=((0, 1), (16, 17), (24, 25)), pll_on=24, pll_registers=(0x40023804,),
    switch=(3, 2), acr=0x40023C00, latency=0xF, ports=(0x40020000, 0x40023830),
    line=0, line_gate=(0, 0), power=0x40007000, power_gate=(0x40023840, 28), control=0x0C,
    enable=13, baud_at=0x08, status=(0x00, 0x80), data=0x04, sent=0x04, watchdog=0x40003000,
)  # fmt: skip
L4 = Layout(
    rcc=0x40021000, ready=((0, 1), (8, 10), (16, 17), (24, 25)), pll_on=24,
    pll_registers=(0x4002100C,), switch=(3, 3), acr=0x40022000, latency=0xF,
    ports=(0x48000000, 0x4002104C), line=0, line_gate=(0, 0), power=0x40007000,
    power_gate=(0x40021058, 28), control=0x00, enable=0, baud_at=0x0C, status=(0x1C, 0xC0),
    data=0x24, sent=0x28, watchdog=0x40003000,
)  # fmt: skip
H7 = Layout(
    rcc=0x58024400, ready=((0, 2), (16, 17), (24, 25)), pll_on=24,
    pll_registers=(0x58024428, 0x5802442C, 0x58024430), switch=(7, 3), acr=0x52002000, latency=0xF,
    ports=(0x58020000, 0x580244E0), line=0, line_gate=(0, 0), power=0x58024800, power_gate=None,
    control=0x00, enable=0, baud_at=0x0C, status=(0x1C, 0xC0), data=0x24, sent=0x28,
    watchdog=0x58004800, cfgr=0x10,
)  # fmt: skip


def answer(family: Layout, layout: Layout, state: State, address: int) -> int:
    """Oscillators are ready once on, the clock that is chosen is used, a byte has arrived once.

    Args:
        family: one of F4, L4, H7.
        layout: the same with the board's line.
        state: what the registers hold.
        address: of the register that is read.
    """
    word = state[address]
    if address == layout.rcc:
        for control, status in layout.ready:
            word = word & ~(1 << status) | (word >> control & 1) << status
    elif address == layout.rcc + layout.cfgr:
        mask, _value = layout.switch
        width = mask.bit_length()
        word = word & ~(mask << width) | (word & mask) << width
    elif address == layout.line + layout.status[0]:
        word = layout.status[1] | (0x20 if state.arrived else 0)
    elif family is F4 and address == 0x40007004:  # PWR_CSR: ODRDY, ODSWRDY follow ODEN, ODSWEN
        word |= state[0x40007000] & 3 << 16
    elif family is H7 and address in (0x58024804, 0x58024818):  # PWR: ACTVOSRDY, VOSRDY
        word |= 1 << 13
    return word


def gates(layout: Layout, ports: set[int]) -> tuple[Gate, ...]:
    """Pins, USART and PWR have a clock bit each (in PWR's case, where the family has it)."""
    begin, control = layout.ports
    found = [Gate(begin + 0x400 * port, 0x400, control, port) for port in sorted(ports)]
    found.append(Gate(layout.line, 0x400, *layout.line_gate))
    if layout.power_gate is not None:
        found.append(Gate(layout.power, 0x400, *layout.power_gate))
    return tuple(found)


def rules(layout: Layout, wait_states: int, **wanted: tuple[int, int, int]) -> tuple[Rule, ...]:
    """The order that the manuals demand.

    Args:
        layout: the family.
        wait_states: FLASH_ACR's least latency before the fast clock is chosen.
        wanted: what must hold, and have been awaited, by then: name → (register, mask, value).
    """
    mask, fast = layout.switch
    rcc = layout.rcc

    def pll_is_set_while_off(step: Step) -> str | None:
        changed = any(step.changes(address, ON) for address in layout.pll_registers)
        return "the PLL is on" if changed and step.state[rcc] >> layout.pll_on & 1 else None

    def fast_clock(step: Step) -> str | None:
        cfgr = rcc + layout.cfgr
        if not step.changes(cfgr, mask) or step.access.after & mask != fast:
            return None
        if not step.seen(rcc, 1 << layout.pll_on + 1, 1 << layout.pll_on + 1):
            return "the PLL's lock was not awaited"
        if step.state[layout.acr] & layout.latency < wait_states:
            return f"fewer than {wait_states} wait states"
        for name, (address, bits, value) in wanted.items():
            if not step.seen(address, bits, value):
                return f"{name} was not awaited"
        return None

    def bypass_before_oscillator(step: Step) -> str | None:
        return "HSE is on" if step.changes(rcc, 1 << 18) and step.state[rcc] >> 16 & 1 else None

    def baud_rate_while_off(step: Step) -> str | None:
        control = step.state[layout.line + layout.control]
        if not step.wrote(layout.line + layout.baud_at) or not control >> layout.enable & 1:
            return None
        return "the USART is on"

    def watchdog_is_unlocked(step: Step) -> str | None:
        key = step.state[layout.watchdog]
        if step.wrote(layout.watchdog + 4) or step.wrote(layout.watchdog + 8):
            return None if key == 0x5555 else "the watchdog is locked"
        return None

    return (
        pll_is_set_while_off, fast_clock, bypass_before_oscillator, baud_rate_while_off,
        watchdog_is_unlocked,
    )  # fmt: skip


def clocks_f4(state: State, crystal_hz: int, layout: Layout) -> Clocks:
    """RM0090, RCC_PLLCFGR: f(VCO) = f(in) · N / M, f(PLL) = f(VCO) / P."""
    pll, cfgr = state[0x40023804], state[0x40023808]
    source = crystal_hz if pll >> 22 & 1 else 16_000_000
    m, n, p = pll & 0x3F, pll >> 6 & 0x1FF, ((pll >> 16 & 3) + 1) * 2
    assert 950_000 <= source / m <= 2_100_000
    assert 100_000_000 <= source / m * n <= 432_000_000
    assert cfgr & 3 == 2
    core = source / m * n / p / _ahb(cfgr >> 4 & 0xF)
    apb1, apb2 = core / _apb(cfgr >> 10 & 7), core / _apb(cfgr >> 13 & 7)
    limits = (45e6, 90e6) if core > 168e6 else (42e6, 84e6)
    assert apb1 <= limits[0]
    assert apb2 <= limits[1]
    line = apb2 if layout.line >= 0x40010000 else apb1
    return Clocks(round(core), line, line / state[layout.line + 8], core / 8)


def clocks_l4(state: State, crystal_hz: int, layout: Layout) -> Clocks:
    """RM0432, RCC_PLLCFGR: f(VCO) = f(in) / M · N, f(PLLR) = f(VCO) / R."""
    del crystal_hz
    pll, cfgr = state[0x4002100C], state[0x40021008]
    assert pll & 3 == 2  # HSI16
    m, n, r = (pll >> 4 & 0xF) + 1, pll >> 8 & 0x7F, ((pll >> 25 & 3) + 1) * 2
    assert pll >> 24 & 1
    assert 2_660_000 <= 16e6 / m <= 16_000_000
    assert 64e6 <= 16e6 / m * n <= 344e6
    assert cfgr & 3 == 3
    assert state[0x40021088] == 0  # CCIPR: LPUART1 runs from PCLK1
    core = 16e6 / m * n / r / _ahb(cfgr >> 4 & 0xF)
    line = core / _apb(cfgr >> 8 & 7)
    low_power = 256 if layout.line == 0x40008000 else 1  # LPUART1's unit, RM0432
    return Clocks(round(core), line, low_power * line / state[layout.line + 0xC], core / 8)


def clocks_h7(state: State, crystal_hz: int, layout: Layout) -> Clocks:
    """RM0433, RCC_PLL1DIVR: f(VCO) = f(in) / M · N, f(pll1_p) = f(VCO) / P."""
    source = {0: 64_000_000, 1: 4_000_000, 2: crystal_hz}[state[0x58024428] & 3]
    m = state[0x58024428] >> 4 & 0x3F
    n, p = (state[0x58024430] & 0x1FF) + 1, (state[0x58024430] >> 9 & 0x7F) + 1
    config = state[0x5802442C]
    low, high = ((1, 2), (2, 4), (4, 8), (8, 16))[config >> 2 & 3]
    assert low * 1e6 <= source / m <= high * 1e6
    assert config >> 16 & 1
    assert not config & 3  # no fraction, the wide range of the VCO
    assert 192e6 <= source / m * n <= 836e6
    assert state[0x58024410] & 7 == 3
    d1, d2, d3 = state[0x58024418], state[0x5802441C], state[0x58024420]
    core = source / m * n / p / _ahb(d1 >> 8 & 0xF)
    hclk = core / _ahb(d1 & 0xF)
    assert hclk <= 200e6
    buses = (_apb(d1 >> 4 & 7), _apb(d2 >> 4 & 7), _apb(d2 >> 8 & 7), _apb(d3 >> 4 & 7))
    assert all(hclk / each <= 100e6 for each in buses)
    assert state[0x58024454] & 7 == 0  # D2CCIP2R: USART3 runs from rcc_pclk1
    line = hclk / _apb(d2 >> 4 & 7)
    return Clocks(round(core), line, line / state[layout.line + 0xC], core / 8)


def _ahb(field: int) -> int:
    return 1 if field < 8 else (2, 4, 8, 16, 64, 128, 256, 512)[field - 8]


def _apb(field: int) -> int:
    return 1 if field < 4 else 2 ** (field - 3)
