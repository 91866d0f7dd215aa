"""QEMU: counts equal unicorn's, faults and hangs become errors, no process is left."""

import gc
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError, ToolError, UnknownNameError
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate import qemu_machine, table
from firmware_glue.device.emulate.base import Machine, Program, Span
from firmware_glue.device.emulate.gdb import Gdb, Link, LinkError
from firmware_glue.device.emulate.qemu_machine import QemuMachine, find_qemu
from firmware_glue.device.emulate.session import count_call
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.emulate.unicorn_machine import UnicornMachine
from tests.firmware_glue.device.code import LOOP, LOOP_INSTRUCTIONS, MIXED, MODEL
from tests.firmware_glue.device.programs import CORES, UNICORN_CORES, need_qemu, program


def count(kind: type, core: str, code: str, function: str) -> tuple[int, int | None]:
    elf, board = program(core, code), load_board(core)
    machine: Machine = kind(elf, board)
    try:
        counts = count_call(machine, elf.address(function))
        return counts.instructions, counts.cycles(board)
    finally:
        machine.close()


@pytest.mark.parametrize("core", CORES)
def test_counts_a_loop_of_known_length(core: str) -> None:
    need_qemu(core)
    instructions, cycles = count(QemuMachine, core, LOOP, "loop7")
    assert instructions == LOOP_INSTRUCTIONS
    assert cycles is None or cycles >= instructions


@pytest.mark.parametrize("core", UNICORN_CORES)
def test_counts_as_unicorn_does(core: str) -> None:
    need_qemu(core)
    ours, estimate = count(QemuMachine, core, MIXED, "work")
    theirs, expected = count(UnicornMachine, core, MIXED, "work")
    assert ours == theirs > 5000
    assert expected is not None
    assert estimate is None or estimate == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("core", CORES)
def test_a_session_runs_again_and_again(core: str) -> None:
    need_qemu(core)
    board, elf = load_board(core), program(core, MODEL)
    model = Program(elf, (Span(0, 4),), (Span(8, 1),), "invoke")
    with find_qemu(board).open(model, board) as session:
        first = session.run([bytes([1, 2, 3, 4])], count=True)
        second = session.run([bytes([10, 2, 3, 4])])
        third = session.run([bytes([1, 2, 3, 4])], count=True)
        with pytest.raises(TargetError, match=r"inputs of \[3\] bytes were given"):
            session.run([b"abc"])
    assert (first.outputs, second.outputs) == ((bytes([10]),), (bytes([19]),))
    assert second.instructions is None
    assert first.instructions == third.instructions
    assert 4 * 64 <= first.stack_bytes < 700


VECTORS = """
static float a[64], b[64];
volatile float sum;
KEEP void work(void) {
  float s = 0.0f;
  for (int i = 0; i < 64; ++i) { a[i] = (float)i * 0.5f; b[i] = 3.0f; }
  for (int i = 0; i < 64; ++i) { s += a[i] * b[i]; }
  sum = s;
}
int main(void) { work(); edgecnn_ready(); return 0; }
"""


@pytest.mark.parametrize("compiler", ["zig", "gcc"])
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_the_fpu_is_switched_on(core: str, compiler: str) -> None:
    need_qemu(core)
    elf = program(core, VECTORS, compiler)
    machine = QemuMachine(elf, load_board(core))
    machine.run_until(elf.address("edgecnn_ready"))
    assert machine.read(elf.address("sum"), 4) == struct.pack("<f", 3024.0)
    machine.close()


FAULTS = [
    ("cortex-m4", "*(volatile uint32_t *)0xD0000000 = 1u;"),
    ("cortex-m33", "(void)*(volatile uint32_t *)0xD0000000;"),
    ("cortex-m55", '__asm__ volatile(".hword 0xde00");'),
    ("rv32imc", '__asm__ volatile(".word 0");'),
    ("rv32imc", "(void)*(volatile uint32_t *)0xF0000000;"),
]


@pytest.mark.parametrize(("core", "body"), FAULTS)
def test_a_fault_names_the_place(core: str, body: str) -> None:
    need_qemu(core)
    code = "KEEP void victim(void) { " + body + " }\nint main(void) { victim(); edgecnn_ready(); }"
    elf = program(core, code)
    machine = QemuMachine(elf, load_board(core))
    with pytest.raises(ToolError, match=r"qemu failed \(exit code 1\)") as caught:
        machine.run_until(elf.address("edgecnn_ready"))
    details = " ".join(caught.value.details)
    assert "the program faulted" in details
    assert "in victim+0x" in details
    assert machine._process._process.poll() is not None


@pytest.mark.parametrize("core", CORES)
def test_a_stack_overflow_is_an_error(core: str) -> None:
    """On a core that does not fault, the paint at the end of the stack tells."""
    need_qemu(core)
    code = MODEL.replace("deep(edgecnn_arena, 3)", "deep(edgecnn_arena, 500)").replace(
        "edgecnn_arena[16]", "edgecnn_arena[1024]"
    )
    board, elf = load_board(core), program(core, code.replace("local[64]", "local[1024]"))
    model = Program(elf, (Span(0, 4),), (Span(8, 1),), "invoke")
    with pytest.raises(ToolError) as caught, find_qemu(board).open(model, board) as session:
        session.run([bytes(4)])
    assert "faulted" in " ".join(caught.value.details) or "overflowed" in caught.value.details[0]


def test_an_endless_loop_hits_the_limit_and_qemu_ends() -> None:
    need_qemu("cortex-m4")
    spin = "volatile int go = 1; KEEP void spin(void) { while (go) { } }"
    code = f"{spin} int main(void) {{ spin(); edgecnn_ready(); }}"
    elf = program("cortex-m4", code)
    machine = QemuMachine(elf, load_board("cortex-m4"), limit_s=0.05)
    with pytest.raises(ToolError, match="timed out") as caught:
        machine.run_until(elf.address("edgecnn_ready"))
    details = " ".join(caught.value.details)
    assert "spin+0x" in details
    assert "limit: 0.05 s" in details
    assert machine._process._process.poll() is not None


def test_qemu_that_dies_is_an_error() -> None:
    need_qemu("cortex-m4")
    machine = QemuMachine(program("cortex-m4", LOOP), load_board("cortex-m4"))
    os.killpg(machine._process._process.pid, signal.SIGKILL)
    with pytest.raises(ToolError, match="qemu failed"):
        machine.run_until(0x100)


def test_a_forgotten_machine_leaves_no_process() -> None:
    need_qemu("rv32imc")
    machine = QemuMachine(program("rv32imc", LOOP), load_board("rv32imc"))
    process, blocks = machine._process._process, machine._blocks
    assert process.poll() is None
    assert blocks is None or not Path(blocks._folder.name).exists()
    del machine
    gc.collect()
    assert process.returncode is not None


def test_qemu_without_plug_ins_counts_but_estimates_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need_qemu("cortex-m4")
    real = qemu_machine.QemuProcess

    def refuses(program: str, arguments: tuple[str, ...]) -> object:
        if "-plugin" in arguments:
            raise ToolError("qemu", 1, "-plugin: invalid option", hint="")
        return real(program, arguments)

    monkeypatch.setattr(qemu_machine, "QemuProcess", refuses)
    assert count(QemuMachine, "cortex-m4", LOOP, "loop7") == (LOOP_INSTRUCTIONS, None)


def test_a_program_that_is_no_qemu_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    false = tmp_path / "qemu-system-arm"
    false.write_text("#!/bin/sh\necho no such machine >&2\nexit 3\n")
    false.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(false) if "qemu" in name else None)
    with pytest.raises(ToolError, match=r"qemu failed \(exit code 3\)") as caught:
        QemuMachine(program("cortex-m4", LOOP), load_board("cortex-m4"))
    assert "no such machine" in caught.value.details


def test_an_image_beyond_the_machine_is_refused() -> None:
    need_qemu("cortex-m4")
    code = "uint8_t big[0x500000]; int main(void) { big[big[0]] = 1u; return 0; }"
    with pytest.raises(TargetError, match="4 MiB at 0x20000000") as caught:
        QemuMachine(program("cortex-m4", code), load_board("cortex-m4"))
    assert "--emulator unicorn" in caught.value.hint


def test_emulators_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    m4, m55 = load_board("cortex-m4"), load_board("cortex-m55")
    need_qemu("cortex-m4")
    assert find_emulator(m4).description.startswith("unicorn 2")
    assert find_emulator(m4, "qemu").description.startswith("QEMU ")
    assert find_emulator(m55).description.startswith("QEMU ")
    with pytest.raises(TargetError, match="unicorn has no core '' of that kind"):
        find_emulator(m55, "unicorn")
    with pytest.raises(UnknownNameError, match="unknown emulator 'qem'"):
        find_emulator(m4, "qem")
    nothing = replace(m4, emulator=replace(m4.emulator, qemu="mps9"))
    with pytest.raises(TargetError, match="machine 'mps9'"):
        find_emulator(nothing, "qemu")
    monkeypatch.setattr(table, "find_spec", lambda _name: None)
    assert find_emulator(m4).description.startswith("QEMU ")
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(TargetError, match="needs 'qemu-system-arm'") as caught:
        find_emulator(m55)
    assert "apt install qemu-system-arm" in caught.value.hint


def answered(*answers: bytes) -> tuple[Link, socket.socket]:
    ours, theirs = socket.socketpair()
    for answer in answers:
        theirs.sendall(answer)
    return Link(ours), theirs


def packet(text: str) -> bytes:
    return b"$%s#%02x" % (text.encode(), sum(text.encode()) & 0xFF)


@pytest.mark.parametrize(
    "reply",
    [b"$00#ff", b"x" * 70000, packet("zz"), packet("0011"), packet("E14")],
)
def test_damaged_answers_are_errors(reply: bytes) -> None:
    link, theirs = answered(packet("OK"), packet(""), packet("<xml>"))
    gdb = Gdb(link, time.monotonic() + 5)
    sender = threading.Thread(target=theirs.sendall, args=(reply,))
    sender.start()
    with pytest.raises(LinkError):
        gdb.read(0, 4, time.monotonic() + 5)
    link.close()
    sender.join()
    theirs.close()


def test_silence_is_a_timeout_and_a_closed_link_an_error() -> None:
    link, theirs = answered()
    with pytest.raises(TimeoutError):
        link.until(b"#", 2, time.monotonic() + 0.02)
    theirs.close()
    with pytest.raises(LinkError, match="closed"):
        link.until(b"#", 2, time.monotonic() + 5)


def test_qemu_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    need_qemu("cortex-m4")
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv")
    elf = program("cortex-m4", LOOP)
    code = (
        "import os, pickle, signal, sys\n"
        "from firmware_glue.device.board_file import load_board\n"
        "from firmware_glue.device.emulate.qemu_machine import QemuMachine\n"
        f"elf = pickle.load(open({str(tmp_path / 'elf')!r}, 'rb'))\n"
        "machine = QemuMachine(elf, load_board('cortex-m4'))\n"
        "print(machine._process._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    import pickle
    import sys

    (tmp_path / "elf").write_bytes(pickle.dumps(elf))
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"
