"""Several splits of one source as one data set: more images, so narrower intervals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from edgecnn.core.sample import Dataset, Sample


@dataclass(frozen=True)
class JoinedSet:
    """Data sets with the same classes, one after the other.

    Attributes:
        parts: one or more.
    """

    parts: tuple[Dataset, ...]

    @property
    def task(self) -> str:
        """``classify`` or ``detect``."""
        return self.parts[0].task

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names."""
        return self.parts[0].labels

    @property
    def ids(self) -> Sequence[str]:
        """Every sample's id, in order."""
        return [name for part in self.parts for name in part.ids]

    @property
    def skipped(self) -> Sequence[str]:
        """Files that could not be read."""
        return [*dict.fromkeys(name for part in self.parts for name in part.skipped)]

    def __len__(self) -> int:
        """How many samples."""
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> Sample:
        """The sample at ``index``; IndexError past the end."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        starts = [0, *accumulate(len(part) for part in self.parts)]
        place = bisect_right(starts, index) - 1
        return self.parts[place][index - starts[place]]
