"""``flash`` as a whole: a board in QEMU that answers, and a probe that keeps what it is given."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from edgecnn.core.errors import TargetError
from edgecnn.jobs.emulate import EmulateRequest, emulate
from edgecnn.jobs.flash import FlashRequest, FlashResult, flash
from edgecnn.jobs.reference import ModelRef
from firmware_glue.device.board_file import load_board
from targets.base import RunOptions
from tests.builders import tiny_classifier
from tests.firmware_glue.device.flash.fake_probe import FakeProbe
from tests.firmware_glue.device.flash.recorded import PYOCD_DONE
from tests.firmware_glue.device.programs import need_program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake probe is a script")
BOARD = "microbit"
NOWHERE = "tcp://127.0.0.1:9"


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProbe:
    made = FakeProbe(tmp_path, monkeypatch)
    made.answers({"flash ": (PYOCD_DONE, 0)})
    made.flash(b"MicroPython", 1 << 18)
    return made


@pytest.fixture
def model(tmp_path: Path) -> ModelRef:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(tiny_classifier())
    return ModelRef("tflite", path)


@pytest.fixture
def answering() -> Iterator[Callable[[ModelRef], str]]:
    """Starts the board in QEMU with a model's program; where it answers."""
    need_program("qemu-system-arm")
    with ExitStack() as ended:

        def start(model: ModelRef) -> str:
            request = EmulateRequest(model, BOARD, RunOptions(), port=0)
            return ended.enter_context(emulate(request)).device

        yield start


def flashed(model: ModelRef, device: str, request: FlashRequest | None = None) -> FlashResult:
    options = RunOptions(device=device)
    return flash(model, BOARD, options, request or FlashRequest("pyocd"), variant=None)


def test_our_program_is_replaced_and_the_board_has_the_hash(
    probe: FakeProbe, model: ModelRef, answering: Callable[[ModelRef], str]
) -> None:
    """The board says that its program is ours; its hash is of the very image that was written."""
    result = flashed(model, answering(model))
    assert result.verified
    assert result.to_json()["schema"] == "edgecnn.flash/1"
    held = (probe.state / "flash.bin").read_bytes()
    assert hashlib.sha256(held[: result.bytes]).hexdigest() == result.hash
    assert [call["arguments"][0] for call in probe.calls()] == ["flash", "commander"]


@pytest.mark.long
def test_a_board_that_runs_another_program_afterwards(
    probe: FakeProbe, model: ModelRef, answering: Callable[[ModelRef], str], tmp_path: Path
) -> None:
    other = replace(model, path=tmp_path / "other.tflite")
    other.path.write_bytes(tiny_classifier(seed=1))
    with pytest.raises(TargetError, match="the board's flash has the hash"):
        flashed(model, answering(other))


def test_someone_elses_program_stays(probe: FakeProbe, model: ModelRef) -> None:
    before = (probe.state / "flash.bin").read_bytes()
    with pytest.raises(TargetError) as caught:
        flashed(model, NOWHERE)
    assert caught.value.message == "the board holds a program that is not edgecnn's"
    assert "--force" in caught.value.hint
    assert (probe.state / "flash.bin").read_bytes() == before
    assert [call["arguments"][0] for call in probe.calls()] == ["commander"]


@pytest.mark.long
def test_a_dry_run_calls_nothing(probe: FakeProbe, model: ModelRef) -> None:
    result = flashed(model, NOWHERE, FlashRequest("pyocd", dry_run=True))
    assert result.verified is False
    assert result.command[:2] == ("pyocd", "flash")
    assert "read" in result.steps[-1]
    assert probe.calls() == []


def test_another_board_on_the_line_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program is ours, but it was made for another board."""
    from contextlib import nullcontext
    from types import SimpleNamespace

    from edgecnn.jobs import flash as job

    client = SimpleNamespace(hello=lambda: SimpleNamespace(board="pico"))
    reached = SimpleNamespace(client=client, description="/dev/ttyACM0")
    monkeypatch.setattr(job, "real_board", lambda board, line: nullcontext(reached))
    with pytest.raises(TargetError, match="says that it is a 'pico', not a 'microbit'") as error:
        job._require_ours(load_board("microbit"), None)
    assert "-t pico" in error.value.hint
    job._require_ours(load_board("pico"), None)
