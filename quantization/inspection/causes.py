"""Which layers are to blame, why, and what to do: rules over measured figures.

Each rule looks at one op and gives at most one candidate. Thresholds were set so that trained nets
that quantize well (MobileNetV1 and V2, DS-CNN, ResNet-8) raise none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from quantization.inspection.evidence import (
    UNPROVEN_GAP,
    Candidate,
    Case,
    Outliers,
    outliers,
    severity_of,
    spread,
)
from quantization.inspection.input_faults import input_faults
from quantization.inspection.islands import float_islands
from quantization.inspection.measure import LayerMeasure
from quantization.types import Suspect

#: An int8 tensor has 256 codes; channels that get fewer than this are coarse (< 30 dB).
FEW_CODES = 32.0
#: A range of a channel means little from fewer values in each sample.
LEAST_PER_CHANNEL = 4
#: Largest against median range of the weights' channels from which one scale is too coarse.
WIDE_WEIGHTS = 8.0
#: … if the median channel keeps less than this (16 times the median leaves about 23 dB).
COARSE_WEIGHTS_DB = 25.0
#: The same for activations, whose channels differ more by nature (60 times in a good MobileNet).
WIDE_VALUES = 16.0
COARSE_VALUES_DB = 15.0
#: Range against the inner 99.9 % of the values: trained layers are below 3.
HEAVY_TAIL = 6.0
HEAVY_TAIL_DB = 22.0
#: Depth of swish's and hard-swish's negative part, and the codes that it must get.
SWISH_DEPTHS: Mapping[str, float] = MappingProxyType({"MUL": 0.278, "HARD_SWISH": 0.375})
SWISH_CODES = 4.0
SWISH_DB = 30.0
#: Calibrators that cut tails clip up to 0.1 %; harmful is what costs more than rounding does.
CLIPPED_SHARE = 0.001
CLIPPED_DB = 15.0
#: Part of its codes that a layer must use at least, and figures below which it matters.
USED_SHARE = 1 / 8
USED_DB = 20.0
LEAST_VALUES = 256
#: A layer whose whole range is below this carries no signal.
DEAD_RANGE = 255e-7
#: Share of the noise that is a constant shift of channels.
BIAS_SHARE = 0.5
BIAS_DB = 25.0
#: A layer that makes so much noise by itself is named even without a known cause.
NOISY_DB = 10.0

_TAME = "calibrate with --calibrator percentile or mse, or keep it at int16 (--layer NAME=int16)"


def find_suspects(
    found: Sequence[Case],
    inputs: Sequence[LayerMeasure],
    input_findings: Sequence[Candidate] = (),
) -> tuple[Suspect, ...]:
    """All suspects, the worst first.

    Args:
        found: the ops; see :func:`quantization.inspection.evidence.cases`.
        inputs: what was measured at the model's inputs.
        input_findings: what is wrong with the data by themselves.
    """
    first = input_faults(inputs)
    said = {item.kind for item in first}
    first += [item for item in input_findings if item.kind not in said]
    by_layer: list[Candidate] = []
    marks: dict[int, frozenset[int]] = {}
    for case in found:
        above = frozenset[int]().union(*(marks.get(index, ()) for index in case.sources))
        # A full convolution makes new channels; anything else hands on those that it got.
        above = above if _keeps_channels(case) else frozenset()
        candidates = _of_case(case)
        own = {int(c.evidence["channel"]) for c in candidates if c.kind == "outlier-channel"}
        marks[case.op.index] = above | own
        by_layer += [c for c in candidates if not _inherited(c, above)]
    if first:
        # Wrong data make every range wrong: what they do to layers is not the layers' fault.
        by_layer = [item for item in by_layer if item.kind not in _FOLLOW_WRONG_DATA]
    everything = [*first, *by_layer, *float_islands(found)]
    order = sorted(
        everything, key=lambda item: (-item.severity, -1 if item.index is None else item.index)
    )
    return tuple(
        Suspect(rank, item.layer, item.op, item.kind, item.cause, item.cure, item.evidence)
        for rank, item in enumerate(order, 1)
    )


def _of_case(case: Case) -> list[Candidate]:
    """The candidates of one op; the fallback only where nothing else was found."""
    found = [item for item in (each(case) for each in _RULES) if item is not None]
    if any(item.kind == "outlier-channel" for item in found):
        # The more telling of two names for one thing.
        found = [item for item in found if item.kind not in ("narrow-channels", "heavy-tail")]
    noisy = None if found else _noisy(case)
    return [*found, noisy] if noisy is not None else found


def _keeps_channels(case: Case) -> bool:
    return case.weights is None or case.op.code == "DEPTHWISE_CONV_2D"


def _inherited(item: Candidate, above: frozenset[int]) -> bool:
    """Whether an outlier came in from an op in front, and is no fault of this op's weights."""
    return (
        item.kind == "outlier-channel"
        and "weight_ratio" not in item.evidence
        and int(item.evidence["channel"]) in above
    )


def _candidate(
    case: Case, severity: float, kind: str, texts: tuple[str, str], evidence: Mapping[str, float]
) -> Candidate:
    cause, cure = texts
    plain = {key: float(value) for key, value in evidence.items()}
    row = case.row
    return Candidate(severity, row.index, row.name, row.op, kind, cause, cure, plain)


def _outlier_channel(case: Case) -> Candidate | None:
    weights, values = _outlier_weights(case), _outlier_values(case)
    found = values or weights
    if found is None:
        return None
    evidence = {"channel": float(found.channels[0]), "channels": float(len(found.channels))}
    parts, harm = [], 5.0
    if weights is not None and case.weights is not None:
        evidence["weight_ratio"] = weights.ratio
        parts.append(f"its weights are {weights.ratio:.0f} times the median channel's")
        if case.weights.per_tensor:
            harm = max(harm, severity_of(_median_db(case.weights.channel_db, 15.0)))
    if values is not None and case.layer is not None and case.layer.coding is not None:
        codes = values.median / case.layer.coding.scale
        evidence |= {"value_ratio": values.ratio, "median_codes": codes}
        parts.append(
            f"its values are {values.ratio:.0f} times the median channel's, which is left with"
            f" {codes:.1f} of {case.layer.coding.levels} codes"
        )
        added = case.layer.added
        harm = max(harm, severity_of(_median_db(added.channel_db if added else None, 15.0)))
    note = "" if harm > 5.0 else " (harmless with a scale per channel, ruinous with one for all)"
    texts = (
        f"outlier {_channels(found)}: {' and '.join(parts)}{note}",
        "equalize the channels (--step equalize) or keep the layer at int16 (--layer NAME=int16);"
        " if the channel is not meant to be so large, mend it in the float model",
    )
    return _candidate(case, harm, "outlier-channel", texts, evidence)


def _outlier_weights(case: Case) -> Outliers | None:
    found = outliers(case.weights.ranges) if case.weights is not None else None
    proven = case.weights is not None and case.weights.channel_db is not None
    return None if found is None or (not proven and found.gap < UNPROVEN_GAP) else found


def _outlier_values(case: Case) -> Outliers | None:
    layer = case.layer
    if layer is None or layer.coding is None or case.follows or case.fixed:
        return None
    # One value per channel (dense layers) is no range.
    if layer.values.per_channel < LEAST_PER_CHANNEL:
        return None
    found = outliers(layer.values.channel_ranges)
    few = found is not None and found.median / layer.coding.scale < FEW_CODES
    return found if few else None


def _median_db(values: NDArray[np.float64] | None, unknown: float) -> float:
    if values is None or not np.isfinite(values).any():
        return unknown
    return float(np.nanmedian(values))


def _channels(found: Outliers) -> str:
    names = ", ".join(str(index) for index in found.channels[:4])
    return f"channel {names}" if len(found.channels) == 1 else f"channels {names}"


def _narrow_weights(case: Case) -> Candidate | None:
    weights = case.weights
    if weights is None or not weights.per_tensor or weights.channel_db is None:
        return None
    ratio, _ = spread(weights.ranges)
    left = _median_db(weights.channel_db, 120.0)
    if ratio < WIDE_WEIGHTS or left >= COARSE_WEIGHTS_DB:
        return None
    texts = (
        f"one scale for all {len(weights.ranges)} filters, whose ranges differ: the widest is"
        f" {ratio:.0f} times the median, which keeps {left:.1f} dB",
        "quantize weights per channel (--recipe int8, --layer NAME=per-channel); where the"
        " hardware cannot, equalize the channels (--step equalize)",
    )
    evidence = {"ratio": ratio, "median_db": left, "channels": len(weights.ranges)}
    return _candidate(case, severity_of(left), "narrow-channels", texts, evidence)


def _narrow_values(case: Case) -> Candidate | None:
    layer = case.layer
    if layer is None or layer.coding is None or layer.added is None or case.follows:
        return None
    if layer.values.per_channel < LEAST_PER_CHANNEL or case.fixed:
        return None
    ratio, _ = spread(layer.values.channel_ranges)
    left = _median_db(layer.added.channel_db, 120.0)
    if ratio < WIDE_VALUES or left >= COARSE_VALUES_DB:
        return None
    texts = (
        f"channels of very different range share one scale: the widest is {ratio:.0f} times the"
        f" median, which keeps {left:.1f} dB",
        "equalize the channels (--step equalize), or keep the layer at int16 (--layer NAME=int16)",
    )
    evidence = {"ratio": ratio, "median_db": left}
    return _candidate(case, severity_of(left), "narrow-channels", texts, evidence)


def _heavy_tail(case: Case) -> Candidate | None:
    layer, left = case.layer, case.own_db
    if layer is None or layer.coding is None or left is None or case.follows or case.fixed:
        return None
    reach = max(abs(layer.coding.low), abs(layer.coding.high))
    bulk = layer.values.bulk
    if bulk <= 0 or reach / bulk < HEAVY_TAIL or left >= HEAVY_TAIL_DB:
        return None
    texts = (
        f"heavy-tailed values: the range reaches {reach:.3g}, but 99.9 % of the values lie within"
        f" {bulk:.3g} and share {2 * bulk / layer.coding.scale:.0f} codes (own error {left:.1f}"
        " dB)",
        f"{_TAME}; a bounded activation (relu6) avoids it",
    )
    evidence = {"reach": reach, "bulk": bulk, "ratio": reach / bulk, "own_db": left}
    return _candidate(case, severity_of(left), "heavy-tail", texts, evidence)


def _swish(case: Case) -> Candidate | None:
    layer, depth, left = case.layer, SWISH_DEPTHS.get(case.op.code), case.own_db
    if layer is None or layer.coding is None or depth is None or left is None:
        return None
    low = layer.values.low
    # A product with a sigmoid ends at swish's own minimum; no other MUL does.
    if not -depth * 1.02 < low < -depth * 0.6:
        return None
    codes = depth / layer.coding.scale
    if codes >= SWISH_CODES or left >= SWISH_DB:
        return None
    high = layer.values.high
    texts = (
        f"swish: the values reach {high:.3g}, so that its negative part (down to {low:.2f}) shares"
        f" {codes:.1f} codes (own error {left:.1f} dB)",
        f"{_TAME}; relu6 in place of swish avoids it",
    )
    evidence = {"high": high, "low": low, "codes": codes, "own_db": left}
    return _candidate(case, severity_of(left), "heavy-tail", texts, evidence)


def _saturated(case: Case) -> Candidate | None:
    layer = case.layer
    coding = layer.coding if layer is not None else None
    if layer is None or coding is None or coding.clipped is None or coding.clip_db is None:
        return None
    if case.follows or coding.clipped < CLIPPED_SHARE or coding.clip_db >= CLIPPED_DB:
        return None
    low, high = layer.values.low, layer.values.high
    texts = (
        f"clipped: {100 * coding.clipped:.1f} % of the float values lie outside the range"
        f" {coding.low:.3g} to {coding.high:.3g} (they reach {low:.3g} to {high:.3g}), which alone"
        f" leaves {coding.clip_db:.1f} dB",
        "calibrate on data like these and on more of them, or with --calibrator minmax",
    )
    evidence = {
        "clipped": coding.clipped,
        "clip_db": coding.clip_db,
        "low": coding.low,
        "high": coding.high,
        "float_low": low,
        "float_high": high,
    }
    return _candidate(case, severity_of(coding.clip_db), "saturated", texts, evidence)


def _dead(case: Case) -> Candidate | None:
    scale = case.row.scale
    if scale is None or case.follows:
        return None
    reach = scale * (65535 if case.row.precision == "int16" else 255)
    if reach >= DEAD_RANGE:
        return None
    texts = (
        f"its whole range is {reach:.1e}: no signal comes through",
        "train the model first, and calibrate with data preprocessed as in training",
    )
    return _candidate(case, 90.0, "dead", texts, {"scale": scale, "range": reach})


def _few_levels(case: Case) -> Candidate | None:
    layer, left = case.layer, case.own_db
    coding = layer.coding if layer is not None else None
    if layer is None or coding is None or left is None or case.follows or case.fixed:
        return None
    values = layer.values
    spread_bins = values.real or values.own
    if (
        spread_bins is None
        or spread_bins.total < LEAST_VALUES
        or coding.high - coding.low < DEAD_RANGE
    ):
        return None
    span = (values.high - values.low) / (coding.high - coding.low)
    if span >= USED_SHARE or left >= USED_DB or values.high == values.low:
        return None
    texts = (
        f"uses {coding.used} of {coding.levels} codes: calibrated for {coding.low:.3g} to"
        f" {coding.high:.3g}, the values reach {values.low:.3g} to {values.high:.3g} (own error"
        f" {left:.1f} dB)",
        "calibrate on data like these; --calibrator percentile or mse cut off rare extremes",
    )
    evidence = {"used": coding.used, "levels": coding.levels, "span": span, "own_db": left}
    return _candidate(case, severity_of(left), "few-levels", texts, evidence)


def _biased(case: Case) -> Candidate | None:
    added = case.layer.added if case.layer is not None else None
    if added is None or case.weights is None or case.layer is None or case.layer.coding is None:
        return None
    if added.bias_share < BIAS_SHARE or added.sqnr_db >= BIAS_DB:
        return None
    texts = (
        f"biased: {100 * added.bias_share:.0f} % of its error is a constant shift of channels (own"
        f" error {added.sqnr_db:.1f} dB)",
        "correct the biases (--step correct-bias)",
    )
    evidence = {
        "bias_share": added.bias_share,
        "shift": added.shift,
        "own_db": added.sqnr_db,
    }
    return _candidate(case, severity_of(added.sqnr_db), "biased", texts, evidence)


def _noisy(case: Case) -> Candidate | None:
    left = case.own_db
    if left is None or case.weights is None or left >= NOISY_DB:
        return None
    if case.layer is None or case.layer.coding is None:
        return None
    texts = (
        f"its own error leaves {left:.1f} dB, and no single reason stands out",
        "round its weights by what they do (--step round), or keep it at int16"
        " (--layer NAME=int16)",
    )
    return _candidate(case, severity_of(left), "noisy", texts, {"own_db": left})


_RULES: tuple[Callable[[Case], Candidate | None], ...] = (
    _outlier_channel,
    _narrow_weights,
    _narrow_values,
    _heavy_tail,
    _swish,
    _saturated,
    _dead,
    _few_levels,
    _biased,
)
_FOLLOW_WRONG_DATA = frozenset({"saturated", "few-levels", "heavy-tail", "dead", "noisy", "biased"})
