"""Where the page is served, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PageConfig:
    """What ``--serve`` asks for.

    Attributes:
        host: a name or address of this machine to listen on.
        port: 0: any that is free.
        asked: whether it was asked for; otherwise it is a convenience, and the loop runs without it
            where it cannot be had.
        token: what viewers have to know where others can connect; None: one is made.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    asked: bool = True
    token: str | None = field(default=None, repr=False)
