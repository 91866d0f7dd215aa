"""Families of chips: which C files drive one, and where its serial ports are.

A board of a known family is one TOML that names a family and one of its ports. The addresses,
interrupt numbers and enable bits are those of the reference manual that ``manual`` names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_glue.device.board import Board

CHIP_HEADERS = (
    "bits.h", "chip.h", "clock_systick.h", "kept_cause.h", "line_hold.h", "line_wait.h", "nvic.h",
    "rp_chip.h", "stm32_gpio.h", "usb_controller.h", "usb_descriptors.h",
)  # fmt: skip
"""Headers of ``app/chips`` that the C files there may include."""
_PIN = re.compile(r"(?:P([A-K])(\d{1,2})|P(\d)\.(\d{1,2})|GPIO(\d{1,2}))")
_MOST_PINS = 48


@dataclass(frozen=True)
class Port:
    """A serial port of a chip.

    Attributes:
        base: address of its registers.
        irq: number of its interrupt.
        enable: the register with its clock or reset bit; 0: the driver knows.
        bit: that bit.
        kind: ``uart`` or ``usb``.
    """

    base: int
    irq: int
    enable: int = 0
    bit: int = 0
    kind: str = "uart"


@dataclass(frozen=True)
class ChipFamily:
    """Chips that share their clock, serial port and watchdog.

    Attributes:
        files: C files of ``app/chips`` for clock and watchdog.
        lines: kind of the port → the C file for it.
        ports: the chip's name of a port → where it is.
        clock_irq: interrupt of the counter; −1: SysTick, or none.
        pins: whether a UART has to be told which pins are its own.
        boot: C files that come before the vector table or describe the image to a boot ROM.
        checksummed_boot: the boot ROM wants a checksum behind the first 252 bytes of flash.
        manual: where this is written.
    """

    files: tuple[str, ...]
    lines: Mapping[str, str]
    ports: Mapping[str, Port]
    manual: str
    clock_irq: int = -1
    pins: bool = True
    boot: tuple[str, ...] = ()
    checksummed_boot: bool = False


_F4_APB1, _F4_APB2 = 0x40023840, 0x40023844

FAMILIES: Mapping[str, ChipFamily] = {
    "mps2": ChipFamily(
        ("clock_mps.c", "watchdog_cmsdk.c"), {"uart": "line_cmsdk.c"},
        {"UART0": Port(0x40004000, 0)},
        "Arm MPS2 FPGA prototyping board technical reference manual (100112), AN386",
        clock_irq=8,
        pins=False,
    ),
    "mps3": ChipFamily(
        ("clock_mps.c", "watchdog_cmsdk.c"), {"uart": "line_cmsdk.c"},
        {"UART0": Port(0x49303000, 33)},
        "Arm AN547: Corstone-300 on MPS3",
        pins=False,
    ),
    "nrf51": ChipFamily(
        ("clock_nrf.c", "watchdog_nrf.c"), {"uart": "line_nrf.c"},
        {"UART0": Port(0x40002000, 2)},
        "Nordic nRF51 Series reference manual 3.0",
        clock_irq=8,
    ),
    "nrf52": ChipFamily(
        ("clock_nrf.c", "watchdog_nrf.c"), {"uart": "line_nrf.c"},
        {"UART0": Port(0x40002000, 2)},
        "Nordic nRF52833 product specification 1.6",
        clock_irq=8,
    ),
    "rp2040": ChipFamily(
        ("clock_rp2040.c", "watchdog_rp2040.c"),
        {"uart": "line_pl011.c", "usb": "line_rp_usb.c"},
        {"UART0": Port(0x40034000, 20), "USB": Port(0x50110000, 5, kind="usb")},
        "Raspberry Pi RP2040 datasheet",
        clock_irq=0,
        boot=("boot_rp2040.c",),
        checksummed_boot=True,
    ),
    "rp2350": ChipFamily(
        ("clock_rp2350.c", "watchdog_rp2350.c"),
        {"uart": "line_pl011.c", "usb": "line_rp_usb.c"},
        {"UART0": Port(0x40070000, 33), "USB": Port(0x50110000, 14, kind="usb")},
        "Raspberry Pi RP2350 datasheet",
        clock_irq=0,
        boot=("boot_rp2350.c",),
    ),
    "stm32f4": ChipFamily(
        ("clock_stm32f4.c", "watchdog_stm32.c"), {"uart": "line_stm32_usart.c"},
        {
            "USART1": Port(0x40011000, 37, _F4_APB2, 4),
            "USART2": Port(0x40004400, 38, _F4_APB1, 17),
            "USART3": Port(0x40004800, 39, _F4_APB1, 18),
            "USART6": Port(0x40011400, 71, _F4_APB2, 5),
        },
        "ST RM0090 (STM32F405) and RM0390 (STM32F446)",
    ),
    "stm32l4": ChipFamily(
        ("clock_stm32l4.c", "watchdog_stm32.c"), {"uart": "line_stm32_new_usart.c"},
        {
            "LPUART1": Port(0x40008000, 70, 0x4002105C, 0),
            "USART2": Port(0x40004400, 38, 0x40021058, 17),
        },
        "ST RM0432 (STM32L4+)",
    ),
    "stm32h7": ChipFamily(
        ("clock_stm32h7.c", "watchdog_stm32.c"), {"uart": "line_stm32_new_usart.c"},
        {"USART3": Port(0x40004800, 39, 0x580244E8, 18)},
        "ST RM0433 (STM32H743)",
    ),
    "riscv-virt": ChipFamily(
        ("clock_virt.c", "watchdog_virt.c"), {"uart": "line_ns16550.c"},
        {"UART0": Port(0x10000000, 10)},
        "QEMU documentation, 'virt' generic virtual platform (RISC-V)",
        pins=False,
    ),
}  # fmt: skip


def pin_number(name: str) -> tuple[int, int] | None:
    """(port, pin) of a pin's name as chip manuals write it; None: it is no pin's name.

    >>> pin_number("PA2"), pin_number("P0.24"), pin_number("GPIO1")
    ((0, 2), (0, 24), (0, 1))
    """
    found = _PIN.fullmatch(name)
    if found is None:
        return None
    letter, letter_pin, digit, digit_pin, gpio = found.groups()
    if letter is not None:
        port, pin = ord(letter) - ord("A"), int(letter_pin)
        return (port, pin) if pin < 16 else None
    if digit is not None:
        return int(digit), int(digit_pin)
    return (0, int(gpio)) if int(gpio) < _MOST_PINS else None


def config_header(board: Board) -> str:
    """``board_config.h``: what the C files of the board's family need to know of the board."""
    family, line = FAMILIES[board.family], board.line
    if line is None:
        return ""
    port = family.ports[line.peripheral]
    rows = {
        "CLOCK_HZ": board.clock.hz, "CRYSTAL_HZ": board.clock.crystal_hz,
        "LINE_BASE": port.base, "LINE_IRQ": port.irq, "LINE_ENABLE": port.enable,
        "LINE_ENABLE_BIT": port.bit, "LINE_BAUD": line.baud, "LINE_FUNCTION": line.function,
    }  # fmt: skip
    for key, pin in (("TX", line.tx), ("RX", line.rx)):
        found = pin_number(pin)
        if found is not None:
            rows |= {f"LINE_{key}_PORT": found[0], f"LINE_{key}_PIN": found[1]}
    if line.kind == "usb" and line.usb:
        vendor, product = line.usb[0].split(":")
        rows |= {"USB_VENDOR": int(vendor, 16), "USB_PRODUCT": int(product, 16)}
    defines = [f"#define EDGECNN_{key} {_unsigned(value)}" for key, value in rows.items()]
    if board.clock.signal:
        defines.append("#define EDGECNN_CRYSTAL_BYPASS 1")
    defines.append(f"#define EDGECNN_LINE_{line.peripheral.upper()} 1")
    defines.append(f"#define EDGECNN_FAMILY_{board.family.replace('-', '_').upper()} 1")
    if family.clock_irq >= 0:
        defines.append(f"#define EDGECNN_CLOCK_IRQ {family.clock_irq}u")
    last = max(port.irq, family.clock_irq)
    defines.append(f"#define EDGECNN_LAST_IRQ {last}u")
    body = "\n".join(defines)
    return (
        "/* Made from the board's TOML. */\n"
        f"#ifndef EDGECNN_BOARD_CONFIG_H\n#define EDGECNN_BOARD_CONFIG_H\n\n{body}\n\n#endif\n"
    )


def _unsigned(value: int) -> str:
    return f"0x{value:08X}u" if value > 0xFFFFFF else f"{value}u"


def chip_files(board: Board) -> tuple[str, ...]:
    """The C files of ``app/chips`` that the board's firmware is made of."""
    family, line = FAMILIES[board.family], board.line
    return (*family.files, *family.boot, *((family.lines[line.kind],) if line else ()))
