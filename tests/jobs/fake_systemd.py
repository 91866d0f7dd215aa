"""A systemd that only remembers what it is told."""

from __future__ import annotations

from edgecnn.jobs.service_manager import Answer

ACTIVE = "ActiveState=active\nSubState=running\nMemoryCurrent=1048576\n"


class FakeSystemd:
    """Answers every call; ``refuses`` are words of those that fail."""

    def __init__(self, *refuses: str) -> None:
        self.refuses = refuses
        self.said: list[str] = []
        self.shows = ACTIVE

    def __call__(self, *words: str) -> Answer:
        line = " ".join(words)
        self.said.append(line)
        if any(word in words for word in self.refuses):
            return Answer(1, "", f"Failed: {line}")
        return Answer(0, self.shows if "show" in words else "", "")

    def did(self, *words: str) -> bool:
        return f"systemctl --user {' '.join(words)}" in self.said
