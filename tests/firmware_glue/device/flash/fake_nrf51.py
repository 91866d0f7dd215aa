"""An nRF51822 behind a debug probe, for the real pyOCD: a server of its remote probe protocol.

pyOCD loads its flash algorithm into the chip's RAM and runs it there; unicorn runs it here. What is
simulated: debug port, one access port, ROM table, the core's debug registers (Arm, ARMv6-M
architecture reference manual, C1), RAM, flash and its controller (Nordic, nRF51 reference manual,
NVMC).
"""

import json
import socketserver
import struct
import threading
from types import TracebackType
from typing import Any

from unicorn import UC_ARCH_ARM, UC_HOOK_MEM_WRITE, UC_MODE_MCLASS, UC_MODE_THUMB, Uc, UcError
from unicorn import arm_const as arm

FLASH, FLASH_BYTES, RAM, RAM_BYTES = 0, 0x40000, 0x20000000, 0x4000
PAGE = 0x400
NVMC, WATCHDOG, FACTORY, USER = 0x4001E000, 0x40010000, 0x10000000, 0x10001000
READY, CONFIG, ERASE_PAGE, ERASE_ALL = NVMC + 0x400, NVMC + 0x504, NVMC + 0x508, NVMC + 0x50C
CPUID, AIRCR, DHCSR, DCRSR, DCRDR, DEMCR = (
    0xE000ED00, 0xE000ED0C, 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC,
)  # fmt: skip
HALT, REGISTER_READY, HALTED, RESET_SEEN = 1 << 1, 1 << 16, 1 << 17, 1 << 25
CATCH_RESET = 1
ROM_TABLE, SCS = 0xF0000000, 0xE000E000
_REGISTERS = (
    *(getattr(arm, f"UC_ARM_REG_R{number}") for number in range(13)),
    arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC,
)  # fmt: skip


def _ids(base: int, kind: int, part: int) -> dict[int, int]:
    """Peripheral and component identification registers (ADIv5, chapter 13)."""
    values = {0xFD0: 4, 0xFE0: part, 0xFE4: 0xB0, 0xFE8: 0x0B, 0xFEC: 0}
    values |= {0xFF0: 0x0D, 0xFF4: kind << 4, 0xFF8: 0x05, 0xFFC: 0xB1}
    return {base + offset: value for offset, value in values.items()}


class Nrf51:
    def __init__(self) -> None:
        self.uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self.uc.mem_map(FLASH, FLASH_BYTES)
        self.uc.mem_map(RAM, RAM_BYTES)
        for registers in (NVMC, WATCHDOG, FACTORY, USER):
            self.uc.mem_map(registers, 0x1000)
        self.uc.mem_write(USER, b"\xff" * 0x1000)
        self.uc.mem_write(FACTORY + 0x10, struct.pack("<II", PAGE, FLASH_BYTES // PAGE))
        self.uc.hook_add(UC_HOOK_MEM_WRITE, self._on_write)
        self.uc.mem_write(READY, struct.pack("<I", 1))
        self.uc.mem_write(FLASH, b"\xff" * FLASH_BYTES)
        self.words = _ids(ROM_TABLE, 1, 0x71) | _ids(SCS, 14, 0x08) | {CPUID: 0x410CC200}
        self.words |= {ROM_TABLE: (SCS - ROM_TABLE & 0xFFFFFFFF) | 3, ROM_TABLE + 4: 0}
        self.halted, self.reset_seen, self.demcr, self.dcrdr = False, False, 0, 0
        self.resets, self.erased, self.faults = 0, [], []

    def flash(self, size: int) -> bytes:
        return bytes(self.uc.mem_read(FLASH, size))

    def program(self, data: bytes) -> None:
        self.uc.mem_write(FLASH, data)

    def read(self, address: int) -> int:
        if address == DHCSR:
            seen, self.reset_seen = self.reset_seen, False
            return 1 | REGISTER_READY | (HALTED | HALT if self.halted else 0) | RESET_SEEN * seen
        if address == DCRDR:
            return self.dcrdr
        if address == DEMCR:
            return self.demcr
        if self._mapped(address):
            return int(struct.unpack("<I", self.uc.mem_read(address, 4))[0])
        return self.words.get(address, 0)

    def write(self, address: int, value: int) -> None:
        if address == DHCSR:
            self._debug(value)
        elif address == DCRDR:
            self.dcrdr = value
        elif address == DCRSR:
            self._register(value)
        elif address == DEMCR:
            self.demcr = value
        elif address == AIRCR and value & 4:
            self._reset()
        elif self._mapped(address):
            if NVMC <= address < NVMC + 0x1000:
                self._on_write(self.uc, 0, address, 4, value, None)
            self.uc.mem_write(address, struct.pack("<I", value))

    def read_bytes(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def write_bytes(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    def _mapped(self, address: int) -> bool:
        return any(start <= address <= end for start, end, _ in self.uc.mem_regions())

    def _debug(self, value: int) -> None:
        if value >> 16 != 0xA05F:
            return
        was, self.halted = self.halted, bool(value & HALT)
        counter = self.uc.reg_read(arm.UC_ARM_REG_PC)
        # Code in RAM is pyOCD's; it ends at a breakpoint. The program in flash just "runs".
        if was and not self.halted and RAM <= counter < RAM + RAM_BYTES:
            try:
                self.uc.emu_start(counter | 1, RAM, count=20_000_000)
            except UcError as error:
                self.faults.append(str(error))
            self.halted = True

    def _register(self, value: int) -> None:
        number, write = value & 0x1F, value >> 16 & 1
        if number >= len(_REGISTERS):
            if not write:
                self.dcrdr = 0x01000000 if number == 16 else 0
        elif write:
            self.uc.reg_write(_REGISTERS[number], self.dcrdr)
        else:
            self.dcrdr = int(self.uc.reg_read(_REGISTERS[number]))

    def _reset(self) -> None:
        self.resets += 1
        self.reset_seen, self.halted = True, bool(self.demcr & CATCH_RESET)
        stack, start = struct.unpack("<II", self.flash(8))
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self.uc.reg_write(arm.UC_ARM_REG_PC, start)

    def _on_write(self, uc: Uc, _: int, address: int, size: int, value: int, __: Any) -> None:
        if address == ERASE_PAGE:
            self.erased.append(value)
            uc.mem_write(value, b"\xff" * PAGE)
        elif address == ERASE_ALL:
            uc.mem_write(FLASH, b"\xff" * FLASH_BYTES)
        elif address < FLASH_BYTES:
            enabled = struct.unpack("<I", uc.mem_read(CONFIG, 4))[0] == 1
            if not enabled or uc.mem_read(address, size) != b"\xff" * size:
                self.faults.append(f"write to {address:#x}, not enabled or not erased")


class Probe:
    """The protocol's requests as methods; what they return is the answer's ``result``."""

    def __init__(self, chip: Nrf51) -> None:
        self.chip, self.power, self.csw = chip, 0, 0

    def handle(self, request: str, arguments: list[Any]) -> Any:
        method = getattr(self, f"do_{request}", None)
        return method(*arguments) if method else None

    def do_readprop(self, name: str) -> Any:
        return {
            "capabilities": ["MANAGED_AP_SELECTION", "MANAGED_DPBANKSEL"],
            "supported_wire_protocols": ["DEFAULT", "SWD"],
            "wire_protocol": "SWD",
            "vendor_name": "edgecnn",
            "product_name": "simulated nRF51",
        }.get(name)

    def do_read_dp(self, address: int) -> int:
        acknowledged = self.power & 0x50000000
        return {0: 0x0BB11477, 4: self.power | acknowledged << 1}.get(address & 0xF, 0)

    def do_write_dp(self, address: int, value: int) -> None:
        if address == 4:
            self.power = value

    def do_read_ap(self, address: int) -> int:
        if address >> 24:
            return 0
        return {0x00: self.csw | 0x40, 0xF8: ROM_TABLE | 3, 0xFC: 0x04770021}.get(address & 0xFF, 0)

    def do_write_ap(self, address: int, value: int) -> None:
        if address == 0:
            self.csw = value

    def do_get_memory_interface_for_ap(self, version: int, address: int) -> int:
        return 0

    def do_read_mem(self, _: int, address: int, bits: int) -> int:
        word = self.chip.read(address & ~3)
        return word >> 8 * (address & 3) & (1 << bits) - 1

    def do_write_mem(self, _: int, address: int, value: int, bits: int) -> None:
        if bits == 32:
            self.chip.write(address, value)
        else:
            self.chip.write_bytes(address, value.to_bytes(bits // 8, "little"))

    def do_read_block32(self, _: int, address: int, count: int) -> list[int]:
        return [self.chip.read(address + 4 * number) for number in range(count)]

    def do_write_block32(self, _: int, address: int, words: list[int]) -> None:
        for number, word in enumerate(words):
            self.chip.write(address + 4 * number, word)

    def do_read_block8(self, _: int, address: int, size: int) -> list[int]:
        return list(self.chip.read_bytes(address, size))

    def do_write_block8(self, _: int, address: int, data: list[int]) -> None:
        self.chip.write_bytes(address, bytes(data))

    def do_is_reset_asserted(self) -> bool:
        return False


class ProbeServer:
    """Serves a probe on a TCP port; ``uid`` is what pyOCD is told."""

    def __init__(self, chip: Nrf51) -> None:
        probe = Probe(chip)

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    asked = json.loads(line)
                    result = probe.handle(asked["request"], asked.get("arguments", []))
                    answer = {"id": asked["id"], "status": 0, "result": result}
                    self.wfile.write(json.dumps(answer).encode() + b"\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.uid = f"remote:127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "ProbeServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
