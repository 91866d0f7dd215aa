"""What a trace has to obey: known registers, no reserved bit, allowed values, clocks on, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.firmware_glue.device.chips.machine import Access, State
from tests.firmware_glue.device.chips.registers import Register, Registers


@dataclass(frozen=True)
class Gate:
    """Registers from ``begin`` that answer only while a bit is set (or, ``off``, clear).

    ``seen``: a status register that has to have been read with that bit set, too.
    """

    begin: int
    size: int
    control: int
    bit: int
    off: bool = False
    seen: int = 0


@dataclass(frozen=True)
class Step:
    """One access, what the registers held before it, and what has been read so far."""

    access: Access
    state: State
    reads: Sequence[Access]

    def wrote(self, address: int) -> bool:
        return self.access.write and self.access.address == address

    def changes(self, address: int, mask: int) -> bool:
        return self.wrote(address) and bool((self.access.before ^ self.access.after) & mask)

    def seen(self, address: int, mask: int, wanted: int) -> bool:
        """Whether the last read of a register gave those bits."""
        last = next((a for a in reversed(self.reads) if a.address == address), None)
        return last is not None and last.value & mask == wanted


_LONG_RUN = 8
Rule = Callable[[Step], str | None]
"""Looks at one access; says what is wrong with it."""


def check(
    trace: Iterable[Access],
    registers: Registers,
    gates: Sequence[Gate] = (),
    rules: Sequence[Rule] = (),
    memory: range = range(0),
) -> list[str]:
    """All that is wrong with a trace, in its order; ``memory`` holds no registers."""
    reset = {address: each.reset for address, each in registers.by_address.items()}
    state, reads, faults = State(reset), list[Access](), list[str]()
    for access in trace:
        register = registers.by_address.get(access.address)
        step = Step(access, state, reads)
        if access.address in memory:
            faults += [f"{_verb(access)} 0x{access.address:08X}: {f}" for f in _gated(step, gates)]
        elif register is None:
            faults.append(f"{_verb(access)} 0x{access.address:08X}: no such register")
        else:
            found = [*_bits(access, register), *_gated(step, gates)]
            found += [fault for rule in rules if (fault := rule(step)) is not None]
            faults += [f"{_verb(access)} {register.name} 0x{access.value:08X}: {f}" for f in found]
        if access.write:
            state.words[access.address] = access.after
        else:
            reads.append(access)
    return faults


def readable(trace: Iterable[Access], registers: Registers, memory: range = range(0)) -> list[str]:
    """The writes as text, for people and for the golden sequences; long runs as one line."""
    lines: list[str] = []
    named = [(_place(access, registers, memory), access.value) for access in trace if access.write]
    for name, run in groupby(named, key=lambda each: each[0]):
        values = [f"0x{value:08X}" for _name, value in run]
        if len(values) > _LONG_RUN:
            values = [f"{values[0]} ... {values[-1]} ({len(values)} times)"]
        lines += [f"{name} = {value}" for value in values]
    return lines


def _place(access: Access, registers: Registers, memory: range) -> str:
    if access.address in memory:
        return f"memory from 0x{memory.start:08X}"
    return registers.by_address[access.address].name + (access.alias and "." + access.alias)


def _verb(access: Access) -> str:
    return f"phase {access.phase}: {'write' if access.write else 'read'}{access.alias}"


def _bits(access: Access, register: Register) -> Iterator[str]:
    if access.size != 4:
        yield f"{access.size} bytes"
    if not access.write:
        if register.access == "w":
            yield "is write-only"
        return
    if register.access == "r":
        yield "is read-only"
    # An alias touches the bits it names alone; a write has to leave reserved ones as after reset,
    # but for Nordic's pin selectors, whose reset value of all ones means: none.
    reserved = access.value & ~register.mask
    kept = 0 if access.alias else register.reset & ~register.mask & 0xFFFFFFFF
    if reserved != kept and (reserved or register.reset != 0xFFFFFFFF):
        yield f"reserved bits 0x{reserved:08X}, after reset 0x{kept:08X}"
    for each in register.fields:
        value = each.of(access.after)
        touched = each.of(access.value) if access.alias else 1
        if each.values and touched and value not in each.values:
            yield f"{each.name} = 0x{value:X}, allowed: {sorted(each.values)}"


def _gated(step: Step, gates: Sequence[Gate]) -> Iterator[str]:
    for gate in gates:
        if not gate.begin <= step.access.address < gate.begin + gate.size:
            continue
        on = bool(step.state[gate.control] >> gate.bit & 1)
        if on == gate.off:
            yield f"0x{gate.control:08X} bit {gate.bit} is still {int(on)}"
        elif gate.seen and not step.seen(gate.seen, 1 << gate.bit, 1 << gate.bit):
            yield f"0x{gate.seen:08X} bit {gate.bit} was not awaited"
