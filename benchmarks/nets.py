"""The nets that the quantization benchmark judges: how each is built and trained, once.

``python -m benchmarks.retrain NAME …`` makes ``weights/<name>.keras`` and ``weights/<name>.json``
(command, seed, data hash, log) again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent / "weights"
CIFAR10 = "data/cifar10/cifar10_jpeg.tar.xz"
SPOKEN_DIGITS = "data/spoken_digits/recordings.tar.xz"


@dataclass(frozen=True)
class Net:
    """One row.

    Attributes:
        name: of the weights' files.
        title: as tables print it.
        model: row of the zoo; ``audio`` is the benchmark's own 1-D net.
        data: path below the shared folder, or a built-in source.
        epochs, batch_size, learning_rate: of the training.
        options: of the zoo's builder.
        size: input (height, width, channels).
    """

    name: str
    title: str
    model: str
    data: str
    epochs: int
    batch_size: int = 64
    learning_rate: float = 3e-3
    options: Mapping[str, Any] = field(default_factory=dict)
    size: tuple[int, int, int] = (32, 32, 3)
    seed: int = 1

    @property
    def file(self) -> Path:
        """The trained model."""
        return WEIGHTS / f"{self.name}.keras"

    @property
    def log(self) -> Path:
        """How it was trained, and what came out."""
        return WEIGHTS / f"{self.name}.json"


# A 32 × 32 image stands four halvings at most; widths are what CPU minutes allow.
NETS = (
    Net("mobilenet_v2", "MobileNetV2 ×0.5", "mobilenet_v2", CIFAR10, 8,
        options={"width": 0.5, "halvings": 4, "dropout": 0.0}),
    Net("mobilenet_v3_small", "MobileNetV3-small", "mobilenet_v3_small", CIFAR10, 18,
        options={"halvings": 4, "dropout": 0.0}),
    Net("resnet8", "ResNet-8", "resnet8", CIFAR10, 8),
    Net("efficientnet_lite0", "EfficientNet-Lite0 ×0.5", "efficientnet_lite0", CIFAR10, 4,
        options={"width": 0.5, "halvings": 4, "dropout": 0.0}),
    Net("mobilenet_v1_025", "MobileNetV1 ×0.25", "mobilenet_v1_025", CIFAR10, 5,
        options={"halvings": 3, "dropout": 0.0}),
    Net("detector", "detector", "detector", "scenes", 8, 32, 0.02, size=(96, 96, 3)),
    Net("audio", "1-D audio CNN", "audio", SPOKEN_DIGITS, 45, 32, 3e-3, size=(8000, 1, 1)),
)  # fmt: skip


def net(name: str) -> Net:
    """The row of ``name``; KeyError where there is none."""
    return {row.name: row for row in NETS}[name]
