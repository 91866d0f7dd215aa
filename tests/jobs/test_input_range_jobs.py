"""eval, quantize and bench of a bare classifier: the range they find, and the gate at chance."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecnn.core.conventions import parse_convention
from edgecnn.core.errors import GateMissedError
from edgecnn.core.progress import SilentProgress
from edgecnn.jobs import evaluate, quantize
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.numerics import QualityData, quality_beside_reference
from edgecnn.jobs.reference import resolve
from quantization.recipe import get_recipe
from tests.jobs.colour_model import colour_model, write_pictures

QUIET = SilentProgress()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A float classifier of 0..1 BGR and labelled pictures."""
    folder = tmp_path_factory.mktemp("range")
    (folder / "m.tflite").write_bytes(colour_model(parse_convention("0..1"), "bgr"))
    write_pictures(folder / "photos/train", 12)
    write_pictures(folder / "photos/test", 30, start=12)
    return folder / "m.tflite", folder / "photos"


def test_eval_finds_the_range_and_judges_chance(files) -> None:
    model, photos = files
    request = evaluate.EvalRequest(resolve(model), str(photos))
    result = evaluate.run(request, QUIET)
    taken = result.to_json()["input_range"]
    assert (taken["name"], taken["colour"], taken["source"]) == ("0..1", "bgr", "labels")
    assert result.metric.value > 0.9 and evaluate.gate(result, force=False) is None
    wrong = SpecFiles(input=RangeOptions("0..0.001", "rgb"))
    lost = evaluate.run(evaluate.EvalRequest(resolve(model), str(photos), files=wrong), QUIET)
    with pytest.raises(GateMissedError, match="no better than chance") as caught:
        evaluate.gate(lost, force=False)
    assert "--input-range" in caught.value.hint
    assert "no better than chance" in (evaluate.gate(lost, force=True) or "")
    assert "images are right" in json.loads(json.dumps(lost.to_json()))["chance"]
    assert json.loads(json.dumps(result.to_json()))["chance"] is None


def test_quantize_finds_the_range_and_writes_nothing_at_chance(files, tmp_path) -> None:
    model, photos = files

    def run(out: Path, **more):
        job = quantize.QuantizeJob(
            resolve(model), get_recipe("float32"), str(photos), output_dir=out, **more
        )
        return quantize.run(job, QUIET)

    outcome = run(tmp_path / "good")
    told = outcome.to_json()
    assert (told["input_range"]["name"], told["chance"]) == ("0..1", None)
    # The spec travels with the file, and says so when it is asked.
    request = evaluate.EvalRequest(resolve(Path(told["files"]["model"])), str(photos))
    again = evaluate.run(request, QUIET)
    assert again.metric.value > 0.9
    assert again.input_range is not None and again.input_range.source == "file"
    wrong = {"input": RangeOptions("0..0.001", "rgb")}
    with pytest.raises(GateMissedError, match="the float model is no better than chance"):
        run(tmp_path / "bad", **wrong)
    assert not (tmp_path / "bad").exists()
    forced = run(tmp_path / "bad", **wrong, force=True)
    assert forced.chance is not None and forced.chance in forced.result.warnings


def test_bench_judges_a_bare_file_on_named_data(files) -> None:
    model, photos = files
    found = quality_beside_reference(
        resolve(model), None, None, QUIET, QualityData(str(photos), RangeOptions("0..1"))
    )
    assert found is not None and found["n"] == 240
    assert found["compiled"] == found["reference"] > 0.9
    assert quality_beside_reference(resolve(model), None, None, QUIET) is None
