"""What is known of a model before anybody knows what it is: all that rules of recognition read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.conventions import CONVENTIONS, image_axes, image_channels
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.imaging import Image, Preprocessor
from edgecnn.core.input_codes import coded_conventions
from edgecnn.core.runtime import Predictor, TensorInfo
from edgecnn.core.tflite.cut import CutOp
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.model import TfModel, TfOperator

Real = NDArray[np.float32]
_ZERO_TO_ONE = next(item for item in CONVENTIONS if item.name == "0..1")


@dataclass(frozen=True)
class Facts:
    """A model, and what may be asked of it.

    Attributes:
        predictor: runs it.
        graph: its .tflite; None where there is none (Keras).
        metadata: what the file says of itself; all of it may be empty.
        labels: class names that the user gave; empty: none.
        photo: uint8 (h, w, 3) BGR, to see what values the outputs take.
        cut: an op that was cut off the model's end; None: none was.
    """

    predictor: Predictor
    graph: TfModel | None
    metadata: FileMetadata
    labels: tuple[str, ...] = ()
    photo: Image | None = field(default=None, repr=False)
    cut: CutOp | None = None

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The model's inputs."""
        return self.predictor.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The model's outputs, in the file's order: never rely on it."""
        return self.predictor.outputs

    @cached_property
    def image(self) -> TensorInfo | None:
        """The input that takes an image, gray or of three channels, if there is just one."""
        found = [info for info in self.inputs if image_axes(info.shape) is not None]
        return found[0] if len(found) == 1 else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image input; (0, 0) without one."""
        axes = image_axes(self.image.shape) if self.image else None
        return (axes[1][1], axes[1][0]) if axes else (0, 0)

    @cached_property
    def custom_ops(self) -> tuple[TfOperator, ...]:
        """Custom ops of the main subgraph."""
        if self.graph is None:
            return ()
        return tuple(op for op in self.graph.main.operators if op.code == "CUSTOM")

    def producer(self, output: str) -> TfOperator | None:
        """The op that makes an output; None where it is unknown."""
        if self.graph is None:
            return None
        names = [info.name for info in self.outputs]
        index = self.graph.main.outputs[names.index(output)]
        return next((op for op in self.graph.main.operators if index in op.outputs), None)

    def values(self, output: str) -> Real | None:
        """An output's real values on the photo; None where the model could not be run on it."""
        return self._on_photo.get(output)

    @cached_property
    def _on_photo(self) -> Mapping[str, Real]:
        image = self.image
        if image is None or self.photo is None:
            return {}
        codes = coded_conventions(image, self.graph)
        convention = codes[0] if codes else _ZERO_TO_ONE
        colour = "gray" if image_channels(image.shape) == 1 else convention.colour
        inputs: dict[str, NDArray[Any]] = {
            info.name: info.quantize(np.zeros(info.shape)) for info in self.inputs
        }
        try:
            spec = convention.image(image, colour)
            inputs[image.name] = Preprocessor(spec, image)(self.photo)[0]
            raw = self.predictor.predict(inputs)
        except EdgecnnError:
            return {}
        with np.errstate(all="ignore"):
            return {info.name: info.dequantize(raw[info.name]) for info in self.outputs}
