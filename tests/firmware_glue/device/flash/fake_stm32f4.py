"""An STM32F405 on a JTAG chain, for the real OpenOCD: a server of its "remote bitbang" adapter.

Every clock edge comes over TCP (OpenOCD, doc/manual/jtag/drivers/remote_bitbang.txt). What is
simulated beside the core: two test access ports (IEEE 1149.1), the debug port and one memory access
port (Arm, ADIv5), and the flash controller (ST, RM0090, section 3.9).
"""

import socketserver
import struct
import threading
from types import TracebackType

from tests.firmware_glue.device.flash.fake_core import ROM_TABLE, Core

REGISTERS, KEYS, STATUS, CONTROL = 0x40023000, 0x40023C04, 0x40023C0C, 0x40023C10
OPTIONS, DEVICE, SIZE = 0x40023C14, 0xE0042000, 0x1FFF7A20
_KEYS = [0x45670123, 0xCDEF89AB]
_LOCK, _START, _SECTOR_ERASE, _PROGRAM = 1 << 31, 1 << 16, 2, 1
_SECTORS = (*(4 * (0x4000,)), 0x10000, *(7 * (0x20000,)))

# state → (next with TMS = 0, next with TMS = 1)
_STATES = {
    "reset": ("idle", "reset"), "idle": ("idle", "select-dr"),
    "select-dr": ("capture-dr", "select-ir"), "capture-dr": ("shift-dr", "exit1-dr"),
    "shift-dr": ("shift-dr", "exit1-dr"), "exit1-dr": ("pause-dr", "update-dr"),
    "pause-dr": ("pause-dr", "exit2-dr"), "exit2-dr": ("shift-dr", "update-dr"),
    "update-dr": ("idle", "select-dr"),
    "select-ir": ("capture-ir", "reset"), "capture-ir": ("shift-ir", "exit1-ir"),
    "shift-ir": ("shift-ir", "exit1-ir"), "exit1-ir": ("pause-ir", "update-ir"),
    "pause-ir": ("pause-ir", "exit2-ir"), "exit2-ir": ("shift-ir", "update-ir"),
    "update-ir": ("idle", "select-dr"),
}  # fmt: skip
_ID, _DEBUG_PORT, _ACCESS_PORT, _ABORT = 0xE, 0xA, 0xB, 0x8
_OK = 2


class Stm32f405(Core):
    flash_origin, flash_bytes = 0x08000000, 0x100000
    ram_bytes = 0x20000

    def __init__(self) -> None:
        super().__init__(cpuid=0x410FC241, part=0x0C)
        self.uc.mem_map(REGISTERS, 0x1000)
        self.uc.mem_write(CONTROL, struct.pack("<I", _LOCK))
        self.uc.mem_write(OPTIONS, struct.pack("<I", 0x0FFFAAED))
        self.words |= {DEVICE: 0x10076413, SIZE: 0x0400FFFF}
        self.keys: list[int] = []

    def control(self) -> int:
        return int(struct.unpack("<I", self.uc.mem_read(CONTROL, 4))[0])

    def write(self, address: int, value: int) -> None:
        super().write(address, value)
        if address == CONTROL and value & _START:  # the sector is gone at once
            self.uc.mem_write(CONTROL, struct.pack("<I", value & ~_START))
        if address == KEYS and self.keys[-2:] == _KEYS:
            self.uc.mem_write(CONTROL, struct.pack("<I", self.control() & ~_LOCK))
        if address == STATUS:  # flags are cleared by writing ones
            self.uc.mem_write(STATUS, bytes(4))

    def written(self, address: int, size: int, value: int) -> None:
        if address == KEYS:
            self.keys.append(value)
        elif address == CONTROL and value & _START and value & _SECTOR_ERASE:
            if self.control() & _LOCK:
                self.faults.append("erase while locked")
            number = value >> 3 & 0x1F
            start = self.flash_origin + sum(_SECTORS[:number])
            self.erased.append(start)
            self.uc.mem_write(start, b"\xff" * _SECTORS[number])
        elif self.flash_origin <= address < self.flash_origin + self.flash_bytes:
            enabled = self.control() & (_PROGRAM | _LOCK) == _PROGRAM
            if not enabled or self.uc.mem_read(address, size) != b"\xff" * size:
                self.faults.append(f"write to {address:#x}, not enabled or not erased")


class MemoryPort:
    """The debug port's and the access port's registers (ADIv5, chapters 2 and 7)."""

    def __init__(self, chip: Core) -> None:
        self.chip = chip
        self.power = self.select = self.control = self.address = 0

    def debug(self, register: int, value: int | None) -> int:
        if value is None:
            return self.power | (self.power & 0x50000000) << 1 if register == 4 else 0
        if register == 4:
            self.power = value
        elif register == 8:
            self.select = value
        return 0

    def access(self, register: int, value: int | None) -> int:
        if self.select >> 24:
            return 0
        register |= self.select & 0xF0
        if register == 0x0C:
            return self._transfer(self.address, value, self._size(), move=True)
        if register & 0xF0 == 0x10:
            return self._transfer((self.address & ~0xF) | register & 0xC, value, 4, move=False)
        if value is None:
            known = {0x00: self.control | 0x40, 0x04: self.address, 0xF8: ROM_TABLE | 3}
            return known.get(register, 0x24770011 if register == 0xFC else 0)
        if register == 0x00:
            packed = value >> 4 & 3 == 2  # not supported: the field reads back otherwise
            self.control = value & ~0x30 if packed else value
        elif register == 0x04:
            self.address = value
        return 0

    def _size(self) -> int:
        return 1 << (self.control & 3)

    def _transfer(self, address: int, value: int | None, size: int, *, move: bool) -> int:
        if move and self.control >> 4 & 3 == 1:
            self.address = address + size & 0xFFFFFFFF
        if value is None:
            return self.chip.read(address & ~3)
        if size == 4:
            self.chip.write(address & ~3, value)
        else:
            data = struct.pack("<I", value)[address & 3 :][:size]
            self.chip.write_bytes(address, data)
        return 0


class JtagChain:
    """TDI → boundary scan → debug port → TDO."""

    def __init__(self, port: MemoryPort) -> None:
        self.port, self.state = port, "reset"
        self.clock, self.out, self.result = 0, 0, 0
        self.instructions = [_ID, 1]
        self.shift: list[list[int]] = [[], []]

    def pins(self, clock: int, mode: int, given: int) -> None:
        if clock and not self.clock:
            self._rise(mode, given)
        elif self.clock and not clock:
            shifting = self.state.startswith("shift")
            self.out = self.shift[0][0] if shifting else 0
        self.clock = clock

    def _rise(self, mode: int, given: int) -> None:
        if self.state.startswith("shift"):
            core, boundary = self.shift
            core.append(boundary.pop(0) if len(boundary) else given)
            core.pop(0)
            boundary.append(given)
        self.state = _STATES[self.state][mode]
        if self.state == "reset":
            self.instructions = [_ID, 1]
        elif self.state == "capture-ir":
            self.shift = [_bits(1, 4), _bits(1, 5)]
        elif self.state == "update-ir":
            self.instructions = [_number(bits) for bits in self.shift]
        elif self.state == "capture-dr":
            self._capture()
        elif self.state == "update-dr":
            self._update()

    def _capture(self) -> None:
        core, boundary = self.instructions
        wide = {_ID: (0x4BA00477, 32), _ABORT: (0, 35)}
        wide[_DEBUG_PORT] = wide[_ACCESS_PORT] = (self.result << 3 | _OK, 35)
        self.shift[0] = _bits(*wide.get(core, (0, 1)))
        self.shift[1] = _bits(0x06413041, 32) if boundary == 1 else _bits(0, 1)

    def _update(self) -> None:
        core = self.instructions[0]
        if core not in (_DEBUG_PORT, _ACCESS_PORT):
            return
        scanned = _number(self.shift[0])
        register, value = (scanned >> 1 & 3) << 2, None if scanned & 1 else scanned >> 3
        act = self.port.debug if core == _DEBUG_PORT else self.port.access
        done = act(register, value)
        if value is None and not (core == _DEBUG_PORT and register == 0xC):
            self.result = done


def _bits(value: int, count: int) -> list[int]:
    return [value >> number & 1 for number in range(count)]


def _number(bits: list[int]) -> int:
    return sum(bit << number for number, bit in enumerate(bits))


class BitbangServer:
    """Serves a chip; ``configuration`` is the adapter's file for OpenOCD."""

    def __init__(self, chip: Core) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                chain = JtagChain(MemoryPort(chip))
                while data := self.request.recv(1 << 16):
                    answers = bytearray()
                    for sign in data:
                        if 0x30 <= sign <= 0x37:
                            chain.pins(sign >> 2 & 1, sign >> 1 & 1, sign & 1)
                        elif sign == ord("R"):
                            answers.append(0x30 + chain.out)
                        elif sign == ord("Q"):
                            return
                    if answers:
                        self.request.sendall(answers)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.configuration = (
            "adapter driver remote_bitbang\nremote_bitbang host 127.0.0.1\n"
            f"remote_bitbang port {self._server.server_address[1]}\ntransport select jtag\n"
        )

    def __enter__(self) -> "BitbangServer":
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
