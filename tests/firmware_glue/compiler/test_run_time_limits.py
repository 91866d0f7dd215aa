"""Values at which LiteRT stops while it runs: the C reads nothing outside and gives a known result.

And models that LiteRT gets wrong, or that need a clear answer: each limit rejects by its rule.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import check_ops
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.harness import Library


def _two(code: str, dtype: str, shape: tuple[int, ...] = (4,)) -> bytes:
    build = ModelBuilder()
    scale = (0.5, 0) if dtype == "int8" and code == "DIV" else ()
    x, y, out = (build.tensor(shape, dtype, *scale) for _ in range(3))
    build.op(code, [x, y], [out])
    return build.build([x, y], [out])


def _gather(index: str) -> bytes:
    build = ModelBuilder()
    x, i = build.tensor((3, 2), "int32"), build.tensor((4,), index)
    y = build.tensor((4, 2), "int32")
    build.op("GATHER", [x, i], [y], axis=0)
    return build.build([x, i], [y])


_X = [9, -9, 1, 0]
RUN_TIME = {
    "div_int8": (_two("DIV", "int8"), [_X, [0, 0, 0, 0]], [0, 0, 0, 0]),
    "div_int32": (_two("DIV", "int32"), [_X, [0, 2, -1, 0]], [0, -4, -1, 0]),
    "div_lowest": (_two("DIV", "int32"), [[-(2**31)] * 4, [-1] * 4], [-(2**31)] * 4),
    "floor_div": (_two("FLOOR_DIV", "int32"), [_X, [0, 2, -1, 0]], [0, -5, -1, 0]),
    "floor_div_lowest": (_two("FLOOR_DIV", "int8"), [[-128] * 4, [-1] * 4], [-128] * 4),
    "floor_mod": (_two("FLOOR_MOD", "int64"), [_X, [0, 2, -1, 0]], [0, 1, 0, 0]),
    "pow": (_two("POW", "int32"), [[2, 2, -1, 0], [-1, 31, 3, 0]], [0, -(2**31), -1, 1]),
    "gather": (
        _gather("int32"), [[[0, 1], [2, 3], [4, 5]], [-1, 3, 2**31 - 1, 1]],
        [[0, 1], [4, 5], [4, 5], [2, 3]],
    ),
    "gather_wide": (
        _gather("int64"), [[[0, 1], [2, 3], [4, 5]], [-(2**63), 2**62, 0, 1]],
        [[0, 1], [4, 5], [0, 1], [2, 3]],
    ),
}  # fmt: skip
"""(model, inputs, outputs): division by 0 gives 0, an index outside is the nearest inside."""


def test_what_litert_stops_at_has_a_result(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for name, (data, _, _) in RUN_TIME.items():
        library.add(data, name)
    library.build("-fsanitize=undefined", "-fno-sanitize-recover=all")
    for name, (data, inputs, wanted) in RUN_TIME.items():
        model = read_model(data).main
        arrays = [
            np.array(value, model.tensors[i].dtype.value)
            for value, i in zip(inputs, model.inputs, strict=True)
        ]
        (got,) = library.runner(name)(arrays)
        np.testing.assert_array_equal(got, np.array(wanted, got.dtype), err_msg=name)


def _quantized(code: str, scales: tuple[float, float, float], out: str = "int8") -> bytes:
    build = ModelBuilder()
    x, y = (build.tensor((2, 2), "int8", s, 0) for s in scales[:2])
    z = build.tensor((2, 2), out, *((scales[2], 0) if out == "int8" else ()))
    build.op(code, [x, y], [z])
    return build.build([x, y], [z])


def _shifted(code: str, scales: tuple[float, ...], shapes: tuple[tuple[int, ...], ...]) -> bytes:
    build = ModelBuilder()
    x, y = (build.tensor(shape, "int16", s, 0) for shape, s in zip(shapes, scales[:2], strict=True))
    z = build.tensor((2, 2), "int16", scales[2], 0)
    build.op(code, [x, y], [z], pot_scale_int16=True)
    return build.build([x, y], [z])


def _moved(code: str, operands: list[object], out: tuple[int, ...], **options: object) -> bytes:
    build = ModelBuilder()
    x = build.tensor((2, 3), "int8", 0.1, 0)
    given = [build.tensor(np.shape(v), "int32", data=np.array(v)) for v in operands]
    y = build.tensor(out, "int8", 0.1, 0)
    build.op(code, [x, *given], [y], **options)
    return build.build([x], [y])


def _run_time_size() -> bytes:
    build = ModelBuilder()
    x, begin, size = (build.tensor((2,), dtype) for dtype in ("float32", "int32", "int32"))
    y = build.tensor((2,), "float32")
    build.op("SLICE", [x, begin, size], [y])
    return build.build([x, begin, size], [y])


_SAME = ((2, 2), (2, 2))
LIMITS: dict[str, tuple[Callable[[], bytes], str]] = {
    "tiny output scale": (lambda: _quantized("ADD", (0.5, 0.5, 1e-8)), "must not be tiny"),
    "product": (lambda: _quantized("MUL", (9e3, 9e3, 1e-8)), "must fit the output's"),
    "quotient": (lambda: _quantized("DIV", (9e3, 0.1, 0.1)), "must fit the output's"),
    "scale of 1": (lambda: _quantized("LESS", (1.0, 0.5, 1), "bool"), "below 1"),
    "bool output": (lambda: _quantized("LESS", (0.1, 0.5, 0.1)), "Output 0 must be bool"),
    "coarser input": (lambda: _shifted("ADD", (2.0, 1.0, 1.0), _SAME), "by a shift to the right"),
    "two finer": (lambda: _shifted("SUB", (0.5, 0.5, 1.0), _SAME), "by a shift to the right"),
    "broadcast": (
        lambda: _shifted("ADD", (1.0, 0.5, 1.0), ((2, 2), (2, 1))), "by a shift to the right"
    ),
    "negative axes": (lambda: _moved("TRANSPOSE", [[-1, 0]], (3, 2)), "count from the end"),
    "mirror": (
        lambda: _moved("MIRROR_PAD", [[[2, 0], [0, 0]]], (4, 3), mode="REFLECT"),
        "must not be larger",
    ),
    "offset": (
        lambda: _moved("STRIDED_SLICE", [[1, 0], [2, 1], [1, 1]], (1, 1), offset=True),
        "must stay inside",
    ),
    "index": (lambda: _moved("GATHER", [[2]], (1, 3), axis=0), "must lie inside"),
    "dropped axis": (
        lambda: _moved("STRIDED_SLICE", [[2], [3], [1]], (3,), shrink_axis_mask=1), "fit each other"
    ),
    "slice": (lambda: _moved("SLICE", [[1, 0], [2, 3]], (2, 3)), "fit each other"),
    "run time": (_run_time_size, "must be a constant"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_limits_name_their_rule(name: str) -> None:
    make, words = LIMITS[name]
    (problem,) = check_ops(read_model(make()))
    assert words in str(problem)
