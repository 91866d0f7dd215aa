"""The dialogue of MLPerf Tiny's public runner, line by line, and what goes wrong in it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.firmware_glue.device.protocol.host_board import (
    INPUTS,
    STEPS,
    WATCHDOG,
    HostBoard,
    reference,
)

DB = sum(INPUTS)
DATA = bytes((i * 37 + 11) & 0xFF for i in range(DB))


def lines(reply: bytes) -> list[str]:
    """The lines of a reply, as the runner splits them: CR and NUL are thrown away."""
    assert reply.endswith(b"\r\n")
    return reply.decode("ascii").replace("\r", "").split("\n")[:-1]


def load(board: HostBoard, data: bytes = DATA, chunk: int = 31) -> list[str]:
    """Sends an input as the runner does; returns the lines of the last reply."""
    assert lines(board.ask(f"db load {len(data)}%")) == [
        f"m-[Expecting {len(data)} bytes]",
        "m-ready",
    ]
    for at in range(0, len(data), chunk):
        reply = lines(board.ask(f"db {data[at : at + chunk].hex()}%"))
        assert reply == ["m-ready"] or at + chunk >= len(data)
    return reply


def expected_results(data: bytes = DATA, run: int = 1) -> str:
    first, second = reference((data[: INPUTS[0]], data[INPUTS[0] :]), run)
    values = [((byte ^ 0x80) - 128 + 128) / 256 for byte in first] + [float(b) for b in second]
    return f"m-results-[{','.join(f'{value + 1e-9:.3f}' for value in values)}]"


def test_name_and_profile(board: HostBoard) -> None:
    assert lines(board.ask("name%")) == ["m-name-dut-[edgecnn testboard]", "m-ready"]
    expected = ["m-profile-[edgecnn 1.2.3]", "m-model-[kws01]", "m-ready"]
    assert lines(board.ask("profile%")) == expected


@pytest.mark.parametrize(
    ("cause", "name"), [(0, "unknown"), (1, "power"), (2, "pin"), (3, "software")]
)
def test_the_greeting_tells_the_reset(board: HostBoard, cause: int, name: str) -> None:
    board.boot(cause)
    greeting = lines(board.take())
    assert re.fullmatch(r"m-lap-us-\d+", greeting.pop(1))
    assert greeting == [
        "m-timestamp-mode-performance", f"m-reset-[{name}]", "m-init-done", "m-ready"
    ]  # fmt: skip
    assert board.settle() == b"", "never unasked later"


def test_infer(board: HostBoard) -> None:
    assert load(board) == ["m-load-done", "m-ready"]
    before = board.get("invocations")
    reply = lines(board.ask("infer 7 2%"))
    laps = [int(line.removeprefix("m-lap-us-")) for line in reply if line.startswith("m-lap-us-")]
    assert re.sub(r"m-lap-us-\d+", "m-lap-us", "\n".join(reply)).split("\n") == [
        "m-warmup-start-2", "m-warmup-done", "m-infer-start-7", "m-lap-us", "m-lap-us",
        "m-infer-done", expected_results(), "m-ready",
    ]  # fmt: skip
    assert board.get("invocations") - before == 7 + 2
    assert 7 * STEPS * 100 <= laps[1] - laps[0] <= 7 * STEPS * 100 * 1.2
    assert lines(board.ask("results%")) == [expected_results(), "m-ready"]


def test_defaults_and_arguments_of_infer(board: HostBoard) -> None:
    load(board)
    before = board.get("invocations")
    assert lines(board.ask("infer%"))[0] == "m-warmup-start-10"
    assert board.get("invocations") - before == 11
    for wrong in ("0", "x", "-1", "4294967296", "1.5"):
        assert lines(board.ask(f"infer {wrong}%")) == [
            "e-[Inference iterations must be >0]", "m-ready"
        ]  # fmt: skip
    assert lines(board.ask("infer 1 -1%")) == ["e-[Inference warmup must be >=0]", "m-ready"]


@pytest.mark.parametrize("chunk", [1, 26, 31, 200, DB])
def test_chunks_of_any_length(board: HostBoard, chunk: int) -> None:
    assert load(board, chunk=chunk) == ["m-load-done", "m-ready"]
    assert lines(board.ask("infer 1 0%"))[-2] == expected_results()


def test_digits_of_either_case_and_too_many(board: HostBoard) -> None:
    board.ask(f"db load {DB}%")
    board.ask(f"db {DATA[:-1].hex().upper()}%")
    assert lines(board.ask(f"db {DATA[-1:].hex()}ffffff%")) == ["m-load-done", "m-ready"]
    assert lines(board.ask("db ff%")) == ["m-ready"]
    assert lines(board.ask("infer 1 0%"))[-2] == expected_results()


def test_db_print(board: HostBoard) -> None:
    load(board)
    shown = lines(board.ask("db print%"))
    assert shown.pop() == "m-ready"
    assert all(re.fullmatch(r"m-buffer(-[0-9a-f]{2}){1,8}", line) for line in shown)
    digits = "".join(line.removeprefix("m-buffer").replace("-", "") for line in shown)
    assert bytes.fromhex(digits) == DATA


ERRORS = {
    "what%": "e-[Unknown command: what]",
    "na]me%": "e-[Unknown command: na?me]",
    "m-ready%": "e-[Unknown command: m?ready]",
    "db%": "e-[Command 'db' requires a subcommand]",
    "db load%": "e-[Command 'db load' requires the # of bytes]",
    "db load 0%": "e-[Command 'db load' must be >0 bytes]",
    "db load x%": "e-[Command 'db load' must be >0 bytes]",
    f"db load {DB + 1}%": f"e-[Supplied buffer size {DB + 1} exceeds maximum of {DB}]",
    "db abc%": "e-[Command 'db' with digits requires 'db load' before]",
    "db zz%": "e-[Invalid hex digit 'zz']",
    "infer 1 0%": f"e-[Input db has 0 bytes, expected {DB}]",
    "results%": "e-[No results: 'infer' comes first]",
    "x" * 100 + "%": "e-[Command too long]",
    "name\xff%": "e-[Bytes of the command were lost or damaged]",
}


@pytest.mark.parametrize("command", ERRORS)
def test_a_failed_command_says_why_and_ends_with_ready(board: HostBoard, command: str) -> None:
    assert lines(board.ask(command.encode("latin-1"))) == [ERRORS[command], "m-ready"]
    assert lines(board.ask("name%"))[-1] == "m-ready"


def test_wrong_digits_count_for_nothing(board: HostBoard) -> None:
    board.ask("db load 4%")
    assert lines(board.ask("db 00112%")) == ["e-[Insufficent number of hex digits]", "m-ready"]
    assert lines(board.ask("db 00g1zz%")) == ["e-[Invalid hex digit 'g1']", "m-ready"]
    assert lines(board.ask("db 0102%")) == ["m-ready"]
    assert lines(board.ask("db print%")) == ["m-buffer-01-02", "m-ready"]
    assert lines(board.ask("db 0304%")) == ["m-load-done", "m-ready"]
    assert lines(board.ask("infer%")) == [f"e-[Input db has 4 bytes, expected {DB}]", "m-ready"]


def test_terminals_and_empty_commands(board: HostBoard) -> None:
    assert lines(board.ask("\r\nname\r\n%")) == ["m-name-dut-[edgecnn testboard]", "m-ready"]
    assert lines(board.ask("%")) == ["m-ready"]
    assert lines(board.ask("  name  %"))[0] == "m-name-dut-[edgecnn testboard]"


def test_a_command_ends_the_inference_of_a_host_that_is_gone(board: HostBoard) -> None:
    load(board)
    board.feed(b"infer 4000000000 0%")
    for _ in range(2000):
        board.turn()
    board.take()
    assert lines(board.ask("name%")) == ["m-name-dut-[edgecnn testboard]", "m-ready"]
    assert lines(board.ask("results%"))[0].startswith("e-[No results")
    assert lines(board.ask("infer 1 0%"))[-2] == expected_results()


def test_streaming(board: HostBoard) -> None:
    assert lines(board.ask("stop%")) == ["Streaming is not started.", "m-ready"]
    assert lines(board.ask("start%"))[-1] == "m-ready"
    values = []
    for shift in range(6):
        data = bytes((byte + shift * 41) & 0xFF for byte in DATA)
        assert load(board, data) == ["m-load-done", "m-ready"]
        # The first bytes alone: a model that remembers is not reset between start and stop.
        values.append(float(expected_results(data)[len("m-results-[") :].split(",")[0]))
        assert lines(board.ask("results%"))[0].endswith(expected_results(data, shift + 1)[-40:])
    found = [round(value * 1000) for value in values if value >= 0.5]
    assert 0 < len(found) < 6
    stamps = lines(board.ask("print_detections%"))
    assert stamps[0] == "Detection Timestamps (ms)" and stamps[-1] == "m-ready"
    times = [int(re.fullmatch(r"(\d+),", line)[1]) for line in stamps[1:-1]]
    assert len(times) == len(found) + 1 and times == sorted(times)
    stopped = lines(board.ask("stop%"))
    assert stopped[:2] == ["Streaming stopped.", "target activations: "]
    assert stopped[2:] == [str(found), "m-ready"]


def test_the_step_that_hung_is_told_after_the_watchdog(board: HostBoard) -> None:
    load(board)
    board.set(hang_step=3)
    board.feed(b"infer 1 0%")
    while board.boots == 1:
        board.turn()
        board.library.host_wait(10_000)
    assert lines(board.take()[-100:])[-4:] == [
        "m-reset-[watchdog]", "e-[Step 3 of the model did not end]", "m-init-done", "m-ready"
    ]  # fmt: skip
    board.set(hang_step=0xFFFF)
    board.boot(WATCHDOG)
    assert b"Step" not in board.take(), "told once"


def test_a_model_that_fails(board: HostBoard) -> None:
    load(board)
    board.set(fail_step=2)
    assert lines(board.ask("infer 1 0%"))[-2:] == ["e-[The model failed]", "m-ready"]


def test_laps_go_on_after_32_bits(board: HostBoard) -> None:
    board.set(now=0xFFFFFF00)
    board.turn()
    first = int(lines(board.ask("timestamp%"))[0].removeprefix("m-lap-us-"))
    assert first > 1 << 32


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_any_bytes_are_survived(board_library: object, data: bytes) -> None:
    board = HostBoard(board_library)  # type: ignore[arg-type]
    board.boot()
    board.ask(data)
    board.ask("%")
    assert lines(board.ask("name%")) == ["m-name-dut-[edgecnn testboard]", "m-ready"]
