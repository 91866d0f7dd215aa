"""From a model to a board that computes it: edgecnn run and emulate, as a user types them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import TargetError
from edgecnn.core.reference import best_reference
from firmware_glue.compiler.api import CompiledModel
from firmware_glue.device.board import BOARDS
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.board import start_board
from tests.builders import tiny_classifier
from tests.run import ROOT, in_process, shared
from tests.share import long_but_for

EMULATED = tuple(name for name in BOARDS if load_board(name).emulation is not None)
KWS = "models/mlperf_tiny/kws_ref_model.tflite"


def need_emulator(name: str) -> None:
    """Skips where the board's emulator is missing; CI installs it."""
    try:
        start_board(load_board(name), b"").close()
    except TargetError as error:
        if "install" in error.hint:
            pytest.skip(error.message)


def run(*arguments: str | Path) -> tuple[int, dict, str]:
    done = in_process("run", *arguments, "--json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "tiny.tflite"
    file.write_bytes(tiny_classifier())
    return file


def passed(said: dict, name: str) -> None:
    assert [step["name"] for step in said["steps"]] == [
        "compile", "fits", "link", "emulate", "golden", "bench",
    ]  # fmt: skip
    assert all(step["passed"] for step in said["steps"])
    assert said["emulated"] and said["device"] == f"emulator:{name}"
    assert said["golden"]["replayed"] and said["golden"]["max_diff_lsb"] == 0
    bench, measured = said["bench"], said["fits"]["measured"]
    assert bench["bit_exact"] and bench["unit"] in ("instructions", "cycles")
    assert measured["total_bytes"] <= said["fits"]["ram"]["total_bytes"]
    assert 100 < measured["stack_bytes"] < said["fits"]["ram"]["stack_bytes"]


@pytest.mark.parametrize("name", long_but_for([*EMULATED], "microbit", "pico", "riscv-virt"))
def test_an_emulated_board_computes_the_model(name: str, tiny: Path) -> None:
    need_emulator(name)
    code, said, err = run(tiny, "-t", name, "--emulate")
    assert code == 0, err
    passed(said, name)


@pytest.mark.long
@pytest.mark.parametrize("name", EMULATED)
def test_the_keyword_model_runs_everywhere(name: str) -> None:
    need_emulator(name)
    code, said, err = run(shared() / KWS, "-t", name, "--emulate")
    assert code == 0, err
    passed(said, name)
    if said["bench"]["unit"] == "instructions":
        # Counted by another emulator on the bare core, one by one.
        done = in_process("bench", shared() / KWS, "-t", name, "--json")
        counted = json.loads(done.stdout)["instructions"]
        assert abs(said["bench"]["instructions"] - counted) < 0.01 * counted + 2000


def test_a_wrong_result_fails_the_run(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits of the weights are changed in the C: golden has to notice."""
    need_emulator("mps2-an386")
    from targets.mcu import make as maker

    original = maker.compile_model

    def spoilt(*arguments: object, **options: object) -> CompiledModel:
        from dataclasses import replace

        made = original(*arguments, **options)  # type: ignore[arg-type]
        name = f"{made.name}_weights.c"
        body = re.search(r"_weights\[\d+\] EC_WEIGHTS = \{(.*?)\}", made.files[name], re.S)
        assert body
        flipped = re.sub(r"-?\d+", lambda n: str(int(n[0]) ^ 0x00300030), body[1])
        text = made.files[name].replace(body[1], flipped)
        return replace(made, files={**made.files, name: text})

    monkeypatch.setattr(maker, "compile_model", spoilt)
    code, said, err = run(tiny, "-t", "mps2-an386", "--emulate")
    assert code == 1
    assert said["steps"][-1]["name"] == "golden" and not said["steps"][-1]["passed"]
    assert said["bench"] is None and "LSB" in said["failed"]


def test_what_does_not_fit_is_refused_before_anything_is_flashed(tmp_path: Path) -> None:
    from importlib.resources import files

    text = (files("firmware_glue.device") / "boards" / "microbit.toml").read_text()
    (tmp_path / "small.toml").write_text(
        re.sub(r"(?m)^flash_bytes = .*$", "flash_bytes = 8192", text)
    )
    (tmp_path / "tiny.tflite").write_bytes(tiny_classifier())
    own = ("--board-file", tmp_path / "small.toml", "--optimize", "size")
    code, said, err = run(tmp_path / "tiny.tflite", *own)
    assert code == 1 and said["fits"]["fits"] is False
    assert [step["name"] for step in said["steps"]] == ["compile", "fits"]
    assert re.search(r"flash: [\d,]+ bytes needed, 8,192 there, [\d,]+ too many", err)


def test_run_on_the_host_is_golden_and_bench(tiny: Path) -> None:
    code, said, err = run(tiny, "-t", "host", "--runs", "3")
    assert code == 0, err
    assert [step["name"] for step in said["steps"]] == ["golden", "bench"]
    assert said["fits"] is None and said["bench"]["unit"] == "ms" and not said["emulated"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("-t", "pi5"), 1, "edgecnn deploy"),
        (("-t", "host", "--emulate"), 2, "--emulate is for boards"),
        (("-t", "pico", "--emulate", "--logs"), 2, "--logs follows a real board's line"),
        (("-t", "pico2", "--emulate"), 2, "no emulator is known"),
        (("-t", "nucleo-f446re", "-d", "user@host"), 2, "over a serial line"),
        (("-t", "nucleo-f446re", "-d", "local"), 2, "over a serial line"),
        (("-t", "nucleo-f446re", "-d", "/dev/ttyEDGECNN9", "--force"), 1, "hint: "),
        (("-t", "esp32-s3"), 1, "edgecnn export --format esp-idf"),
        ((), 2, "no target was given"),
    ],
)
def test_what_cannot_be_run_says_so(
    arguments: tuple[str, ...], code: int, says: str, tiny: Path
) -> None:
    done = in_process("run", tiny, *arguments)
    assert done.returncode == code
    assert says in done.stderr and done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr


class Client:
    """Speaks the text commands, as docs/protocol.md describes them."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("tcp://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._held = b""

    def ask(self, command: str) -> list[str]:
        self._socket.sendall(command.encode() + b"%")
        lines = []
        while "m-ready" not in lines:
            while b"\n" not in self._held:
                self._held += self._socket.recv(4096)
            line, self._held = self._held.split(b"\n", 1)
            lines.append(line.decode("ascii").strip("\r"))
        return lines[:-1]

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("name", long_but_for([*EMULATED], "mps2-an386"))
def test_an_emulated_board_serves_clients_that_come_and_go(name: str, tmp_path: Path) -> None:
    """As MLPerf Tiny's runner does: name and profile, away, and again for the inferences.

    SIGTERM ends it like Ctrl-C: a shell's background jobs do not hear the latter.
    """
    need_emulator(name)
    model = shared() / KWS
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecnn", "emulate", model, "-t", name, "--port", "0", "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        # A shell's background job, as these tests may be, hands down that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            text += line
        device = json.loads(text)["device"]
        first = Client(device)
        assert first.ask("name") == [f"m-name-dut-[edgecnn {name}]"]
        assert "m-model-[kws01]" in first.ask("profile")
        first.close()
        second = Client(device)
        reference, _ = best_reference(model.read_bytes())
        info = reference.outputs[0]
        data = np.random.default_rng(1).integers(-128, 128, 490).astype(np.int8)
        assert second.ask("db load 490") == ["m-[Expecting 490 bytes]"]
        for at in range(0, 490, 31):
            said = second.ask("db " + data[at : at + 31].tobytes().hex())
        assert said == ["m-load-done"]
        lines = second.ask("infer 2 1")
        results = next(line for line in lines if line.startswith("m-results-["))
        values = [float(part) for part in results[11:-1].split(",")]
        given = {reference.inputs[0].name: data.reshape(reference.inputs[0].shape)}
        raw = reference.predict(given)[info.name].reshape(-1).astype(float)
        assert info.scale is not None
        wanted = (raw - info.zero_point) * info.scale
        assert np.abs(np.array(values) - wanted).max() < 1e-3
        second.close()
    finally:
        process.send_signal(signal.SIGINT if name == "pico" else signal.SIGTERM)
        assert process.wait(20) == 0
    assert not list(tmp_path.iterdir())
