"""What a byte of the picture is to the first layer, as far as the file itself tells."""

from __future__ import annotations

import numpy as np

from edgecnn.core.conventions import CONVENTIONS, Convention
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.input_codes import coded_conventions
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite import metadata
from edgecnn.core.tflite.model import TfModel
from edgecnn.training.weights.net import ByteMeaning
from quantization.input_evidence import InputScaling, admitted, graph_affine

# Of ImageNet's bytes: what photos are like where there are none at hand.
_MEAN = np.array([123.7, 116.3, 103.5])
_SPREAD = np.array([58.4, 57.1, 57.4])


def tflite_meaning(model: TfModel) -> ByteMeaning | None:
    """From the file's own spec, the codes of a quantized input, or a scaling that it begins with.

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
    """From a scaling at the model's beginning that only one range of bytes makes sense of."""
    if affine is None:
        return None
    names = admitted(affine, CONVENTIONS, _MEAN, _SPREAD)
    fitting = [item for item in CONVENTIONS if item.name in names]
    if len(fitting) != 1:
        return None
    evidence = f"the scaling that it begins with ({affine}), on values {fitting[0].name}"
    return composed(_of_convention(fitting[0], evidence), affine)


def spec_meaning(spec: PreprocessSpec, evidence: str) -> ByteMeaning | None:
    """From a preprocess spec of one image."""
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
