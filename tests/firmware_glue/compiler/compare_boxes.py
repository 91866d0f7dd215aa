"""The boxes of generated C beside those of edgecnn.core.decode."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.imaging import resize_to_spec
from edgecnn.core.postprocess import CenterSpec, DetectSpec, ListedSpec, PostprocessSpec
from edgecnn.core.preprocess import ImageInput
from tests.firmware_glue.compiler.harness import Library, Runner
from tests.firmware_glue.compiler.stage_cases import fill, read_boxes, same_boxes
from tests.firmware_glue.compiler.stage_models import frame_bytes, preprocess

BoxCase = tuple[bytes, DetectSpec | ListedSpec | CenterSpec, ImageInput]
Case = tuple[bytes, PostprocessSpec, ImageInput]


def built(cases: Mapping[str, Case], folder: pytest.TempPathFactory) -> dict[str, Runner]:
    """All of them in one library: a compiler run is what is dear."""
    library = Library(folder.mktemp("dense"))
    for name, case in cases.items():
        model = library.add(case[0], name)
        assert f"{name}_postprocess.c" in model.files, model.stage_notes
    library.build()
    return {name: library.runner(name) for name in library.models}


def put(runner: Runner, name: str, values: np.ndarray) -> None:
    """Puts values where the model would leave them."""
    io = next(io for io in runner.model.outputs if io.name == name)
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    runner.arena[io.offset : io.offset + io.nbytes] = raw


def _candidates(runner: Runner) -> int:
    """How much scratch the header asks for."""
    header = runner.model.files[f"{runner.model.name}_postprocess.h"]
    found = re.search(r"_CANDIDATES (\d+)", header)
    assert found is not None
    return int(found.group(1))


def _settled(found: Detections) -> Detections:
    """Boxes whose scores differ in their last bits alone, in an order that these do not decide."""
    group = np.cumsum(np.diff(found.scores, prepend=np.float32(2)) < -2e-6)
    order = np.lexsort((*np.round(found.boxes, 1).T, found.classes, group))
    points = None if found.keypoints is None else found.keypoints[order]
    return Detections(found.boxes[order], found.scores[order], found.classes[order], points)


def compare(case: BoxCase, runner: Runner, rng: np.random.Generator) -> int:
    """Random outputs, on the tensor and on frames; how many boxes there were."""
    _, spec, image = case
    maps: list = [(None, None)]
    for width, height in ((64, 48), (33, 97), (640, 480)):
        rows, frame = frame_bytes(rng, width, height, "gray8")
        _, ours = preprocess(runner, rows, width, height, "gray8")
        maps.append((ours, resize_to_spec(image, frame)[1]))
    exact = spec.activation != "softmax" and all(
        io.dtype != "float32" for io in runner.model.outputs
    )
    room, seen = _candidates(runner), 0
    for spread in (0.3, 0.8, 1.5, 2.5):
        outputs, infos = fill(runner, rng, spread)
        largest = 4.0
        for ours, theirs in maps:
            expected = decode(spec, outputs, infos, theirs)
            assert isinstance(expected, Detections)
            if theirs is None and len(expected):
                largest = max(4.0, float(np.abs(expected.boxes).max()) / 32)
            zoom = largest * (1.0 if theirs is None else max(theirs.scale_x, theirs.scale_y))
            found = read_boxes(runner, ours, spec, room)
            if not exact:
                found, expected = _settled(found), _settled(expected)
            same_boxes(found, expected, zoom)
            seen += len(expected)
    return seen
