"""eval -t: which models are measured, in which order, and what a bundle keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.errors import UsageError
from edgecnn.core.metric import Metric
from edgecnn.core.progress import SilentProgress
from edgecnn.core.runtime import Predictor
from edgecnn.jobs import side_by_side
from edgecnn.jobs.evaluate import EvalRequest, EvalResult
from edgecnn.jobs.place import Place
from edgecnn.jobs.reference import ModelRef
from targets.base import ModelFile, RunningModel, RunOptions, Target
from tests.builders import tiny_classifier


class Core:
    """A target that opens models and is asked nothing of them."""

    name = "cortex-m7"
    opened = closed = 0

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        self.opened += 1
        yield RunningModel(cast(Predictor, None), "nowhere")
        self.closed += 1


def bundle_at(folder: Path, *variants: str) -> Bundle:
    manifest = Manifest("m", "detect", ("a",), 1, default_variant="int8", data={"source": "scenes"})
    bundle = Bundle.create(folder, manifest)
    with bundle.edit() as edit:
        for name in variants:
            edit.write(f"variants/{name}/model.tflite", tiny_classifier())
    return bundle.reload()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[EvalRequest]:
    """Every evaluation that was asked for; each finds a little less than the one before."""
    seen: list[EvalRequest] = []

    def run(request: EvalRequest, progress: object, running: RunningModel | None) -> EvalResult:
        assert (running is None) == (request.place.target is None)
        assert running is None or running.runs == "nowhere"
        seen.append(request)
        value = 0.9 - len(seen) / 100
        metric = Metric("map50", value, 9, value - 0.1, 1.0, extra={"curves": {"a": [1.0]}})
        return EvalResult("detect", metric, ("a",), (), request.variant or "int8")

    monkeypatch.setattr(side_by_side, "run", run)
    return seen


def evaluate(bundle: Bundle, **fields) -> EvalResult:
    core = Core()
    reference = ModelRef("bundle", bundle.root, bundle)
    place = Place(cast(Target, core))
    request = EvalRequest(reference, fields.pop("data", None), place=place, **fields)
    try:
        return side_by_side.run_side_by_side(request, SilentProgress())
    finally:
        assert core.closed == core.opened


def test_float_then_int8_then_the_c_on_the_core(asked: list[EvalRequest], tmp_path: Path) -> None:
    bundle = bundle_at(tmp_path / "b", "float32", "int8")
    result = evaluate(bundle)
    assert [row.name for row in result.compared] == ["float32", "int8", "cortex-m7"]
    assert [(item.variant, item.place.name) for item in asked] == [
        ("float32", "this machine"), (None, "this machine"), (None, "cortex-m7")
    ]  # fmt: skip
    points = [row.loss.points for row in result.compared if row.loss]
    assert points == pytest.approx([1.0, 2.0])
    kept = bundle.reload().read_json("targets/cortex-m7/int8/eval.json")
    assert [row["name"] for row in kept["compared"]] == ["float32", "int8", "cortex-m7"]
    assert "curves" not in kept["compared"][0]["metric"]


@pytest.mark.parametrize("fields", [{"limit": 3}, {"split": "val"}, {"data": "elsewhere"}])
def test_only_the_whole_of_its_own_test_images_is_kept(
    fields: dict, asked: list[EvalRequest], tmp_path: Path
) -> None:
    bundle = bundle_at(tmp_path / "b", "int8")
    result = evaluate(bundle, **fields)
    assert [row.name for row in result.compared] == ["int8", "cortex-m7"]
    assert not bundle.reload().has("targets/cortex-m7/int8/eval.json")


def test_there_is_no_c_before_quantization(asked: list[EvalRequest], tmp_path: Path) -> None:
    bundle = bundle_at(tmp_path / "b")
    with bundle.edit() as edit:
        edit.write("model.keras", b"k")
    with pytest.raises(UsageError, match="not quantized yet"):
        evaluate(bundle.reload())
    assert not asked
