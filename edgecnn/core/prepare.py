"""A sample of any kind to the model's named tensors, by the preprocess spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.audio import AudioPreprocessor
from edgecnn.core.errors import DataError
from edgecnn.core.feedback import first_states, input_of
from edgecnn.core.imaging import FrameMap, Preprocessor
from edgecnn.core.preprocess import AudioInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample

Array = NDArray[Any]
# What is no frame has nothing to be mapped back to.
NO_FRAME = FrameMap(1.0, 1.0, 0.0, 0.0, 1, 1)


class SampleKindError(DataError):
    """All samples are of a kind or shape that the model does not take: none is worth trying."""


class Preparer:
    """Samples → the model's inputs. Arrays are real values already and pass any spec.

    Args:
        spec: of the model.
        inputs: the model's.

    Raises:
        BundleError: the spec and the inputs differ in shape.
    """

    def __init__(self, spec: PreprocessSpec, inputs: Sequence[TensorInfo]) -> None:
        self._spec = spec
        self._inputs = tuple(inputs)
        self._one = _single(spec, self._inputs)
        # Each sample stands alone: states are what they are at first.
        self._states = first_states(spec.states, self._inputs)

    def __call__(self, sample: Sample) -> tuple[dict[str, Array], FrameMap]:
        """One sample.

        Returns:
            {input name: array (1, …) in the model's dtype}, and the map from an image's tensor
            back to the image.

        Raises:
            SampleKindError: of a kind, shape or name that the model does not take.
            DataError: this sample cannot be used.
        """
        if sample.arrays is not None:
            return named_arrays(sample.id, sample.arrays, self._inputs), NO_FRAME
        if self._one is None:
            raise _mismatch(sample, self._inputs)
        name, array, frame_map = self._one(sample)
        return {name: array, **self._states}, frame_map


def named_arrays(
    what: str, arrays: Mapping[str, NDArray[np.float32]], inputs: Sequence[TensorInfo]
) -> dict[str, Array]:
    """Real values as the model's inputs.

    Args:
        what: the sample's id, for messages.
        arrays: as :attr:`edgecnn.core.sample.Sample.arrays`.
        inputs: the model's.

    Raises:
        SampleKindError: other names or shapes than the model's.
        DataError: NaN or infinity.
    """
    names = [info.name for info in inputs]
    if len(names) == 1 and len(arrays) == 1:
        arrays = {names[0]: next(iter(arrays.values()))}
    if set(arrays) != set(names):
        raise SampleKindError(
            f"'{what}' has the arrays {sorted(arrays)}, the model takes {sorted(names)}",
            hint="save one array per input, by name: np.savez('data.npz', NAME=…)",
        )
    found = {}
    for info in inputs:
        value = arrays[info.name]
        if _without_ones(value.shape) != _without_ones(info.shape):
            raise SampleKindError(
                f"'{what}' has the shape {list(value.shape)}, the input '{info.name}' takes"
                f" {list(info.shape[1:])}",
                hint="save arrays of the shape (n, *input), preprocessed as for training",
            )
        if not np.isfinite(value).all():
            raise DataError(
                f"'{what}' holds NaN or infinity (input '{info.name}')",
                hint="remove the sample or fix its preprocessing",
            )
        found[info.name] = info.quantize(value).reshape(info.shape)
    return found


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """(28, 28) is as good as (1, 28, 28, 1)."""
    return tuple(size for size in shape if size != 1)


def _single(
    spec: PreprocessSpec, inputs: Sequence[TensorInfo]
) -> Callable[[Sample], tuple[str, Array, FrameMap]] | None:
    """What images or recordings go through; None for models that take neither."""
    if len(spec.inputs) != len(inputs):
        return None
    image, first = spec.one_image, spec.inputs[0]
    if image is not None:
        tensor = input_of(image, inputs)
        prepare = Preprocessor(image, tensor)

        def from_image(sample: Sample) -> tuple[str, Array, FrameMap]:
            if sample.audio is not None:
                raise _mismatch(sample, inputs)
            return tensor.name, *prepare(sample.image)

        return from_image
    if isinstance(first, AudioInput) and len(inputs) == 1:
        audio = AudioPreprocessor(first, inputs[0])

        def from_audio(sample: Sample) -> tuple[str, Array, FrameMap]:
            if sample.audio is None:
                raise _mismatch(sample, inputs)
            return inputs[0].name, audio(sample.audio), NO_FRAME

        return from_audio
    return None


def _mismatch(sample: Sample, inputs: Sequence[TensorInfo]) -> SampleKindError:
    kind = "a recording" if sample.audio is not None else "an image"
    shapes = ", ".join(f"{info.name} {list(info.shape)}" for info in inputs)
    return SampleKindError(
        f"'{sample.id}' is {kind}, which the model's preprocess spec does not take ({shapes})",
        hint="give data of the model's kind: images, .wav, or .npy/.npz with real values",
    )
