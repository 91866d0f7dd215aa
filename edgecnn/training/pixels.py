"""A data set's images as the model sees them: resized once, kept as bytes, scaled per batch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.progress import Progress
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Dataset

MAX_CACHE_BYTES = 2 << 30
_THREADS = 4
_CHUNK = 256


class Pixels:
    """Images of ``dataset`` after crop, resize and colour of ``spec``, by index.

    Held in memory where they fit into 2 GiB, else decoded each time.
    """

    def __init__(self, dataset: Dataset, spec: ImageInput, progress: Progress) -> None:
        self._dataset = dataset
        self._spec = spec
        self._cache: NDArray[np.uint8] | None = None
        self.shape = (spec.height, spec.width, spec.channels)
        info = TensorInfo(spec.name, (1, *self.shape), "float32")
        self._table: NDArray[np.float32] = np.ascontiguousarray(table(spec, info).T)
        count = len(dataset)
        if count * spec.height * spec.width * spec.channels <= MAX_CACHE_BYTES:
            self._cache = self._read_all(progress)

    def __len__(self) -> int:
        """How many images."""
        return len(self._dataset)

    def bytes(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """uint8 (n, height, width, channels); not to be written to."""
        if self._cache is not None:
            return self._cache[np.asarray(indices, np.int64)]
        return np.stack([self._read(int(index)) for index in indices])

    def scale(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The real values that the model takes: the spec's table, per channel."""
        if (self._table == self._table[0]).all():
            return self._table[0][images]
        planes = [self._table[c][images[..., c]] for c in range(self.shape[2])]
        return np.stack(planes, axis=-1)

    def _read(self, index: int) -> NDArray[np.uint8]:
        from edgecnn.core.imaging import resize_to_spec

        return resize_to_spec(self._spec, self._dataset[index].image)[0]

    def _read_all(self, progress: Progress) -> NDArray[np.uint8]:
        count = len(self._dataset)
        out = np.empty((count, *self.shape), np.uint8)
        progress.stage("read images", count)
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, count, _CHUNK):
                chunk = range(start, min(count, start + _CHUNK))
                for index, image in zip(chunk, pool.map(self._read, chunk), strict=True):
                    out[index] = image
                progress.advance(len(chunk))
        out.setflags(write=False)
        return out


def labels_of(dataset: Dataset) -> NDArray[np.int64]:
    """(n,) the class of every image; without decoding where the data set can."""
    known = getattr(dataset, "targets", None)
    values = known if known is not None else [dataset[i].label for i in range(len(dataset))]
    return np.asarray(values, np.int64)
