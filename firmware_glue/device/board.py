"""Boards as data: what is known of a core or board, in frozen dataclasses.

``board_file.py`` reads them from one TOML each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CORES = (
    "cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "rv32imc",
)  # fmt: skip
"""Bare cores: memory without limits, nothing to flash."""
BOARDS = (
    "microbit", "microbit-v2", "pico", "pico2", "netduino-plus2", "nucleo-f446re",
    "nucleo-l4r5zi", "nucleo-h743zi", "mps2-an386", "mps3-an547", "riscv-virt",
)  # fmt: skip
"""Boards: a part with its memory, a line to the host, and a way to flash or emulate it."""
ISAS = ("thumb", "riscv")
KERNELS = ("generic", "v6m", "v7m", "dsp", "mve", "rv32")
LINES = ("uart", "usb")
METHODS = ("uf2", "mass-storage", "pyocd", "openocd")
BOARD_EMULATORS = ("qemu", "rp2040js")


@dataclass(frozen=True)
class CompilerSpec:
    """What the C compilers are told about the core.

    Attributes:
        target, mcpu: LLVM's target triple and CPU, for Clang; an FPU is a feature to be named.
        gcc: the same as GCC's flags.
        flags: further flags that both understand.
    """

    target: str
    mcpu: str
    gcc: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class EmulatorSpec:
    """Names that emulators have for the core; empty: this one cannot run it.

    Attributes:
        unicorn: a row of ``unicorn_machine.CORES``.
        qemu: a machine, a row of ``qemu_machine.MACHINES``.
    """

    unicorn: str = ""
    qemu: str = ""


@dataclass(frozen=True)
class ArenaRegion:
    """Memory that part of the arena may lie in: a C identifier, and bytes."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Memory:
    """Flash and RAM, addresses and bytes; ``stack_bytes`` of RAM are kept for the stack.

    Attributes:
        regions: memories for the arena, the fastest first; empty: the arena lies in RAM.
    """

    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int
    stack_bytes: int = 0x2000
    regions: tuple[ArenaRegion, ...] = ()


@dataclass(frozen=True)
class Clock:
    """Frequencies in Hz.

    Attributes:
        hz: of the core.
        crystal_hz: of the crystal or signal that the board clocks the part with; 0: none.
        signal: it is a signal that comes in, and no crystal that the part drives.
    """

    hz: int
    crystal_hz: int = 0
    signal: bool = False


@dataclass(frozen=True)
class LinePort:
    """The serial line between board and host.

    Attributes:
        kind: one of :data:`LINES`.
        peripheral: the chip's name of it: a row of the family's table (``families.py``).
        tx, rx: the chip's pins, in the names of its manual (``PA2``, ``P0.24``, ``GPIO0``).
        function: the pins' alternate function, where the chip numbers them.
        baud: bits per second.
        usb: ``vid:pid`` of what the host sees, in hexadecimal, for finding the port.
    """

    kind: str
    peripheral: str
    tx: str = ""
    rx: str = ""
    function: int = 0
    baud: int = 115200
    usb: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flashing:
    """How a program comes onto the board.

    Attributes:
        methods: of :data:`METHODS`, the preferred one first.
        file: what drives and programs are given: ``uf2``, ``hex`` or ``bin``.
        uf2_family: the family that UF2 files name; 0: none.
        volume: how the drive is called that files are copied to.
        drive_ids: how the unique id begins that the drive's DETAILS.TXT holds, where boards
            of several kinds have drives of one name; empty: any.
        pyocd_target: pyOCD's name of the part.
        openocd: configuration files, in order.
    """

    methods: tuple[str, ...]
    file: str = "hex"
    uf2_family: int = 0
    volume: str = ""
    drive_ids: tuple[str, ...] = ()
    pyocd_target: str = ""
    openocd: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardEmulation:
    """What runs the board's whole image: the emulator, and its machine.

    Attributes:
        by: one of :data:`BOARD_EMULATORS`.
        machine: the emulator's name of the board.
        arguments: further arguments for the emulator.
    """

    by: str
    machine: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cycles:
    """Cycles per class of instruction, zero wait states: for an estimate, never a measurement.

    A load or store of n registers takes ``multiple_base + n``; ``branch`` is a taken branch;
    ``multiply_add`` and ``multiply_long`` (a 64-bit product, or its upper half) are 0 where they
    cost what ``multiply`` does; ``vector`` is an instruction of 128 bits.
    """

    other: int
    load: int
    store: int
    multiple_base: int
    branch: int
    multiply: int
    divide: int
    multiply_add: int = 0
    multiply_long: int = 0
    vector: int = 1


@dataclass(frozen=True)
class Board:
    """A core or board.

    Attributes:
        name: kebab-case, the target's name.
        cpu: the core's name.
        isa: one of :data:`ISAS`.
        kernels: the kernels made for it: one of :data:`KERNELS`.
        generic: a bare emulated core, with nothing to deploy to.
        cycles: the cost table, or None: then no cycles are estimated.
        part: the chip, as its maker calls it.
        family: a row of ``families.FAMILIES``: start-up, clock, line and watchdog code.
        line, flashing, emulation: None where there is none.
        evidence: where each figure comes from: datasheet or manual, and the section.
    """

    name: str
    summary: str
    cpu: str
    compiler: CompilerSpec
    emulator: EmulatorSpec
    memory: Memory
    clock: Clock
    isa: str = "thumb"
    kernels: str = "generic"
    cycles: Cycles | None = None
    generic: bool = False
    part: str = ""
    family: str = ""
    line: LinePort | None = None
    flashing: Flashing | None = None
    emulation: BoardEmulation | None = None
    evidence: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def tried(self) -> str:
        """What has been run of the code that edgecnn makes for it: nobody's word for more."""
        if self.generic:
            return "emulator (core alone)"
        if self.emulation is not None:
            return f"emulator ({self.emulation.by} {self.emulation.machine})"
        return "linked only"
