"""Do the data fit the range that the model's inputs were calibrated for?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from quantization.inspection.accumulate import Coding, Values
from quantization.inspection.evidence import Candidate
from quantization.inspection.measure import LayerMeasure

#: Share of input values outside the calibrated range that is no accident.
CLIPPED_INPUT = 0.01
#: Part of the calibrated range that data must fill: dark photos fill a third of it.
FILLED = 0.25
#: What pixels usually become; a range is one of them if both ends are within 15 % of its width.
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "0..255": (0.0, 255.0),
        "0..1": (0.0, 1.0),
        "-1..1": (-1.0, 1.0),
        "-128..127": (-128.0, 127.0),
    }
)
_TOLERANCE = 0.15
#: Of a symmetric range: data whose least value is not below this share use one half of it.
_POSITIVE = -0.02
_INT8_LEVELS = 256


def input_faults(inputs: Sequence[LayerMeasure]) -> list[Candidate]:
    """Candidates about inputs whose data lie outside, or in a corner, of what the model expects."""
    found = []
    for item in inputs:
        if item.coding is not None:
            fault = _fault(item, item.coding, item.values)
            if fault is not None:
                found.append(fault)
    return found


def _fault(item: LayerMeasure, coding: Coding, values: Values) -> Candidate | None:
    width = coding.high - coding.low
    filled = (min(values.high, coding.high) - max(values.low, coding.low)) / width
    clipped = coding.clipped or 0.0
    expected, given = _usual(coding.low, coding.high), _usual(values.low, values.high)
    if coding.levels > _INT8_LEVELS:
        # int16 has no zero point: its range is symmetric whatever the data were.
        filled, expected = max(-values.low, values.high) / coding.high, None
    evidence = {
        "low": values.low, "high": values.high, "model_low": coding.low,
        "model_high": coding.high, "clipped": clipped, "filled": max(0.0, filled),
    }  # fmt: skip
    data = f"the data reach from {values.low:.4g} to {values.high:.4g}"
    model = f"the model was quantized for {coding.low:.4g} to {coding.high:.4g}"
    if clipped >= CLIPPED_INPUT:
        other = expected and given and expected != given
        cause = f"{data}, {model}: {100 * clipped:.0f} % of the values are clipped"
        kind = "input-range" if other or clipped > 0.5 else "clipped-input"
        return _candidate(item, kind, cause, expected, given, evidence)
    half = values.low >= _POSITIVE * width and coding.low < -0.4 * width and filled > FILLED
    if filled < FILLED or (half and expected == "-1..1" and given == "0..1"):
        cause = f"{data}, {model}: only {100 * max(0.0, filled):.0f} % of that range is used"
        return _candidate(item, "input-range", cause, expected, given, evidence)
    return None


def _candidate(
    item: LayerMeasure,
    kind: str,
    cause: str,
    expected: str | None,
    given: str | None,
    evidence: dict[str, float],
) -> Candidate:
    if expected and given and expected != given:
        cure = (
            f"these are {given} data for a {expected} model: correct scale and offset of the"
            " preprocess spec, or calibrate again if this data is right"
        )
    else:
        cure = "preprocess the data as in training, or calibrate again on data like these"
    clean = {key: float(value) for key, value in evidence.items()}
    return Candidate(100.0, None, item.name, "input", kind, cause, cure, clean)


def _usual(low: float, high: float) -> str | None:
    for name, (a, b) in RANGES.items():
        if abs(low - a) <= _TOLERANCE * (b - a) and abs(high - b) <= _TOLERANCE * (b - a):
            return name
    return None
