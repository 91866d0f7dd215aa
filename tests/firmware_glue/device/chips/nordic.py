"""Nordic chips: what they answer, and what order their manuals demand."""

from __future__ import annotations

from tests.firmware_glue.device.chips.machine import State
from tests.firmware_glue.device.chips.rules import Rule, Step

UART, TIMER, WDT = 0x40002000, 0x40008000, 0x40010000


def answer(state: State, address: int) -> int:
    """The crystal starts and a byte is sent at once."""
    if address in (0x40000100, UART + 0x11C):
        return 1
    return 123456 if address == TIMER + 0x540 else state[address]


def rules() -> tuple[Rule, ...]:
    """nRF51 reference manual 3.0, nRF52833 product specification 1.6; sections as named."""

    def pins_while_off(step: Step) -> str | None:
        """UART: PSEL registers may be written only while the UART is disabled."""
        pins = any(step.wrote(UART + offset) for offset in (0x508, 0x50C, 0x510, 0x514))
        return "the UART is enabled" if pins and step.state[UART + 0x500] == 4 else None

    def tasks_when_on(step: Step) -> str | None:
        started = step.wrote(UART) or step.wrote(UART + 0x008)
        if not started:
            return None
        if step.state[UART + 0x500] != 4:
            return "the UART is not enabled"
        return None if step.state[UART + 0x524] else "no baud rate"

    def event_before_byte(step: Step) -> str | None:
        """RXDRDY is cleared, then RXD is read: after it, it would wipe the next byte's event."""
        if step.access.write or step.access.address != UART + 0x518:
            return None
        return None if step.state[UART + 0x108] == 0 else "RXDRDY was not cleared first"

    def watchdog_set_before_start(step: Step) -> str | None:
        """WDT: CRV, RREN and CONFIG cannot be changed while it runs."""
        if step.wrote(WDT) and not step.state.words.get(WDT + 0x504):
            return "no time-out"
        late = any(step.wrote(WDT + offset) for offset in (0x504, 0x508, 0x50C))
        return "the watchdog runs" if late and step.state.words.get(WDT) else None

    def timer_set_while_stopped(step: Step) -> str | None:
        """TIMER: BITMODE and PRESCALER are changed while the timer is stopped."""
        changed = any(step.wrote(TIMER + offset) for offset in (0x504, 0x508, 0x510))
        return "the timer runs" if changed and step.state.words.get(TIMER) else None

    return (
        pins_while_off, tasks_when_on, event_before_byte, watchdog_set_before_start,
        timer_set_while_stopped,
    )  # fmt: skip


def baud(state: State) -> float:
    """The rate of BAUDRATE: clocked by 16 MHz, in units of 16 MHz / 2^32 (both manuals' tables)."""
    return state[UART + 0x524] * 16e6 / 2**32
