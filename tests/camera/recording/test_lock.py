"""Two processes do not record into one folder; a crash locks nobody out."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from edgecnn.camera.recording.lock import FolderLock
from edgecnn.core.errors import UsageError
from tests.run import python

HOLD = """
import os, sys, pathlib
from edgecnn.camera.recording.lock import FolderLock
lock = FolderLock(pathlib.Path(sys.argv[1]))
os._exit(0) if sys.argv[2] == "crash" else lock.release()
"""


def test_a_second_recorder_of_a_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(UsageError, match="another process records into") as refused:
        FolderLock(tmp_path)
    assert "its own folder" in refused.value.hint
    result = python("-c", HOLD, str(tmp_path), "end")
    assert "another process records into" in result.stderr
    first.release()
    first.release()
    assert list(tmp_path.iterdir()) == []
    FolderLock(tmp_path).release()


def test_what_a_crash_leaves_locks_nobody_out(tmp_path: Path) -> None:
    assert python("-c", HOLD, str(tmp_path), "crash").returncode == 0
    assert len(list(tmp_path.iterdir())) == 1
    FolderLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_is_taken_again(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    next(tmp_path.iterdir()).unlink()
    lock.hold()
    with pytest.raises(UsageError):
        FolderLock(tmp_path)
    lock.release()


def test_releasing_does_not_remove_the_lock_of_another(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    next(tmp_path.iterdir()).unlink()
    second = FolderLock(tmp_path)
    first.release()
    with pytest.raises(UsageError):
        FolderLock(tmp_path)
    second.release()


def test_a_file_system_without_locks_is_recorded_into_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*given: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", none)
    FolderLock(tmp_path).release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_became_a_file_is_released_and_not_taken_again(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    lock = FolderLock(folder)
    next(folder.iterdir()).unlink()
    folder.rmdir()
    folder.write_text("mine")
    with pytest.raises(NotADirectoryError):
        lock.hold()
    lock.release()
    assert folder.read_text() == "mine"
