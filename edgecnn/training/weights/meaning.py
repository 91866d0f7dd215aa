"""What a byte of the picture is to the first layer, as far as the file itself tells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.conventions import CONVENTIONS, Convention
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.input_codes import coded_conventions
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite import metadata
from edgecnn.core.tflite.model import TfModel
from edgecnn.training.weights.net import ByteMeaning
from quantization.input_evidence import InputScaling, admitted, graph_affine, keras_affine, norm_fit

# Of ImageNet's bytes: what photos are like where there are none at hand.
_MEAN = np.array([123.7, 116.3, 103.5])
_SPREAD = np.array([58.4, 57.1, 57.4])
# The share of the spread that the channels have in common.
_COMMON = 0.93
_PICTURES, _OPEN_SIZE, _MOST_PIXELS = 6, 128, 256
# Nats from such pictures: networks of photos stay below 0.1; one of bright, flat pictures in -1..1
# looks like one of photos in 0..1 from 0.14 on.
_LIKE_PHOTOS = 0.12


def tflite_meaning(model: TfModel) -> ByteMeaning | None:
    """Reads it from the file's own spec, a quantized input's codes, or a scaling it begins with.

    Returns:
        None where nothing tells it.
    """
    inputs = tensor_infos(model)[0]
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[-1] not in (1, 3):
        return None
    own = _own_spec(model)
    affine = graph_affine(model)
    if own is not None:
        return composed(spec_meaning(own, "the file's own preprocess spec"), affine)
    coded = coded_conventions(inputs[0], model)
    if coded is not None and len(coded) == 1:
        return composed(_of_convention(coded[0], "the codes of its quantized input"), affine)
    return None if coded else scaled_meaning(affine)


def scaled_meaning(affine: InputScaling | None) -> ByteMeaning | None:
    """Infers it from a first scaling that only one range of bytes makes sense of."""
    if affine is None:
        return None
    names = admitted(affine, CONVENTIONS, _MEAN, _SPREAD)
    fitting = [item for item in CONVENTIONS if item.name in names]
    if len(fitting) != 1:
        return None
    evidence = f"the scaling that it begins with ({affine}), on values {fitting[0].name}"
    return composed(_of_convention(fitting[0], evidence), affine)


def keras_meaning(model: Any, spec: PreprocessSpec | None, text: str) -> ByteMeaning | None:
    """Reads it from the spec beside a Keras model, its own scaling, or its first batch norm.

    Args:
        model: the Keras model.
        spec: of a bundle; None: there is none.
        text: what messages call it.
    """
    shape = tuple(model.inputs[0].shape[1:])
    if len(model.inputs) != 1 or len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    affine = keras_affine(model) if None not in shape else None
    if spec is not None:
        return composed(spec_meaning(spec, f"the preprocess spec of '{text}'"), affine)
    return scaled_meaning(affine) or composed(_normed_meaning(model, shape), affine)


def _normed_meaning(model: Any, shape: tuple[Any, ...]) -> ByteMeaning | None:
    """Infers it from what the first batch norm saw, where that was like photos in one range."""
    height, width = (min(size or _OPEN_SIZE, _MOST_PIXELS) for size in shape[:2])
    if (shape[0] or height, shape[1] or width) != (height, width):
        return None
    pictures = natural_pictures(height, width, shape[2])
    candidates = {item.name: item for item in CONVENTIONS if item.gray or shape[2] == 3}
    batches = {}
    for name, item in candidates.items():
        scale, offset = item.in_order(item.colour)
        ordered = pictures[..., ::-1] if item.colour == "bgr" else pictures
        batches[name] = (ordered * np.asarray(scale) + np.asarray(offset)).astype(np.float32)
    fit = norm_fit(model, batches)
    best = None if fit is None else fit.clear({key: key for key in batches})
    if fit is None or best is None or fit.distance[best] > _LIKE_PHOTOS:
        return None
    return _of_convention(
        candidates[best], f"what its batch norm '{fit.layer}' saw in training ({best})"
    )


def natural_pictures(height: int, width: int, channels: int) -> NDArray[np.float64]:
    """Noise as photos are: amplitudes fall as 1/f (Field 1987), and the mean and spread of bytes.

    Returns:
        (n, height, width, channels) in 0 to 255, the same each time.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf  # no mean of its own

    def plane() -> NDArray[np.float64]:
        waves = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
        values = np.fft.irfft2(waves / frequency, (height, width))
        return np.asarray(values / max(values.std(), 1e-9))

    pictures = []
    for _ in range(_PICTURES):
        common = plane() * _COMMON
        own = [common + plane() * np.sqrt(1 - _COMMON**2) for _ in range(channels)]
        pictures.append(np.stack(own, axis=-1))
    if channels == 1:
        return np.clip(np.stack(pictures) * _SPREAD.mean() + _MEAN.mean(), 0, 255)
    return np.clip(np.stack(pictures) * _SPREAD + _MEAN, 0, 255)


def spec_meaning(spec: PreprocessSpec, evidence: str) -> ByteMeaning | None:
    """Reads it from a preprocess spec of one image."""
    if len(spec.inputs) != 1 or not isinstance(spec.inputs[0], ImageInput):
        return None
    image = spec.inputs[0]
    return ByteMeaning(image.scale, image.offset, image.colour, evidence)


def composed(meaning: ByteMeaning | None, affine: InputScaling | None) -> ByteMeaning | None:
    """What reaches the first layer behind the model's own scaling."""
    if meaning is None or affine is None:
        return meaning
    scale = np.asarray(meaning.scale) * np.asarray(affine.scale)
    offset = np.asarray(meaning.offset) * np.asarray(affine.scale) + np.asarray(affine.offset)
    return ByteMeaning(
        tuple(map(float, scale)), tuple(map(float, offset)), meaning.colour, meaning.evidence
    )


def _own_spec(model: TfModel) -> PreprocessSpec | None:
    try:
        return metadata.specs(model)[0]
    except EdgecnnError:  # a damaged spec tells nothing; the weights are as good
        return None


def _of_convention(convention: Convention, evidence: str) -> ByteMeaning:
    colour = None if convention.gray else convention.colour
    scale, offset = convention.in_order(colour or "rgb")
    return ByteMeaning(scale, offset, colour, evidence)
