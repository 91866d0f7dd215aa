"""When frames were done, and what a loop's rate and CPU time follow from. Standard library only."""

import time


class Stamps:
    """The clocks, of the wall and of the process's CPU, behind each frame."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []

    def add(self) -> None:
        """A frame is done."""
        self._seen.append((time.perf_counter(), time.process_time()))

    def figures(self, skipped: int) -> dict[str, float]:
        """Frames per second, and milliseconds of wall and CPU time for one.

        Args:
            skipped: frames at the start that do not count; the clocks start behind them.
        """
        kept = self._seen[skipped:]
        frames = len(kept) - 1
        if frames < 1:
            raise ValueError(f"{len(self._seen)} frames, more than {skipped + 1} are needed")
        wall, cpu = (last - first for first, last in zip(kept[0], kept[-1], strict=True))
        return {
            "frames": frames,
            "fps": frames / wall,
            "wall_ms": wall * 1e3 / frames,
            "cpu_ms": cpu * 1e3 / frames,
        }
