"""LiteRT's reference kernels as the judge, kept from taking this process down with them.

The int8 reference SOFTMAX ends the whole process with an assertion where Σ exp(x − max) reaches
512, which 512 nearly equal logits are enough for. Models with such a layer run in a process of
their own; all others run here.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgecnn.core.child_process import run_child
from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import Array, LiteRTPredictor, Predictor, TensorInfo
from edgecnn.core.tflite.hazards import reference_sum_is_broken, softmax_may_abort
from edgecnn.core.tflite.reader import read_model

_TIMEOUT_S = 300


def reference_predictor(model: bytes) -> Predictor:
    """A predictor on the reference kernels (BUILTIN_REF), one thread.

    Raises:
        ModelError: LiteRT refuses the model; ``predict`` raises it where the kernels abort.
    """
    if softmax_may_abort(read_model(model)):
        return _IsolatedReference(model)
    return LiteRTPredictor(model, threads=1, resolver="reference")


def best_reference(model: bytes) -> tuple[Predictor, tuple[str, ...]]:
    """The reference kernels; LiteRT's optimised ones where those lack an op or are broken.

    Returns:
        The predictor, and a warning if it is not the reference.

    Raises:
        ModelError: neither runs the model.
    """
    if reference_sum_is_broken(read_model(model)):
        return _optimised(model, "get an int8 or int16 SUM wrong")
    try:
        return reference_predictor(model), ()
    except ModelError as error:
        return _optimised(model, f"do not run this model: {error.message}")


def _optimised(model: bytes, reason: str) -> tuple[Predictor, tuple[str, ...]]:
    predictor = LiteRTPredictor(model, threads=1, resolver="builtin")
    return predictor, (
        f"compared with LiteRT's optimised kernels, because its reference kernels {reason}",
    )


class _IsolatedReference:
    """The reference kernels in a child process per call; slow (a start each) and safe."""

    def __init__(self, model: bytes) -> None:
        # Preparing is safe, and says what the tensors are.
        here = LiteRTPredictor(model, threads=1, resolver="reference")
        self._model = model
        self._inputs, self._outputs = here.inputs, here.outputs

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""
        return self._outputs

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once in a child process.

        Raises:
            ModelError: the child died or did not answer.
        """
        stream = io.BytesIO()
        np.savez(stream, *(np.ascontiguousarray(inputs[info.name]) for info in self._inputs))
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            path = Path(scratch) / "model.tflite"
            path.write_bytes(self._model)
            raw = _child(path, stream.getvalue())
        try:
            with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
                arrays = [archive[f"arr_{k}"] for k in range(len(self._outputs))]
        except (ValueError, OSError, KeyError, EOFError) as error:
            raise _aborted() from error
        return {info.name: value for info, value in zip(self._outputs, arrays, strict=True)}


def _child(path: Path, data: bytes) -> bytes:
    try:
        done = run_child(("-m", "edgecnn.core.reference", str(path)), data, timeout_s=_TIMEOUT_S)
    except (subprocess.TimeoutExpired, OSError) as error:
        raise _aborted() from error
    if done.returncode != 0:
        raise _aborted()
    return done.stdout


def _aborted() -> ModelError:
    return ModelError(
        "LiteRT's reference kernels abort on this model: a SOFTMAX over 512 or more nearly equal"
        " logits",
        hint="the model looks untrained; without the reference nothing can be compared",
    )


def _main() -> int:
    data = sys.stdin.buffer.read()
    predictor = LiteRTPredictor(Path(sys.argv[1]).read_bytes(), threads=1, resolver="reference")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        inputs = {info.name: archive[f"arr_{k}"] for k, info in enumerate(predictor.inputs)}
    stream = io.BytesIO()
    np.savez(stream, *predictor.predict(inputs).values())
    sys.stdout.buffer.write(stream.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
