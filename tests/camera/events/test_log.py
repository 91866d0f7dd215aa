import errno
import json
import os
import sys
from pathlib import Path

import pytest

from edgecnn.camera.clock import Instant
from edgecnn.camera.events.event import Event
from edgecnn.camera.events.log import EventLog, open_log
from edgecnn.camera.events.log_file import LogFile
from edgecnn.camera.notices import Notices
from edgecnn.core.errors import UsageError

LINE = "x" * 60 + "\n"


def event(number: int, kind: str = "appeared") -> Event:
    return Event(number, kind, Instant(1.0, 2.0), "camera 0")


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["number"] for line in path.read_text().splitlines()]


def test_a_line_that_a_crash_left_torn_is_ended_first(tmp_path: Path) -> None:
    path, notices = tmp_path / "e.jsonl", Notices()
    path.write_text('{"number": 1}\n{"numb')
    log = open_log(path, notices)
    assert [notice.kind for notice in notices.take()] == ["log_repaired"]
    assert path.read_text().endswith('{"numb')  # nothing is written before there is an event
    log.tell(event(2))
    log.finish()
    whole, torn, added = path.read_text().splitlines()
    assert (whole, torn) == ('{"number": 1}', '{"numb') and json.loads(added)["number"] == 2
    open_log(path, notices).finish()
    assert notices.take() == ()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed there")
def test_a_file_that_is_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "e.jsonl"
    log = open_log(path, Notices())
    log.tell(event(1))
    path.rename(tmp_path / "old")
    log.tell(event(2))
    log.tell(event(3))
    path.write_text("")  # logrotate's copytruncate
    log.tell(event(4))
    assert (numbers(tmp_path / "old"), numbers(path)) == ([1], [4])
    path.unlink()
    path.parent.rmdir()
    log.tell(event(5))
    log.finish()
    log.finish()
    assert numbers(path) == [5]
    assert log.summary() == {"events": {"appeared": 5, "left": 0, "logged": 5, "log_dropped": 0}}


def test_a_full_disk_costs_events_that_are_counted_and_said_once() -> None:
    class Disk:
        full = False
        lines: list[str] = []

        def append(self, line: str) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.lines.append(line)

        def close(self) -> None:
            pass

    disk, notices = Disk(), Notices()
    log = EventLog(disk, "the event log 'e'", notices)
    for number in range(9):
        disk.full = 2 <= number < 6
        log.tell(event(number, "left"))
    failing, resumed = notices.take()
    assert failing.kind == "delivery_failing" and "No space left on device" in failing.text
    assert resumed.kind == "delivery_resumed" and "4 events were dropped" in resumed.text
    assert [json.loads(line)["number"] for line in disk.lines] == [0, 1, 6, 7, 8]
    assert log.summary() == {"events": {"appeared": 0, "left": 9, "logged": 5, "log_dropped": 4}}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of a process")
def test_no_half_line_stays_where_space_ended_within_it(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "e.jsonl"
    file = LogFile(path)
    file.append(LINE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINE) + 20, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            file.append(LINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_text() == LINE
    file.append(LINE)
    file.close()
    assert path.read_text() == LINE * 2


def test_a_half_line_that_cannot_be_taken_back_is_ended(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "e.jsonl"
    file = LogFile(path)
    real = os.write
    answers = iter([lambda fd, data: real(fd, data[:20]), _no_space])
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda fd, data: next(answers)(fd, data))
        patched.setattr(os, "ftruncate", _no_space)
        with pytest.raises(OSError, match="No space"):
            file.append(LINE)
    file.append("{}\n")
    file.close()
    assert path.read_text() == LINE[:20] + "\n{}\n"


def _no_space(*arguments: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux's full device")
def test_a_device_without_space_is_no_end() -> None:
    notices = Notices()
    log = open_log(Path("/dev/full"), notices)
    log.tell(event(1))
    log.finish()
    assert [notice.kind for notice in notices.take()] == ["delivery_failing"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="is no file"):
        open_log(tmp_path / "pipe", Notices())
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to the event log"):
        open_log(tmp_path / "file" / "e.jsonl", Notices())


def test_a_reader_of_standard_output_that_goes_away_ends_the_loop(monkeypatch) -> None:
    log = open_log(Path("-"), Notices())

    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    log.tell(event(1))  # outside of a frame: the next frame ends the loop

    class FrameWithoutEvents:
        events = ()

    with pytest.raises(BrokenPipeError):
        log.put(FrameWithoutEvents())
    log.finish()
