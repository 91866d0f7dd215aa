"""The specs embedded in a .tflite, as the plain data that the C emitters write.

What cannot be written as C is no error, since the model itself can: it is a note, which the
generated header repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.preprocess import Fit, ImageInput, PreprocessSpec, Resize, table
from edgecnn.core.runtime import TensorInfo, tensor_infos
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.model import TfModel
from firmware_glue.compiler.ir import Graph, Shape
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess import AfterStage, BoxStage, LeftOut, after_stage
from firmware_glue.compiler.postprocess.outputs import ELEMENT_BYTES

# In the order of the enums in edgecnn_frame.h.
_FITS, _RESIZES = get_args(Fit), get_args(Resize)


@dataclass(frozen=True)
class FrameStage:
    """Frames to input 0.

    Attributes:
        params: an ``ec_image_params``.
        table: the tensor's dtype, (1 or channels, 256).
    """

    spec: ImageInput
    params: Params
    table: NDArray[Any] = field(compare=False)


@dataclass(frozen=True)
class Stages:
    """What surrounds the model in C; ``notes`` says why something is missing."""

    before: FrameStage | None = None
    after: AfterStage | None = None
    notes: tuple[str, ...] = ()


def read_stages(model: TfModel, graph: Graph | None = None) -> Stages:
    """The stages that a model's embedded specs describe.

    Args:
        model: the parsed file.
        graph: the same model's, whose outputs have the shapes that the ops give them: some files
            leave them open (TFLite_Detection_PostProcess); None: the file's are right.

    Raises:
        ModelError: an embedded spec is no JSON.
        BundleError: an embedded spec holds what it must not.
    """
    before, after = specs(model)
    inputs, outputs = tensor_infos(model)
    if graph is not None:
        shapes = (graph.tensors[tensor_id].shape for tensor_id in graph.outputs)
        outputs = tuple(map(_shaped, outputs, shapes))
    first = _before(before, inputs)
    notes = [f"No preprocess: {first}."] if isinstance(first, str) else []
    last: AfterStage | None = None
    try:
        last = after_stage(after, outputs)
        notes += last.notes if isinstance(last, BoxStage) else ()
    except LeftOut as why:
        notes.append(f"No postprocess: {why}.")
    return Stages(None if isinstance(first, str) else first, last, tuple(notes))


def _shaped(info: TensorInfo, shape: Shape) -> TensorInfo:
    return replace(info, shape=shape)


def _before(spec: PreprocessSpec | None, inputs: Sequence[TensorInfo]) -> FrameStage | str:
    if spec is None:
        return "the model has no preprocess spec embedded"
    if len(spec.inputs) != 1 or len(inputs) != 1:
        return "it is made for models with one input"
    image, info = spec.inputs[0], inputs[0]
    if not isinstance(image, ImageInput):
        return "the input is no image, so it is filled as it is"
    shape = (1, image.height, image.width, image.channels)
    if info.shape != shape or info.name != image.name:
        return (
            f"the spec describes '{image.name}' {list(shape)},"
            f" the input is '{info.name}' {list(info.shape)}"
        )
    if info.dtype not in ELEMENT_BYTES:
        return f"the input is {info.dtype}, expected int8, uint8 or float32"
    rows = np.ascontiguousarray(table(image, info).T)
    if not np.isfinite(rows).all():
        return "the spec's scale leaves the range of float32"
    shared = bool((rows == rows[0]).all())
    params = Params(
        "ec_image_params",
        (
            ("height", image.height),
            ("width", image.width),
            ("channels", image.channels),
            ("bgr", int(image.colour == "bgr")),
            ("fit", _FITS.index(image.fit)),
            ("resize", _RESIZES.index(image.resize)),
            ("pad", image.pad_value),
            ("element_bytes", ELEMENT_BYTES[info.dtype]),
            ("table_stride", 0 if shared else 256),
        ),
    )
    return FrameStage(image, params, rows[:1] if shared else rows)
