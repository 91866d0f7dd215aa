"""``<name>_postprocess``: the same classes and boxes as edgecnn.core.decode."""

from __future__ import annotations

import ctypes
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.activation import activate
from edgecnn.core.decode import decode
from edgecnn.core.detections import Classification, Detections
from edgecnn.core.imaging import FrameMap, Preprocessor, resize_to_spec
from edgecnn.core.postprocess import ClassifySpec, GridLevel
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.compiler.emit.postprocess_c import kernel
from firmware_glue.compiler.ops.spec import Params
from firmware_glue.compiler.postprocess import BoxStage, dense
from firmware_glue.compiler.postprocess import known as known_fields
from firmware_glue.compiler.specs import read_stages
from firmware_glue.kernels import kernel_text, with_includes
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.box_cases import CENTERS, LISTED
from tests.firmware_glue.compiler.compare_boxes import BoxCase
from tests.firmware_glue.compiler.dense_cases import DENSE
from tests.firmware_glue.compiler.harness import (
    STRICT,
    Library,
    Runner,
    compiler,
    run_tool,
    write,
)
from tests.firmware_glue.compiler.pose_cases import MAPS, POSES
from tests.firmware_glue.compiler.stage_cases import (
    CLASSIFIERS,
    DETECTORS,
    GRIDS,
    LABELS,
    fill,
    read_best,
    read_boxes,
    same_boxes,
)
from tests.firmware_glue.compiler.stage_models import (
    BoxC,
    CandidateC,
    FrameMapC,
    frame_bytes,
    preprocess,
    with_specs,
)
from tests.share import long_but_for

_BOXES: dict[str, BoxCase] = {**DETECTORS, **DENSE, **LISTED, **CENTERS}


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    library = Library(tmp_path_factory.mktemp("postprocess"))
    for name, case in {**CLASSIFIERS, **DETECTORS}.items():
        library.add(case[0], name)
    library.build()
    return {name: library.runner(name) for name in library.models}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classes_equal_python(name: str, runners: dict[str, Runner]) -> None:
    spec = CLASSIFIERS[name][1]
    for seed, spread in enumerate((0.1, 1.0, 3.0, 20.0)):
        outputs, infos = fill(runners[name], np.random.default_rng([seed, 3]), spread)
        expected = decode(spec, outputs, infos, None)
        assert isinstance(expected, Classification)
        best, score, scores = read_best(runners[name], len(spec.labels))
        np.testing.assert_allclose(scores, expected.scores, rtol=0, atol=1e-6)
        assert best == int(np.argmax(scores)) and score == scores[best]
        gap = expected.scores.max() - expected.scores[best]
        assert best == expected.best or gap < 1e-6


def _maps(
    runner: Runner, image: ImageInput, rng: np.random.Generator
) -> list[tuple[FrameMapC, FrameMap]]:
    sizes = [(64, 48), (33, 97), (500, 31), (1, 1), (2, 900), (1920, 1080)]
    found = []
    for width, height in sizes:
        rows, frame = frame_bytes(rng, width, height, "gray8")
        _, ours = preprocess(runner, rows, width, height, "gray8")
        found.append((ours, resize_to_spec(image, frame)[1]))
    return found


@pytest.mark.parametrize("name", DETECTORS)
def test_boxes_equal_python(name: str, runners: dict[str, Runner]) -> None:
    _, spec, image = DETECTORS[name]
    runner, rng = runners[name], np.random.default_rng(8)
    maps = _maps(runner, image, rng)
    seen = 0
    for spread in (0.3, 0.8, 1.5, 2.5, 4.0):
        outputs, infos = fill(runner, rng, spread)
        for ours, theirs in [(None, None), *maps]:
            expected = decode(spec, outputs, infos, theirs)
            assert isinstance(expected, Detections)
            zoom = 1.0 if theirs is None else max(theirs.scale_x, theirs.scale_y)
            same_boxes(read_boxes(runner, ours, spec, spec.candidates), expected, zoom)
            seen += len(expected)
    assert seen > 100


def test_bounded_scratch_keeps_the_best(runners: dict[str, Runner]) -> None:
    """With too little scratch: as if the other candidates had scored below the threshold."""
    _, spec, _ = DETECTORS["ltrb"]
    runner, rng = runners["ltrb"], np.random.default_rng(5)
    outputs, infos = fill(runner, rng, 2.0)
    scores = outputs["scores"].reshape(spec.candidates, -1)
    order = np.argsort(-scores.max(axis=1).astype(int), kind="stable")
    for room in (1, 2, 9, 30):
        fewer = {**outputs, "scores": np.full_like(outputs["scores"], -128)}
        kept = order[:room]
        fewer["scores"].reshape(spec.candidates, -1)[kept] = scores[kept]
        expected = decode(spec, fewer, infos, None)
        assert isinstance(expected, Detections)
        same_boxes(read_boxes(runner, None, spec, room), expected)
    everything = read_boxes(runner, None, spec, spec.candidates)
    few = read_boxes(runner, None, spec, spec.candidates, most=3)
    np.testing.assert_array_equal(few.boxes, everything.boxes[:3])


def test_not_a_number_finds_nothing(runners: dict[str, Runner]) -> None:
    runner, (_, spec, _) = runners["ltrbfloat"], DETECTORS["ltrbfloat"]
    for io in runner.model.outputs:
        raw = np.full(io.nbytes // 4, np.nan, np.float32).view(np.uint8)
        runner.arena[io.offset : io.offset + io.nbytes] = raw
    assert len(read_boxes(runner, None, spec, 10)) == 0
    io = next(io for io in runner.model.outputs if io.name == "scores")
    raw = np.full(io.nbytes // 4, 9, np.float32).view(np.uint8)
    runner.arena[io.offset : io.offset + io.nbytes] = raw
    assert len(read_boxes(runner, FrameMapC(9, 9, 0, 0, 9, 9, 0, 0, 64, 48), spec, 10)) == 0


def test_refuses_bad_arguments(runners: dict[str, Runner]) -> None:
    runner = runners["ltrb"]
    boxes, scratch, empty = (BoxC * 4)(), (CandidateC * 4)(), ctypes.byref(FrameMapC())
    for arguments in (
        (None, None, 4, scratch, 4),
        (None, boxes, 4, None, 4),
        (None, boxes, 0, scratch, 4),
        (None, boxes, 4, scratch, 0),
        (empty, boxes, 4, scratch, 4),
    ):
        assert runner.call("postprocess", *arguments) == -1


_EXP = """
#include "edgecnn_scores.h"
void powers(const float *x, float *y, int count);
void powers(const float *x, float *y, int count) {
    for (int i = 0; i < count; ++i) { y[i] = ec_exp(x[i]); }
}
"""


def test_exp_is_accurate(tmp_path: Path) -> None:
    for name, text in with_includes({"edgecnn_scores.h"}).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "exp.c").write_text(_EXP)
    shared = tmp_path / "exp.so"
    run_tool([*compiler(), "-O1", "-shared", "-fPIC", tmp_path / "exp.c", "-o", shared])
    x = np.concatenate([np.linspace(-87, 88, 20001), [0, -0.0, -1e-9]]).astype(np.float32)
    y = np.zeros_like(x)
    function = ctypes.CDLL(str(shared)).powers
    function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), len(x))
    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)), rtol=1.6e-7)
    assert y[-3] == y[-2] == y[-1] == 1
    x = np.array([-104.5, -np.inf, np.nan, -100], np.float32)
    function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), len(x))
    assert y[:3].tolist() == [0, 0, 0] and 0 < y[3] < 1e-40


def test_tables_are_the_decoders(runners: dict[str, Runner]) -> None:
    stage = read_stages(read_model(CLASSIFIERS["sigmoid8"][0])).after
    assert stage is not None and stage.table is not None
    io = runners["sigmoid8"].model.outputs[0]
    info = TensorInfo("scores", io.shape, io.dtype, io.scale, io.zero_point)
    values = activate(info.dequantize(np.arange(-128, 128)), "sigmoid")
    np.testing.assert_array_equal(stage.table, values)


def _structs(params: Params) -> dict[str, Params]:
    """Every struct of the initialiser, by name."""
    inner = [_structs(value) for _, value in params.fields if isinstance(value, Params)]
    return {params.struct: params} | {key: value for part in inner for key, value in part.items()}


@pytest.mark.parametrize(
    "name", ["ssd", "faces", "ssdop", "centernet", "movenet", "simcc", "posenet", "numbers"]
)
def test_params_follow_the_c_structs(name: str) -> None:
    """Initialisers are positional, so the order of fields is checked here."""
    stages = read_stages(read_model({**_BOXES, **POSES, **MAPS}[name][0]))
    assert stages.before is not None and stages.after is not None
    given = _structs(stages.before.params) | _structs(stages.after.params)
    for level in stages.after.levels if isinstance(stages.after, BoxStage) else ():
        given |= _structs(level)
    headers = ["edgecnn_frame.h", "edgecnn_scores.h", "edgecnn_boxes.h", kernel(stages.after)]
    text = "\n".join(kernel_text(header) for header in headers)
    declared = {
        struct: [
            re.sub(r"\[.*", "", name).strip()
            for line in body.split(";")
            if line.strip()
            for name in line.strip().split(" ", 1)[1].split(",")
        ]
        for body, struct in re.findall(r"typedef struct \{([^}]*)\} (\w+);", text)
    }
    for struct, item in given.items():
        assert declared[struct] == [name for name, _ in item.fields], struct


def test_what_the_c_does_not_know_is_left_out() -> None:
    """A field or a word that a later version of the specs adds is never misread."""
    data, spec, image = DETECTORS["ssd"]
    known = read_model(with_specs(data, image, spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "_CODINGS", ("ltrb",))
        (note,) = read_stages(known).notes
    assert note == "No postprocess: it does not know the coding 'center-size' of the spec."
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(known_fields._KNOWN, GridLevel, "rows cols stride")  # type: ignore[arg-type]
        (note,) = read_stages(known).notes
    assert note == "No postprocess: it does not know what 'anchors' is in the spec."


def test_camera_to_class(tmp_path: Path) -> None:
    """From frame to label, beside LiteRT's reference kernels."""
    image = ImageInput("image", 16, 16, "rgb", "crop", "area")
    spec = ClassifySpec("scores", LABELS)
    data = with_specs(tiny_classifier(), image, spec)
    library = Library(tmp_path)
    model = library.add(data, "tiny")
    library.build()
    runner, predictor = library.runner("tiny"), LiteRTPredictor(data, resolver="reference")
    reference, rng = Preprocessor(image, predictor.inputs[0]), np.random.default_rng(0)
    for width, height in ((160, 120), (32, 32), (47, 16), (31, 200)):
        rows, frame = frame_bytes(rng, width, height, "rgb565")
        outputs = predictor.predict({"image": reference(frame)[0]})
        expected = decode(spec, outputs, predictor.outputs, None)
        assert isinstance(expected, Classification)
        preprocess(runner, rows, width, height, "rgb565")
        assert runner.call("invoke") == 0
        best, _, scores = read_best(runner, len(LABELS))
        np.testing.assert_array_equal(scores, expected.scores)
        assert best == expected.best
    labels = (ctypes.c_char_p * len(LABELS)).in_dll(runner.handle, "tiny_labels")
    assert tuple(label.decode() for label in labels) == LABELS
    assert {"tiny_preprocess.c", "tiny_postprocess.h", "edgecnn_image.h"} <= set(model.files)


_FEW = ("ltrb", "softmaxwide", "softmaxu8", "pointsu8", "pointsnone", "faces", "posenetturned")
_REST = (
    *("ssdfloat", "yolov8", "levels", "pose", "ssdop", "multipose", "centerltrb", "landmarks"),
    *("simcc", "baselinefloat", "numbersfloat", "softmaxmapfloat"),
)


@pytest.mark.parametrize(
    ("names",), long_but_for([(_FEW,), (_REST,)], (_FEW,)), ids=["few", "rest"]
)
def test_clean_and_sanitized(names: tuple[str, ...], tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no system compiler")
    includes, calls = [], []
    for name in names:
        case = {**CLASSIFIERS, **GRIDS, **_BOXES, **POSES, **MAPS}[name]
        model = compile_model(read_model(case[0]), name=name)
        sources = write(model, tmp_path / name)
        includes += [f'#include "{p.relative_to(tmp_path)}"' for p in sources]
        start = (
            f"{{ {name}_state s; uint8_t *a = (uint8_t *)aligned_alloc(16,"
            f" ({name}_ARENA_BYTES + 15) / 16 * 16); {name}_init(&s, a);"
            f" for (int seed = 1; seed < 6; ++seed) {{ fill(a, {name}_ARENA_BYTES, seed);"
        )
        if name in _BOXES:
            pointed = f"{name}_KEYPOINTS" in model.files[f"{name}_postprocess.h"]
            points = f"5 * {name}_KEYPOINTS" if pointed else "1"
            run = (
                f" ec_candidate *c = (ec_candidate *)malloc(9 * sizeof *c);"
                f" ec_box *b = (ec_box *)malloc(5 * sizeof *b); ec_frame_map m;"
                f" ec_keypoint *k = (ec_keypoint *)malloc({points} * sizeof *k);"
                f" static uint8_t frame[300];"
                f" if ({name}_preprocess(&s, frame, 20, 15, 20, EC_GRAY8, &m) != 0) return 1;"
                f" fill(a, {name}_ARENA_BYTES, seed);"
                f" if ({name}_postprocess(&s, &m, b{', k' if pointed else ''}, 5, c, 9) < 0)"
                f" return 2; free(b); free(c); free(k); }}"
            )
        elif name in POSES:
            run = (
                f" ec_keypoint *k = (ec_keypoint *)malloc({name}_KEYPOINTS * sizeof *k);"
                f" ec_box b; if ({name}_postprocess(&s, NULL, &b, k) < 0) return 6; free(k); }}"
            )
        elif name in MAPS:
            run = (
                f" int16_t *c = (int16_t *)malloc({name}_COLS * sizeof *c);"
                f" float *x = (float *)malloc({name}_COLS * sizeof *x);"
                f" for (int r = 0; r < {name}_ROWS; ++r)"
                f" if ({name}_postprocess(&s, r, c, x) < 0) return 7; free(c); free(x); }}"
            )
        elif name in GRIDS:
            run = (
                f" ec_cell *c = (ec_cell *)malloc({name}_CELLS * sizeof *c); ec_frame_map m;"
                f" ec_point *o = (ec_point *)malloc(5 * sizeof *o); static uint8_t frame[300];"
                f" if ({name}_preprocess(&s, frame, 20, 15, 20, EC_GRAY8, &m) != 0) return 4;"
                f" fill(a, {name}_ARENA_BYTES, seed);"
                f" if ({name}_postprocess(&s, &m, o, 5, c) < 0) return 5; free(o); free(c); }}"
            )
        else:
            run = (
                f" float *x = (float *)malloc(sizeof(float) * {name}_CLASSES);"
                f" if ({name}_postprocess(&s, x, x) < 0) return 3; free(x); }}"
            )
        calls.append(start + run + " free(a); }")
    unit = tmp_path / "all.c"
    unit.write_text(
        "\n".join([_HEAD, *includes, _FILL, "int main(void) {", *calls, "return 0; }", ""])
    )
    for kind in (["-std=c99"], ["-std=c++11", "-x", "c++"]):
        run_tool([*compiler(), *kind, *STRICT, "-pedantic", "-fsyntax-only", unit])
    program = tmp_path / "run"
    flags = ["-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run_tool([*compiler(), *flags, unit, "-o", program])
    run_tool([program])


_HEAD = "#include <stdlib.h>\nvoid *aligned_alloc(size_t, size_t);"
# Any bytes: among them floats that are infinite, huge or no numbers.
_FILL = """
static void fill(uint8_t *a, int count, int seed) {
    uint32_t x = (uint32_t)seed;
    for (int i = 0; i < count; ++i) {
        x = x * 1664525u + 1013904223u;
        a[i] = (uint8_t)(x >> 24);
    }
}
"""
