"""A classifier of colours that needs one input convention, and pictures for it; no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from edgecnn.core.conventions import Convention
from edgecnn.core.preprocess import Colour
from edgecnn.core.sample import Sample
from tests.builders import ModelBuilder

SIDE = 8
# Red, green, blue; no two are each other's mirror.
CENTRES = np.array(
    [
        [200, 60, 40], [60, 190, 70], [50, 80, 210], [220, 200, 60],
        [120, 40, 150], [90, 100, 95], [180, 185, 190], [30, 25, 35],
    ],
    np.float64,
)  # fmt: skip
CLASSES = tuple(f"colour{k}" for k in range(len(CENTRES)))


def colour_model(
    convention: Convention, colour: Colour = "rgb", *, first: tuple[str, float] | None = None
) -> bytes:
    """Nearest centre of the mean colour, for images given by ``convention`` in order ``colour``.

    Args:
        convention: what the classifier itself takes.
        colour: its order of channels.
        first: an op before everything, with its constant: the model then takes other values.
    """
    ends = np.array(convention.ends() if len(convention.ends()) == 3 else convention.ends() * 3)
    scale, offset = (ends[:, 1] - ends[:, 0]) / 255, ends[:, 0]
    # The scores 2c·byte − |c|², in terms of what the model is given.
    weights = 2 * CENTRES / scale
    bias = -(2 * CENTRES * offset / scale).sum(axis=1) - (CENTRES**2).sum(axis=1)
    if colour == "bgr":
        weights = weights[:, ::-1]
    build = ModelBuilder()
    x = start = build.tensor((1, SIDE, SIDE, 3), "float32", name="image")
    if first is not None:
        code, value = first
        x = build.tensor((1, SIDE, SIDE, 3), "float32", name="scaled")
        build.op(code, [start, build.tensor((), "float32", data=value, name="constant")], [x])
    axes = build.tensor((2,), "int32", data=np.array([1, 2], np.int32), name="axes")
    mean = build.tensor((1, 3), "float32", name="mean")
    build.op("MEAN", [x, axes], [mean])
    w = build.tensor(weights.shape, "float32", data=weights.astype(np.float32), name="w")
    b = build.tensor(bias.shape, "float32", data=bias.astype(np.float32), name="b")
    y = build.tensor((1, len(CENTRES)), "float32", name="scores")
    build.op("FULLY_CONNECTED", [mean, w, b], [y])
    return build.build([start], [y])


def picture(label: int, number: int) -> np.ndarray:
    """BGR pixels (8, 8, 3) around a class's colour; some stray near other classes."""
    rng = np.random.default_rng((label, number))
    pixels = CENTRES[label] + rng.normal(0, 14, 3) + rng.normal(0, 20, (SIDE, SIDE, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)[..., ::-1]


@dataclass(frozen=True)
class Pictures:
    """``each`` pictures a class; implements :class:`edgecnn.core.sample.Dataset`.

    Attributes:
        labelled: whether the pictures have labels.
        turn: classes are numbered so much further than the model numbers them.
    """

    each: int = 30
    labelled: bool = True
    turn: int = 0
    task: str = "classify"
    skipped: tuple[str, ...] = ()
    ids: tuple[str, ...] = field(default=())

    @property
    def labels(self) -> tuple[str, ...]:
        return CLASSES if self.labelled else ()

    @property
    def targets(self) -> list[int]:
        return [self[k].label or 0 for k in range(len(self))] if self.labelled else []

    def __len__(self) -> int:
        return self.each * len(CENTRES)

    def __getitem__(self, index: int) -> Sample:
        label = index % len(CENTRES)
        said = (label + self.turn) % len(CENTRES) if self.labelled else None
        return Sample(f"{index}", picture(label, index // len(CENTRES)), said)


def write_pictures(folder: Path, each: int = 30, *, start: int = 0) -> Path:
    """The same as PNG files, in a folder per class; numbered from ``start``."""
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(start, start + each):
            cv2.imwrite(str(folder / name / f"{number}.png"), picture(label, number))
    return folder
