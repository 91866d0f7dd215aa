"""Where a model runs: what runs it ends with the command, however the command ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.sources.several import named_sources
from edgecnn.core.errors import BundleError, CameraError, UsageError
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.detect import DetectRequest, run
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.place import Place
from edgecnn.jobs.reference import resolve
from edgecnn.jobs.specs import in_litert
from targets.base import ModelFile, RunningModel, RunOptions, Target
from targets.table import get_target
from tests.builders import tiny_classifier


class Emulator:
    """A target that counts how many of its models are open."""

    name, open = "emulator", 0

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        self.open += 1
        try:
            yield in_litert(model, threads=1)
        finally:
            self.open -= 1


def request(folder: Path, target: Emulator, **fields: Any) -> DetectRequest:
    (folder / "m.tflite").write_bytes(tiny_classifier())
    cv2.imwrite(str(folder / "a.png"), np.zeros((16, 16, 3), np.uint8))
    files = SpecFiles(fields.pop("preprocess", None), input=RangeOptions("0..255", "rgb"))
    source = str(folder / fields.pop("source", "a.png"))
    place = Place(cast(Target, target))
    stage = NetworkStage(resolve(folder / "m.tflite"), files=files)
    return DetectRequest((stage,), named_sources([source]), LoopConfig(), place=place)


def test_it_is_open_while_frames_run_and_closed_afterwards(tmp_path: Path) -> None:
    target, seen, said = Emulator(), [], []
    summary = run(request(tmp_path, target), lambda *_: seen.append(target.open), said.append)
    assert (seen, target.open, summary.target) == ([1], 0, "emulator")
    assert said[0] == "runs on emulator: LiteRT"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_closed_after_an_error_in_the_loop(error: type[BaseException], tmp_path: Path) -> None:
    target = Emulator()

    def fail(*_: object) -> None:
        raise error

    with pytest.raises(error):
        run(request(tmp_path, target), fail)
    assert target.open == 0


def test_closed_where_the_source_or_a_spec_is_missing(tmp_path: Path) -> None:
    target = Emulator()
    with pytest.raises(CameraError):
        run(request(tmp_path, target, source="none.avi"))
    wrong = tmp_path / "pre.json"
    wrong.write_text("{}")
    with pytest.raises(BundleError):
        run(request(tmp_path, target, preprocess=wrong))
    assert target.open == 0


def test_a_target_that_only_estimates_names_those_that_run_models(tmp_path: Path) -> None:
    place = Place(get_target("ethos-u55-128"))
    with pytest.raises(UsageError) as caught:
        stages = request(tmp_path, Emulator()).stages
        run(DetectRequest(stages, named_sources(["0"]), LoopConfig(), place=place))
    assert caught.value.message == "'ethos-u55-128' runs no model here"
    for name in ("host", "pi5", "coral-usb", "cortex-m4", "pico"):
        assert name in caught.value.hint
    assert "ethos" not in caught.value.hint
