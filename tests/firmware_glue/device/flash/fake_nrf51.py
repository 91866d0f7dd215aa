"""An nRF51822 behind a debug probe, for the real pyOCD: a server of its remote probe protocol.

pyOCD loads its flash algorithm into the chip's RAM and runs it there; unicorn runs it here. What is
simulated beside the core: debug port, one access port, and the flash controller (Nordic, nRF51
reference manual, NVMC).
"""

import json
import socketserver
import struct
import threading
from types import TracebackType
from typing import Any

from tests.firmware_glue.device.flash.fake_core import ROM_TABLE, Core

PAGE = 0x400
NVMC, WATCHDOG, FACTORY, USER = 0x4001E000, 0x40010000, 0x10000000, 0x10001000
READY, CONFIG, ERASE_PAGE, ERASE_ALL = NVMC + 0x400, NVMC + 0x504, NVMC + 0x508, NVMC + 0x50C


class Nrf51(Core):
    def __init__(self) -> None:
        super().__init__(cpuid=0x410CC200, part=0x08)
        for registers in (NVMC, WATCHDOG, FACTORY, USER):
            self.uc.mem_map(registers, 0x1000)
        self.uc.mem_write(USER, b"\xff" * 0x1000)
        self.uc.mem_write(FACTORY + 0x10, struct.pack("<II", PAGE, self.flash_bytes // PAGE))
        self.uc.mem_write(READY, struct.pack("<I", 1))

    def written(self, address: int, size: int, value: int) -> None:
        if address == ERASE_PAGE:
            self.erased.append(value)
            self.uc.mem_write(value, b"\xff" * PAGE)
        elif address == ERASE_ALL:
            self.program(b"\xff" * self.flash_bytes)
        elif address < self.flash_bytes:
            enabled = struct.unpack("<I", self.uc.mem_read(CONFIG, 4))[0] == 1
            if not enabled or self.uc.mem_read(address, size) != b"\xff" * size:
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
