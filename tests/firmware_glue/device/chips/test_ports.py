"""The families' serial ports: address, interrupt and clock bit, against the chips' SVD files."""

import pytest

from firmware_glue.device.families import FAMILIES
from tests.firmware_glue.device.chips.registers import svd, svd_interrupts, svd_names

WITH_SVD = {
    "nrf51": ("nrf51.svd",), "nrf52": ("nrf52833.svd",),
    "stm32f4": ("STM32F41x.svd", "STM32F429x.svd"), "stm32l4": ("STM32L4x5.svd",),
}  # fmt: skip
# Peripheral → address, interrupt. RP2040 datasheet, sections 2.2 and 2.3.2; RP2350 datasheet,
# sections 2.2 and 3.2; RM0433 and RM0432, memory map and the NVIC's table of vectors.
CITED = {
    ("rp2040", "UART0"): (0x40034000, 20), ("rp2040", "USB"): (0x50110000, 5),
    ("rp2350", "UART0"): (0x40070000, 33), ("rp2350", "USB"): (0x50110000, 14),
    ("stm32h7", "USART3"): (0x40004800, 39), ("stm32l4", "LPUART1"): (0x40008000, 70),
}  # fmt: skip
# Interrupt of the counter: nRF TIMER0, RP TIMER_IRQ_0 and TIMER0_IRQ_0.
COUNTERS = {"nrf51": 8, "nrf52": 8, "rp2040": 0, "rp2350": 0}
ROWS = [
    (family, port, file)
    for family, files in WITH_SVD.items()
    for port in FAMILIES[family].ports
    for file in files
]


@pytest.mark.skipif(not svd_names(), reason="pyOCD is not installed")
@pytest.mark.parametrize(("family", "port", "file"), ROWS)
def test_address_interrupt_and_clock_bit_are_the_svd_s(family: str, port: str, file: str) -> None:
    ours = FAMILIES[family].ports[port]
    base, interrupts = svd_interrupts(file)[port]
    assert ours.base == base
    assert ours.irq in interrupts or (family, port) in CITED  # a file may leave interrupts out
    if ours.enable:
        rcc = svd(file, ("RCC",)).by_address[ours.enable]
        (enable,) = [each for each in rcc.fields if each.name == f"{port}EN"]
        assert (enable.low, enable.width) == (ours.bit, 1)


@pytest.mark.parametrize(("family", "port"), CITED)
def test_address_and_interrupt_are_the_manual_s(family: str, port: str) -> None:
    ours = FAMILIES[family].ports[port]
    assert (ours.base, ours.irq) == CITED[family, port]


@pytest.mark.skipif(not svd_names(), reason="pyOCD is not installed")
@pytest.mark.parametrize("family", COUNTERS)
def test_the_counter_s_interrupt(family: str) -> None:
    assert FAMILIES[family].clock_irq == COUNTERS[family]
    for file in WITH_SVD.get(family, ()):
        assert svd_interrupts(file)["TIMER0"][1] == {COUNTERS[family]}
