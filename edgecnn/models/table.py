"""The zoo: an explicit row per model, its builder imported on use."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.core.errors import UnknownNameError, UsageError


@dataclass(frozen=True)
class ModelInfo:
    """One row.

    Attributes:
        name: what the user types.
        task: ``classify`` or ``detect``.
        summary: one line for the list.
        size: default (height, width).
        channels: default channels: 1 gray, 3 colour.
        builder: ``module:function``, called with (input_shape, classes, **options).
        defaults: options that this row sets.
    """

    name: str
    task: Literal["classify", "detect"]
    summary: str
    size: tuple[int, int]
    channels: int
    builder: str
    defaults: tuple[tuple[str, float], ...] = ()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The default (height, width, channels)."""
        return (*self.size, self.channels)


_MODELS = (
    ModelInfo(
        "resnet8",
        "classify",
        "78 k parameters; MLPerf Tiny's image classifier, for microcontrollers",
        (32, 32),
        3,
        "edgecnn.models.resnet8:build",
    ),
    ModelInfo(
        "mobilenet_v1_025",
        "classify",
        "0.2 M parameters at width 0.25: MLPerf Tiny's person detector",
        (96, 96),
        3,
        "edgecnn.models.mobilenet_v1:build",
        (("width", 0.25),),
    ),
    ModelInfo(
        "mobilenet_v1",
        "classify",
        "3.2 M parameters at width 1.0; plain chain, runs on everything",
        (224, 224),
        3,
        "edgecnn.models.mobilenet_v1:build",
    ),
    ModelInfo(
        "mobilenet_v2",
        "classify",
        "2.3 M parameters at width 1.0; more accurate per multiplication",
        (224, 224),
        3,
        "edgecnn.models.mobilenet_v2:build",
    ),
    ModelInfo(
        "mobilenet_v3_small",
        "classify",
        "1.5 M parameters at width 1.0; hard-swish and squeeze-and-excite, for a Pi",
        (224, 224),
        3,
        "edgecnn.models.mobilenet_v3:build",
    ),
    ModelInfo(
        "efficientnet_lite0",
        "classify",
        "3.4 M parameters; the most accurate here, for a Pi or an Edge TPU",
        (224, 224),
        3,
        "edgecnn.models.efficientnet_lite:build",
    ),
    ModelInfo(
        "detector",
        "detect",
        "0.11 M parameters; anchor-free single-shot detector of MobileNet blocks, stride 8",
        (96, 96),
        3,
        "edgecnn.models.detector:build",
    ),
    ModelInfo(
        "micro",
        "detect",
        "0.17 M parameters; the detector for photos, 120 KiB of RAM on a microcontroller",
        (192, 192),
        3,
        "edgecnn.models.detector:build",
        (("depth", 6),),
    ),
    ModelInfo(
        "centroids",
        "detect",
        "0.11 M parameters; says where objects are, not how large (FOMO), from the same body",
        (96, 96),
        3,
        "edgecnn.models.centroids:build",
    ),
    ModelInfo(
        "nano",
        "detect",
        "0.7 M parameters; anchor-free on three levels of MobileNet v2, for photos of your own",
        (240, 320),
        3,
        "edgecnn.models.nano:build",
    ),
    ModelInfo(
        "ssdlite",
        "detect",
        "3.4 M parameters; SSD-Lite on MobileNet v2, anchors from the data; a Pi or an Edge TPU",
        (320, 320),
        3,
        "edgecnn.models.ssdlite:build",
    ),
)


#: Detectors whose backbone is one of the zoo's classifiers, so that trained weights fit it.
WITH_BODY = ("nano", "ssdlite")


def all_models() -> tuple[ModelInfo, ...]:
    """Every row, in the table's order."""
    return _MODELS


def model_names(task: str | None = None) -> tuple[str, ...]:
    """The names, of one task or of all."""
    return tuple(row.name for row in _MODELS if task in (None, row.task))


def model_info(name: str) -> ModelInfo:
    """The row of ``name``.

    Raises:
        UnknownNameError: there is none.
    """
    for row in _MODELS:
        if row.name == name:
            return row
    raise UnknownNameError("model", name, model_names())


def build_model(
    name: str, *, input_shape: tuple[int, int, int], classes: int, **options: Any
) -> Any:
    """Builds an untrained ``keras.Model`` with the input ``image`` and batch None.

    Args:
        name: see :func:`model_names`.
        input_shape: (height, width, channels).
        classes: how many.
        options: the family's own, for example ``width``, ``dropout``, ``halvings``.

    Raises:
        UnknownNameError: no such model.
        UsageError: an option that the family does not have, or a value out of range.
        MissingExtraError: Keras is not installed.
    """
    row = model_info(name)
    module, function = row.builder.split(":")
    builder = getattr(importlib.import_module(module), function)
    allowed = [p.name for p in inspect.signature(builder).parameters.values()][2:]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise UsageError(
            f"the model '{name}' has no option '{unknown[0]}'",
            hint=f"it has: {', '.join(allowed)}",
        )
    return builder(input_shape, classes, **{**dict(row.defaults), **options})
