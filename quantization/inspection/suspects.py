"""The suspects of a quantized model, the worst first."""

from __future__ import annotations

from collections.abc import Sequence

from quantization.inspection.inspect import inspect
from quantization.types import SampleDict, Suspect


def suspects(
    float_model: bytes | None, quantized: bytes, samples: Sequence[SampleDict]
) -> tuple[Suspect, ...]:
    """The suspects alone, as ``edgecnn quantize`` prints them.

    Args:
        float_model: the float .tflite; None: where there is none.
        quantized: the quantized one.
        samples: real values by input name; may be empty.

    Raises:
        As :func:`inspect`.
    """
    return inspect(quantized, float_model, samples).suspects
