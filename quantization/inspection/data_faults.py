"""Does the float model itself say that its images reach it wrongly?"""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.model import TfModel
from quantization.calibration.probe import Probe, probe
from quantization.inspection.evidence import Candidate
from quantization.inspection.measure import named_inputs
from quantization.inspection.pairing import input_names, match_inputs
from quantization.types import SampleDict


def data_faults(
    reference: bytes, original: TfModel, model: TfModel, samples: Sequence[SampleDict]
) -> list[Candidate]:
    """Swapped channels and wrong ranges of a single RGB input, as the float model judges them.

    Args:
        reference: the float model's bytes.
        original: the same, read.
        model: the inspected model, whose input names the samples may have.
        samples: real values.
    """
    graph = original.main
    if len(graph.inputs) != 1:
        return []
    shape = graph.tensors[graph.inputs[0]].shape
    if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
        return []
    predictor = LiteRTPredictor(reference)
    aliases = tuple(input_names(model)[index] for index in match_inputs(original, model))
    renamed = [named_inputs(sample, predictor.inputs, aliases) for sample in samples]
    name = predictor.inputs[0].name
    found = _candidate(probe(predictor, renamed, name), name)
    return [] if found is None else [found]


def _candidate(found: Probe, name: str) -> Candidate | None:
    before, after = found.confidence
    evidence = {"confidence": before, "confidence_mended": after}
    surer = f"(mean confidence {before:.2f}, mended {after:.2f})"
    if found.verdict == "swapped":
        return Candidate(
            100.0, None, name, "input", "swapped-channels",
            f"the float model is surer of the same images with red and blue exchanged {surer}",
            "set the preprocess spec's colour to what the model was trained with (rgb or bgr)",
            evidence,
        )  # fmt: skip
    if found.verdict == "range":
        return Candidate(
            100.0, None, name, "input", "input-range",
            f"the float model tells the same images apart better in the range {found.better}"
            f" {surer}",
            "correct scale and offset of the preprocess spec, then calibrate again",
            evidence,
        )  # fmt: skip
    return None
