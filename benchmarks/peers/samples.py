"""Calibration samples for our own scripts: an .npz, or scenes drawn as they are asked for."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Samples = Iterator[dict[str, Any]]


def samples_of(calibration: str) -> tuple[int, Callable[[], Samples]]:
    """How many samples there are, and what starts a pass over them."""
    if calibration.startswith("scenes:"):
        number = int(calibration.partition(":")[2])
        return number, lambda: _scenes(number)
    with np.load(calibration) as file:
        arrays = {name: file[name] for name in file.files}
    count = len(next(iter(arrays.values())))
    return count, lambda: (
        {name: array[at : at + 1] for name, array in arrays.items()} for at in range(count)
    )


def _scenes(count: int) -> Samples:
    from edgecnn.data.scenes import open_scenes

    scenes = open_scenes("train", 1, count=count)
    for index in range(count):
        image = np.resize(scenes[index].image, (1, scenes.size, scenes.size, 3))
        yield {"image": (image / 127.5 - 1).astype(np.float32)}
