"""Threads share their heaps, where that can be said to the C library."""

import ctypes

import pytest

from edgecnn.cli import memory
from edgecnn.cli.memory import share_arenas


@pytest.mark.parametrize(("platform", "said", "asked"), [
    ("linux", None, 1), ("linux", "8", 0), ("darwin", None, 0), ("win32", None, 0),
])  # fmt: skip
def test_it_is_asked_for_on_linux_unless_the_environment_says_otherwise(
    platform: str, said: str | None, asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []

    class Library:
        def __init__(self, name: str | None) -> None:
            self.mallopt = lambda *given: calls.append(given)

    monkeypatch.setattr(memory.sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    if said is not None:
        monkeypatch.setenv("MALLOC_ARENA_MAX", said)
    share_arenas()
    assert len(calls) == asked


def test_a_c_library_without_it_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    share_arenas()
