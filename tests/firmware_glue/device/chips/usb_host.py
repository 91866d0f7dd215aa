"""A USB host for the controller of RP2040 and RP2350, at the level of its registers and its memory.

Written from RP2040's datasheet (sections 4.1.2.5 to 4.1.2.7 and 4.1.4; RP2350's section 12.7 has
the same) and the USB 2.0 specification (chapters 5, 8 and 9): it enumerates the device, opens its
port, and moves bulk packets. Toggles, lengths and the order of stages are asserted.
"""

from __future__ import annotations

from collections.abc import Generator

from tests.firmware_glue.device.chips.machine import State

MEMORY, REGISTERS = 0x50100000, 0x50110000
ADDR_ENDP, MAIN_CTRL, SIE_CTRL = REGISTERS, REGISTERS + 0x40, REGISTERS + 0x4C
SIE_STATUS, BUFF_STATUS, INTE = REGISTERS + 0x50, REGISTERS + 0x58, REGISTERS + 0x90
FULL, DATA1, STALL, AVAILABLE, LENGTH = 1 << 15, 1 << 13, 1 << 11, 1 << 10, 0x3FF
PACKET, ADDRESS = 64, 23
EP0_BUFFER = 0x100

Steps = Generator[None, None, bytes]


def clears_by_ones(state: State, address: int, before: int, value: int) -> None:
    """What a write does beyond keeping its value: flags of the controller are cleared by ones."""
    if address in (SIE_STATUS, BUFF_STATUS):
        state.words[address] = before & ~value


class UsbHost:
    """A host; :meth:`step` lets it act once."""

    def __init__(self, state: State) -> None:
        self._state, self._script = state, self._live()
        self.received, self.to_send = bytearray(), bytearray()
        self.descriptors: dict[str, bytes] = {}
        self._in_toggle = self._out_toggle = 0

    def step(self) -> bool:
        """Acts; says whether the controller now interrupts its core."""
        if not self._interrupts() and self._state[SIE_CTRL] >> 16 & 1:
            next(self._script)
        return self._interrupts()

    def reconnect(self) -> None:
        """The cable is pulled and plugged in again: a bus reset, wherever the device was."""
        self._script, self._in_toggle, self._out_toggle = self._live(), 0, 0
        self.received.clear()
        self.to_send.clear()
        for control in (0x80, 0x84, 0x90, 0x94):
            word = self._state[MEMORY + control] & ~AVAILABLE
            self._state.words[MEMORY + control] = word
        self._state.words[BUFF_STATUS] = 0

    def _interrupts(self) -> bool:
        state, enabled = self._state, self._state[INTE]
        flags = state[SIE_STATUS]
        return bool(
            (state[BUFF_STATUS] and enabled >> 4 & 1)
            or (flags >> 19 & 1 and enabled >> 12 & 1)
            or (flags >> 17 & 1 and enabled >> 16 & 1)
        )

    def _live(self) -> Generator[None, None, None]:
        self._state.words[SIE_STATUS] = self._state[SIE_STATUS] | 1 << 19
        yield
        read = self._read_control
        self.descriptors["start"] = yield from read(0x80, 6, 0x0100, 0, 8)
        yield from self._write_control(0x00, 5, ADDRESS, 0)
        assert self._state[ADDR_ENDP] == ADDRESS
        self.descriptors["device"] = yield from read(0x80, 6, 0x0100, 0, 18)
        self.descriptors["head"] = yield from read(0x80, 6, 0x0200, 0, 9)
        total = int.from_bytes(self.descriptors["head"][2:4], "little")
        self.descriptors["configuration"] = yield from read(0x80, 6, 0x0200, 0, total)
        self.descriptors["product"] = yield from read(0x80, 6, 0x0302, 0x0409, 255)
        yield from self._write_control(0x00, 9, 1, 0)
        coding = (115200).to_bytes(4, "little") + bytes((0, 0, 8))
        yield from self._write_control(0x21, 0x20, 0, 0, coding)
        assert (yield from read(0xA1, 0x21, 0, 0, 7)) == coding
        yield from self._write_control(0x21, 0x22, 3, 0)
        while True:
            self._take_packet()
            self._give_packet()
            yield

    def _setup(self, kind: int, request: int, value: int, index: int, length: int) -> None:
        words = kind | request << 8 | value << 16, index | length << 16
        self._state.words[MEMORY], self._state.words[MEMORY + 4] = words
        self._state.words[SIE_STATUS] = self._state[SIE_STATUS] | 1 << 17

    def _read_control(self, kind: int, request: int, value: int, index: int, most: int) -> Steps:
        self._setup(kind, request, value, index, most)
        yield
        data, toggle = b"", DATA1
        while True:
            word = yield from self._armed(0x80)
            assert word & FULL and word & DATA1 == toggle
            packet = self._bytes(EP0_BUFFER, word & LENGTH)
            data, toggle = data + packet, toggle ^ DATA1
            self._done(0x80, 0, word & ~(FULL | AVAILABLE))
            yield
            if len(packet) < PACKET or len(data) == most:
                break
        assert len(data) <= most
        word = yield from self._armed(0x84)  # the status stage: an empty DATA1 of the host
        assert word & DATA1
        self._done(0x84, 1, FULL | DATA1)
        yield
        return data

    def _write_control(
        self, kind: int, request: int, value: int, index: int, data: bytes = b""
    ) -> Steps:
        self._setup(kind, request, value, index, len(data))
        yield
        if data:
            word = yield from self._armed(0x84)
            assert word & DATA1 and word & LENGTH >= len(data)
            self._put(EP0_BUFFER, data)
            self._done(0x84, 1, FULL | DATA1 | len(data))
            yield
        word = yield from self._armed(0x80)  # the status stage: an empty DATA1 of the device
        assert word & FULL and word & DATA1 and word & LENGTH == 0
        self._done(0x80, 0, word & ~(FULL | AVAILABLE))
        yield
        return b""

    def _armed(self, control: int) -> Generator[None, None, int]:
        """Waits until the device offers the buffer."""
        while not self._state[MEMORY + control] & AVAILABLE:
            assert not self._state[MEMORY + control] & STALL, "the device refuses"
            yield
        return self._state[MEMORY + control]

    def _done(self, control: int, bit: int, word: int) -> None:
        self._state.words[MEMORY + control] = word
        self._state.words[BUFF_STATUS] = self._state[BUFF_STATUS] | 1 << bit

    def _take_packet(self) -> None:
        word = self._state[MEMORY + 0x90]
        if word & AVAILABLE:
            assert word & FULL and word & DATA1 == self._in_toggle
            self.received += self._bytes(self._state[MEMORY + 0x10] & 0xFFFF, word & LENGTH)
            self._in_toggle ^= DATA1
            self._done(0x90, 4, word & ~(FULL | AVAILABLE))

    def _give_packet(self) -> None:
        word = self._state[MEMORY + 0x94]
        if word & AVAILABLE and self.to_send:
            assert word & DATA1 == self._out_toggle and word & LENGTH == PACKET
            packet = bytes(self.to_send[:PACKET])
            del self.to_send[:PACKET]
            self._put(self._state[MEMORY + 0x14] & 0xFFFF, packet)
            self._out_toggle ^= DATA1
            self._done(0x94, 5, FULL | len(packet))

    def _bytes(self, offset: int, size: int) -> bytes:
        at = range(offset, offset + size, 4)
        words = b"".join(self._state[MEMORY + each].to_bytes(4, "little") for each in at)
        return words[:size]

    def _put(self, offset: int, data: bytes) -> None:
        for at in range(0, len(data), 4):
            word = data[at : at + 4].ljust(4, b"\0")
            self._state.words[MEMORY + offset + at] = int.from_bytes(word, "little")
