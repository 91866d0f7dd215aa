"""The status line of ``edgecnn detect`` on a terminal."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING

from edgecnn.cli.streams import shown, tell_people

if TYPE_CHECKING:
    from edgecnn.camera.result import FrameResult

_BETWEEN = " | "
_EVERY_S = 0.2


class StatusLine:
    """One line on stderr, redrawn at most five times a second; any thread may call it.

    Cameras with names share the terminal's width, in the order in which they gave their first
    frames.
    """

    def __init__(self) -> None:
        self._last_s = 0.0
        self._newest: dict[str | None, FrameResult] = {}
        self._lock = threading.Lock()

    def __call__(self, result: FrameResult) -> None:
        """Shows the newest frame's result, beside those of the other cameras."""
        now_s = time.monotonic()
        with self._lock:
            self._newest[result.camera] = result
            if now_s - self._last_s < _EVERY_S:
                return
            self._last_s = now_s
            newest = list(self._newest.values())
        tell_people(f"\r{status_text(newest, shutil.get_terminal_size().columns)}", nl=False)


def status_text(newest: list[FrameResult], columns: int) -> str:
    """What the line says.

    Args:
        newest: of each camera, its last frame's result.
        columns: of the terminal; what a camera without a name says takes its own width.
    """
    if newest[0].camera is None:
        result = newest[0]
        return f"frame {result.frame}  age {result.age_ms:.0f} ms  {_labels(result):<40.40}"
    # The last column stays free: some terminals go on in the next line as soon as it is taken.
    share = (columns - 1 - len(_BETWEEN) * (len(newest) - 1)) // len(newest)
    texts = [f"{one.camera}: {one.age_ms:.0f} ms  {_labels(one)}" for one in newest]
    return _BETWEEN.join(f"{text:<{max(share, 1)}.{max(share, 1)}}" for text in texts)


def _labels(result: FrameResult) -> str:
    return shown(", ".join(item.label for item in result.items[:8]))
