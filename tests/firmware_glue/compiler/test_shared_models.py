"""Real models of other projects: exact tensor by tensor, planned tightly, or refused clearly."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.errors import UnsupportedModelError
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from tests.firmware_glue.compiler.exactness import wrong_elements
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs

MODELS = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[3] / "../shared")) / "models"
REFUSED = {
    "kws_ref_model_float32.tflite": "dynamic-range quantization",
    "posenet_mobilenet_v1_075_353_481_16_quant_decoder.tflite": "CUSTOM:PosenetDecoderOp",
    "posenet_mobilenet_v1_075_353_481_quant_decoder.tflite": "CUSTOM:PosenetDecoderOp",
}
LARGE = 600_000
FLOAT_ABSOLUTE = 1e-5
"""Of whole float models, as a fraction of a tensor's range: sums cancel."""


def _files() -> list[object]:
    found = sorted(p for p in MODELS.rglob("*.tflite") if not p.stem.endswith("_edgetpu"))
    return [
        pytest.param(
            path,
            id=str(path.relative_to(MODELS)),
            marks=[pytest.mark.long] if path.stat().st_size > LARGE else [],
        )
        for path in found
        if path.name not in REFUSED
    ]


@pytest.mark.skipif(not MODELS.is_dir(), reason="EDGECNN_SHARED holds no models")
@pytest.mark.parametrize("path", _files())
def test_exact_and_at_the_lower_bound(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    library, model = Library(tmp_path), read_model(data)
    compiled = library.add(data, "m")
    assert compiled.arena_bytes <= 1.02 * compiled.lower_bound_bytes
    library.build("-DEDGECNN_SHARE_ALL")
    reference, run = Reference(data), library.runner("m")
    rng = np.random.default_rng(7)
    for _ in range(2):
        inputs = random_inputs(model, rng)
        want = reference(inputs)
        if not compiled.program.variable_bytes:
            _compare_tensors(run.steps(inputs), reference, compiled)
        for got, expected in zip(run(inputs), want, strict=True):
            assert _wrong(got, expected) == 0


def _compare_tensors(
    found: dict[int, np.ndarray], reference: Reference, compiled: CompiledModel
) -> None:
    compared = 0
    for tensor_id, value in found.items():
        want = reference.inner(compiled, tensor_id)
        if want is not None:
            assert _wrong(value, want) == 0, tensor_id
            compared += 1
    assert compared


def _wrong(got: np.ndarray, want: np.ndarray) -> int:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    span = float(np.abs(want).max(initial=0)) if want.dtype.kind == "f" else 0.0
    return wrong_elements(got, want, FLOAT_ABSOLUTE * span)


@pytest.mark.skipif(not MODELS.is_dir(), reason="EDGECNN_SHARED holds no models")
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_with_the_reason(name: str) -> None:
    path = next(MODELS.rglob(name))
    with pytest.raises(UnsupportedModelError) as caught:
        compile_model(read_model(path.read_bytes()), name="m")
    assert REFUSED[name] in "".join(caught.value.details) and caught.value.hint
