"""What the first version of the postprocess spec wrote loads, and means the same, for ever.

The files in ``version_1/`` were written by the last edgecnn of that version: ``decoded.json`` holds
specs, raw outputs and what its decoder found in them; ``bundle/`` is a bundle with a detector whose
file has both specs embedded. They are never made anew.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core import postprocess as post
from edgecnn.core.bundle import Bundle
from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import FrameMap
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.reader import read_model

ROOT = Path(__file__).parent / "version_1"
CASES = json.loads((ROOT / "decoded.json").read_text())


def as_before(now: Any, then: Any) -> Any:
    """What is said today, as far as it was said then."""
    if isinstance(then, dict):
        return {
            key: as_before(now[key], value) for key, value in then.items() if key != "schema"
        } | ({"schema": then["schema"]} if "schema" in then else {})
    if isinstance(then, list):
        return [as_before(*pair) for pair in zip(now, then, strict=True)]
    return now


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{k}-{c['spec']['kind']}" for k, c in enumerate(CASES)]
)
def test_specs_decode_as_they_did(case: dict) -> None:
    assert case["spec"]["schema"] == "edgecnn.postprocess/1"
    spec = post.from_json(case["spec"])
    assert post.from_json(json.loads(json.dumps(post.to_json(spec)))) == spec
    assert as_before(json.loads(json.dumps(post.to_json(spec))), case["spec"]) == case["spec"]
    infos, raw = [], {}
    for output in case["outputs"]:
        shape = tuple(output["shape"])
        infos.append(
            TensorInfo(output["name"], shape, "int8", output["scale"], output["zero_point"])
        )
        raw[output["name"]] = np.array(output["codes"], np.int8).reshape(shape)
    frame_map = None if spec.kind == "classify" else FrameMap(2.0, 1.5, -4.0, 3.0, 96, 80)
    found = decode(spec, raw, infos, frame_map)
    for key, value in case["found"].items():
        np.testing.assert_allclose(getattr(found, key), np.asarray(value), rtol=1e-6, err_msg=key)


def test_bundles_and_embedded_specs_load() -> None:
    bundle = Bundle.load(ROOT / "bundle")
    path = bundle.variant_model("int8")
    before, after = specs(read_model(path.read_bytes()))
    assert (before, after) == (bundle.preprocess, bundle.postprocess)
    predictor = LiteRTPredictor(path.read_bytes())
    image = np.full((1, 16, 16, 3), -100, np.int8)
    image[:, 8:, :8] = 60
    raw = predictor.predict({"image": image})
    found = decode(bundle.postprocess, raw, predictor.outputs, FrameMap(2.0, 2.0, 0.0, 0.0, 32, 32))
    assert isinstance(found, Detections)
    assert found.classes.tolist() == [1, 1]
    assert np.allclose(found.boxes, [[0, 8, 26.88, 32], [8.96, 24, 32, 32]], atol=1e-4)
    assert np.allclose(found.scores, [0.73497266, 0.73497266], atol=1e-6)
