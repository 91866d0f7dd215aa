"""``<name>_preprocess``: byte for byte what edgecnn.core.imaging makes of a frame."""

from __future__ import annotations

import ctypes
import shutil
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edgecnn.core import numpy_resize
from edgecnn.core.imaging import Preprocessor
from edgecnn.core.lcg import fnv1a
from edgecnn.core.preprocess import Colour, Fit, ImageInput, Resize
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.kernels import with_includes
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.harness import (
    STRICT,
    Library,
    Runner,
    compiler,
    run_tool,
    write,
)
from tests.firmware_glue.compiler.stage_models import (
    FORMATS,
    FrameMapC,
    frame_bytes,
    image_model,
    preprocess,
    with_specs,
)

SIZES = ((24, 24), (17, 31), (40, 9), (1, 1), (13, 64), (32, 20), (5, 256), (8, 24))
EDGES = ((1, 1), (1, 97), (211, 1), (2, 2), (3, 700), (900, 2), (512, 3))


def _specs() -> dict[str, tuple[ImageInput, str]]:
    """Every fit × resize × colour; sizes, tables and dtypes take turns."""
    rng = np.random.default_rng(4)
    found = {}
    kinds = product(get_args(Fit), get_args(Resize), get_args(Colour))
    for k, (fit, resize, colour) in enumerate(kinds):
        height, width = SIZES[k % len(SIZES)]
        several = colour != "gray" and k % 2 == 1
        count = 3 if several else 1
        image = ImageInput(
            "image", height, width, colour, fit, resize,
            tuple(rng.uniform(0.002, 0.01, count).tolist()),
            tuple(rng.uniform(-0.5, 0.1, count).tolist()), pad_value=int(rng.integers(256)),
        )  # fmt: skip
        found[f"m{k}"] = (image, ("int8", "uint8", "float32")[k % 3])
    return found


SPECS = _specs()


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    library = Library(tmp_path_factory.mktemp("preprocess"))
    for name, (image, dtype) in SPECS.items():
        library.add(image_model(image, dtype, 1 / 200, {"int8": -90}.get(dtype, 20)), name)
    library.build()
    return {name: library.runner(name) for name in SPECS}


def _expected(runner: Runner, image: ImageInput) -> Preprocessor:
    io = runner.model.inputs[0]
    return Preprocessor(image, TensorInfo("image", io.shape, io.dtype, io.scale, io.zero_point))


def _frame_sizes(rng: np.random.Generator, image: ImageInput) -> list[tuple[int, int]]:
    """Edge cases, random sizes, and whole multiples of the tensor (``area``'s own)."""
    sizes = [EDGES[k] for k in rng.choice(len(EDGES), 3, replace=False)]
    sizes += [tuple(map(int, rng.integers(1, 150, 2))) for _ in range(6)]
    factors = rng.integers(1, 6, (3, 2)).tolist()
    sizes += [(image.width * fx, image.height * fy) for fx, fy in factors]
    square = int(rng.integers(2, 5))
    return [*sizes, (image.width * 2, image.height * 2), (image.width * square,) * 2]


@pytest.mark.parametrize("name", SPECS)
def test_equals_python(name: str, runners: dict[str, Runner]) -> None:
    rng = np.random.default_rng([7, int(name[1:])])
    runner, image = runners[name], SPECS[name][0]
    reference = _expected(runner, image)
    for k, (width, height) in enumerate(_frame_sizes(rng, image)):
        kind = FORMATS[k % len(FORMATS)]
        rows, frame = frame_bytes(rng, width, height, kind, extra=int(rng.integers(0, 9)))
        expected, frame_map = reference(frame)
        tensor, ours = preprocess(runner, rows, width, height, kind)
        np.testing.assert_array_equal(tensor, expected, f"{image} {kind} {width}×{height}")
        assert (ours.frame_width, ours.frame_height) == (width, height)
        scale = (ours.width / ours.fit_width, ours.height / ours.fit_height)
        assert scale == (frame_map.scale_x, frame_map.scale_y)
        assert ours.x - ours.left * scale[0] == frame_map.offset_x
        assert ours.y - ours.top * scale[1] == frame_map.offset_y


def test_largest_frames(runners: dict[str, Runner]) -> None:
    rng = np.random.default_rng(1)
    for name, size in (("m0", (4096, 33)), ("m3", (21, 4096)), ("m13", (4096, 6))):
        rows, frame = frame_bytes(rng, *size, "rgb888")
        expected, _ = _expected(runners[name], SPECS[name][0])(frame)
        tensor, _ = preprocess(runners[name], rows, *size, "rgb888")
        np.testing.assert_array_equal(tensor, expected)


def test_refuses_what_it_cannot_take(runners: dict[str, Runner]) -> None:
    runner = runners["m0"]
    rows = np.zeros((8, 24), np.uint8)
    frame, before = ctypes.c_void_p(rows.ctypes.data), runner.arena.copy()
    for arguments, code in (
        ((None, 8, 8, 24, 0), -1),
        ((frame, 0, 8, 24, 0), -2),
        ((frame, 8, 0, 24, 0), -2),
        ((frame, -1, 8, 24, 0), -2),
        ((frame, 8, 4097, 24, 0), -2),
        ((frame, 4097, 1, 1 << 20, 0), -2),
        ((frame, 8, 8, 23, 0), -2),
        ((frame, 8, 8, -24, 0), -2),
        ((frame, 8, 8, 24, 5), -3),
        ((frame, 8, 8, 24, -1), -3),
    ):
        assert runner.call("preprocess", *arguments, ctypes.byref(FrameMapC())) == code
    np.testing.assert_array_equal(runner.arena, before)
    assert runner.call("preprocess", frame, 8, 8, 24, 0, None) == 0


_AXES = """
#include "edgecnn_resample.h"
void linear(int size, int target, int *at);
void nearest(int size, int target, int *at);
void linear(int size, int target, int *at) {
    ec_linear a = ec_linear_start(size, target);
    for (int i = 0; i < target; ++i) { at[i] = ec_linear_next(&a); }
}
void nearest(int size, int target, int *at) {
    ec_nearest a = ec_nearest_start(size, target);
    for (int i = 0; i < target; ++i) { at[i] = ec_nearest_next(&a); }
}
"""


def test_axes_follow_float64(tmp_path: Path) -> None:
    """Multiples of 256 and whole ratios are where the roundings of float64 decide."""
    for name, text in with_includes({"edgecnn_resample.h"}).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "axes.c").write_text(_AXES)
    target_file = tmp_path / "axes.so"
    run_tool(
        [*compiler(), "-std=c99", "-O1", "-shared", "-fPIC", tmp_path / "axes.c", "-o", target_file]
    )
    handle = ctypes.CDLL(str(target_file))
    rng = np.random.default_rng(12)
    pairs = [(int(s), int(t)) for s, t in rng.integers(1, 4097, (150, 2))]
    pairs += [(int(rng.integers(1, 4097)), 256 * int(rng.integers(1, 33))) for _ in range(400)]
    pairs += [(int(s), 256) for s in rng.choice(4096, 400, replace=False) + 1]
    for a, b, k in rng.integers(1, 12, (300, 3)):
        pairs.append((int(a * k * 31), int(b * k * 31)))
    pairs += [(1, 8192), (4096, 8192), (4096, 1), (4095, 8192), (3, 768), (1, 1)]
    for size, target in pairs:
        at = np.zeros(target, np.intc)
        pointer = ctypes.c_void_p(at.ctypes.data)
        handle.nearest(size, target, pointer)
        np.testing.assert_array_equal(at, numpy_resize._nearest_index(size, target))
        handle.linear(size, target, pointer)
        left, weight = numpy_resize._linear_taps(size, target)
        np.testing.assert_array_equal(at, left * 256 + weight, f"{size} to {target}")


def test_clean_and_sanitized(tmp_path: Path) -> None:
    """Frames of exactly their size on the heap, under ASan and UBSan; hashes are checked."""
    if shutil.which("cc") is None:
        pytest.skip("no system compiler")
    names = ("m0", "m5", "m7", "m10", "m14", "m17", "m18", "m22", "m26")
    sizes = (*EDGES, (64, 48), (48, 64))
    calls, includes, expected = [], [], []
    for name in names:
        image, dtype = SPECS[name]
        model = compile_model(read_model(image_model(image, dtype, 0.004, 3)), name=name)
        write(model, tmp_path / name)
        includes += [f'#include "{name}/{p}"' for p in model.files if p.endswith(".c")]
        io = model.inputs[0]
        reference = Preprocessor(image, TensorInfo("image", io.shape, io.dtype, io.scale, 3))
        for k, (width, height) in enumerate(sizes):
            gray = k % 2
            calls.append(
                f"    {{ {name}_state s; uint8_t *a = (uint8_t *)aligned_alloc(16,"
                f" ({name}_ARENA_BYTES + 15) / 16 * 16); {name}_init(&s, a);"
                f" check({name}_preprocess(&s, frame({width * height * (1 if gray else 3)}),"
                f" {width}, {height}, {width * (1 if gray else 3)},"
                f" {'EC_GRAY8' if gray else 'EC_BGR888'}, NULL),"
                f" a + {name}_INPUT0_OFFSET, {name}_INPUT0_BYTES); free(a); }}"
            )
            shape = (height, width) if gray else (height, width, 3)
            count = int(np.prod(shape))
            frame = (np.arange(count) * 37 + (np.arange(count) >> 3)).astype(np.uint8)
            expected.append(f"{fnv1a(reference(frame.reshape(shape))[0].tobytes()):08x}")
    unit = tmp_path / "all.c"
    unit.write_text("\n".join([_MAIN_HEAD, *includes, _MAIN, *calls, "return 0; }", ""]))
    for kind in (["-std=c99"], ["-std=c++11", "-x", "c++"]):
        run_tool([*compiler(), *kind, *STRICT, "-pedantic", "-fsyntax-only", unit])
    program = tmp_path / "run"
    flags = ["-std=c11", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    run_tool([*compiler(), *flags, unit, "-o", program])
    assert run_tool([program]).stdout.split() == expected


_MAIN_HEAD = "#include <stdio.h>\n#include <stdlib.h>\nvoid *aligned_alloc(size_t, size_t);"
_MAIN = """
static uint8_t *last;
static const uint8_t *frame(int count) {
    last = (uint8_t *)malloc((size_t)count);
    for (int i = 0; i < count; ++i) { last[i] = (uint8_t)(i * 37 + (i >> 3)); }
    return last;
}
static void check(int code, const uint8_t *tensor, int count) {
    uint32_t hash = 2166136261u;
    for (int i = 0; i < count; ++i) { hash = (hash ^ tensor[i]) * 16777619u; }
    if (code != 0) { exit(1); }
    printf("%08x\\n", (unsigned)hash);
    free(last);
}
int main(void) {
"""


def test_shared_kernels_are_clean(tmp_path: Path) -> None:
    image, dtype = SPECS["m0"]
    model = compile_model(read_model(image_model(image, dtype)), name="shared")
    sources = write(model, tmp_path)
    for source in sources:
        run_tool([*compiler(), "-std=c99", "-DEDGECNN_SHARE_ALL", *STRICT, "-fsyntax-only", source])


def test_nothing_without_a_spec() -> None:
    model = compile_model(read_model(tiny_classifier()), name="tiny")
    assert not any("process" in name or "frame" in name for name in model.files)
    assert "No preprocess: the model has no preprocess spec embedded." in model.files["tiny.h"]
    assert len(model.notes) == 2


def test_says_why_there_is_none() -> None:
    image = ImageInput("image", 8, 8)
    data = image_model(ImageInput("picture", 8, 8), "int8")
    model = compile_model(read_model(with_specs(data, image)), name="odd")
    assert "odd_preprocess.c" not in model.files
    assert "the spec describes 'image' [1, 8, 8, 3]" in model.notes[0]
    assert model.notes[0] in model.files["odd.h"]
