"""The C of a model as a predictor on this machine: what a microcontroller would answer."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.core.runtime import Predictor
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.host_library import HostModel
from targets.base import ModelFile, RunningModel
from targets.mcu.bytes_predictor import BytesPredictor


def c_predictor(model: ModelFile, numerics: str, kernels: str = "generic") -> Predictor:
    """The model's C, built for this machine.

    Args:
        model: a .tflite.
        numerics: whose integer arithmetic it follows.
        kernels: made for a kind of core; elsewhere their plain C runs, which gives the same bytes.

    Raises:
        UnsupportedModelError, UnknownNameError: as :func:`compile_model`.
        MissingExtraError, ToolError, TargetError: it cannot be built or loaded.
    """
    compiled = compile_model(model.model, name="model", numerics=numerics, kernels=kernels)
    host = HostModel(compiled)

    def run(inputs: Sequence[bytes]) -> tuple[bytes, ...]:
        host.reset()
        return host.run(inputs)

    return BytesPredictor(model, compiled, run)


def on_host(model: ModelFile, numerics: str, kernels: str) -> RunningModel:
    """:func:`c_predictor`, with what it is for people.

    Raises:
        UnsupportedModelError, UnknownNameError: as :func:`c_predictor`.
        MissingExtraError, ToolError, TargetError: as :func:`c_predictor`.
    """
    runs = f"C on this machine, {kernels} kernels, {numerics}"
    return RunningModel(c_predictor(model, numerics, kernels), runs)
