"""The accuracy steps by name; their modules are imported on use."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from edgecnn.core.errors import UnknownNameError
from quantization.work import Step

STEP_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "fold-batch-norm": "quantization.steps.fold_batch_norm",
        "equalize": "quantization.steps.equalize",
        "fine-tune": "quantization.steps.fine_tune",
        "round": "quantization.steps.round_weights",
        "correct-bias": "quantization.steps.correct_bias",
        "mixed": "quantization.steps.mixed",
    }
)


def get_step(name: str) -> Step:
    """The ``apply`` function of the step of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in STEP_MODULES:
        raise UnknownNameError("step", name, tuple(STEP_MODULES))
    step: Step = importlib.import_module(STEP_MODULES[name]).apply
    return step
