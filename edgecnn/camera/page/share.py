"""How much of the machine the page may take: what the loop leaves, and little where that is all."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from edgecnn.camera.bound import usable_cores

_STAT = Path("/proc/stat")
#: Of one core at most, and of every core where the loop would use all of them.
_MOST, _LEAST_EACH = 0.2, 0.02
#: So many cores are left idle before more is taken, and how fast that is followed.
_LEFT_CORES, _STEP = 0.25, 0.3


class Share:
    """The encoders' share of one core's time, by what is idle.

    A loop that reads a file, or whose model is slower than its camera, uses every core there is:
    what the page takes then is missing there. Elsewhere cores are idle, and nothing is lost.

    Args:
        stat: where the system counts its cores' time (tests pass a file).
    """

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat, self._cores = stat, usable_cores()
        self._before = self._times()
        self.value = self._least

    def step(self) -> None:
        """Follows what was idle since the last step; to be called about once a second."""
        busy, idle = self._times()
        spent, free = busy - self._before[0], idle - self._before[1]
        self._before = busy, idle
        if spent + free > 0:
            idle_cores = self._cores * free / (spent + free)
            wanted = self.value + _STEP * (idle_cores - _LEFT_CORES)
            self.value = min(max(wanted, self._least), _MOST)

    @property
    def ample(self) -> bool:
        """Whether cores are idle beside the loop."""
        return self.value >= 2 * self._least

    @property
    def _least(self) -> float:
        return min(_LEAST_EACH * self._cores, _MOST)

    def _times(self) -> tuple[float, float]:
        """Busy and idle time of all cores up to now, in any unit.

        Where the system does not tell, this process is taken for all that runs.
        """
        with suppress(OSError, ValueError, IndexError):
            line = self._stat.read_text(encoding="ascii", errors="replace").partition("\n")[0]
            fields = [int(text) for text in line.split()[1:9]]
            idle = fields[3] + fields[4]
            return float(sum(fields) - idle), float(idle)
        busy = time.process_time()
        return busy, max(self._cores * time.monotonic() - busy, 0.0)
