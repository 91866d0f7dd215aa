"""Progress bars with rich, on stderr; plain lines where stderr is no terminal."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

_PLAIN_INTERVAL_S = 60.0  # a log has stages, what is said, and now and then a sign of life


class RichProgress:
    """Implements :class:`edgecnn.core.progress.Progress`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: int | None = None
        self._name = ""
        self._done = 0
        self._total: int | None = None
        self._last = 0.0

    def __enter__(self) -> RichProgress:
        """Starts drawing."""
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description:<22}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=self._console,
            )
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops drawing; a stage that an error ended stays as it was."""
        if self._bar:
            if kind is None:
                self._complete()
            self._bar.stop()

    def _complete(self) -> None:
        """Fills the bar of a stage that did not say how long it is."""
        if self._bar and self._task is not None and self._total is None:
            done = max(1, self._done)
            self._bar.update(TaskID(self._task), total=done, completed=done)

    def stage(self, name: str, total: int | None = None) -> None:
        """Starts a stage."""
        self._complete()
        self._name, self._done, self._total, self._last = name, 0, total, time.monotonic()
        if self._bar:
            self._task = self._bar.add_task(name, total=total, note="")
        else:
            self._console.print(f"{name} …", markup=False)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Moves the stage on."""
        self._done += steps
        if self._bar and self._task is not None:
            self._bar.update(TaskID(self._task), advance=steps, note=note)
        elif time.monotonic() - self._last > _PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            of = f"/{self._total}" if self._total else ""
            self._console.print(
                f"  {self._name} {self._done}{of}  {note}", markup=False, soft_wrap=True
            )

    def say(self, line: str) -> None:
        """Prints one line that stays."""
        self._console.print(line, markup=False, soft_wrap=True)
