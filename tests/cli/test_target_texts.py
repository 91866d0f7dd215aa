"""What check, compile and bench print of a model: causes once, agreement as it was found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.cli import main
from edgecnn.cli.bench import _agreement, _golden
from targets.base import BenchReport
from tests.builders import ModelBuilder


def call(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(item) for item in arguments])
    return code, *capfd.readouterr()


def chain(path: Path, code: str, count: int) -> Path:
    build = ModelBuilder()
    x = last = build.tensor((1, 8), "float32", name="x")
    for number in range(count):
        after = build.tensor((1, 8), "float32", name=f"layer{number}")
        build.op(code, [last], [after])
        last = after
    path.write_bytes(build.build([x], [last]))
    return path


def svdf8(path: Path) -> Path:
    """TFLite Micro's SVDF, whose state is int8."""
    build = ModelBuilder()
    x = build.tensor((1, 8), "int8", 0.1, name="x")
    feature = build.tensor((4, 8), "int8", 0.02, data=np.ones((4, 8)))
    times = build.tensor((4, 5), "int8", 0.01, data=np.ones((4, 5)))
    bias = build.tensor((4,), "int32", 0.001, data=np.zeros(4))
    state = build.tensor((1, 20), "int8", 0.1, variable=True)
    y = build.tensor((1, 4), "int8", 0.1, name="y")
    build.op(
        "SVDF", [x, feature, times, bias, state], [y], rank=1, fused_activation_function="RELU"
    )
    path.write_bytes(build.build([x], [y]))
    return path


def test_check_and_compile_name_a_cause_once_and_hint_alike(tmp_path: Path, capfd) -> None:
    model = chain(tmp_path / "m.tflite", "HASHTABLE_LOOKUP", 30)
    code, out, err = call(capfd, "check", model, "-t", "cortex-m4")
    assert code == 1 and "None" not in out + err
    assert out.count("HASHTABLE_LOOKUP") == 2  # the op, and the value that the rule got
    first, hint = err.strip().splitlines()
    assert first == "error: 30 of 30 ops do not run on cortex-m4"
    code, _, err = call(capfd, "compile", model, "-t", "cortex-m4", "-o", tmp_path / "out")
    lines = err.strip().splitlines()
    assert code == 1 and len(lines) == 3
    assert "#0 HASHTABLE_LOOKUP 'layer0'" in lines[1] and "and 21 more" in lines[1]
    assert lines[2] == hint and "docs/ops.md" in hint and "-t host" not in hint
    assert max(map(len, lines)) < 250
    code, out, _ = call(capfd, "check", model, "-t", "cortex-m4", "--verbose")
    assert code == 1 and out.count("layer2") == 11  # 2, 20 … 29: every op


def test_a_target_that_runs_the_model_is_named_where_one_does(tmp_path: Path, capfd) -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4, 4, 2), "float32"), build.tensor((1, 4, 4, 3), "float32")
    w = build.tensor((3, 1, 1, 2), "int8", 0.1, data=np.ones((3, 1, 1, 2)))
    b = build.tensor((3,), "float32", data=np.zeros(3))
    build.op("CONV_2D", [x, w, b], [y])
    path = tmp_path / "m.tflite"
    path.write_bytes(build.build([x], [y]))
    _, _, err = call(capfd, "check", path, "-t", "cortex-m4")
    assert "edgecnn quantize" in err
    assert err.rstrip().endswith("-t host and -t pi5 run it as it is")


def test_int8_svdf_is_taken_by_all_where_the_hint_leads(tmp_path: Path, capfd) -> None:
    model = svdf8(tmp_path / "svdf.tflite")
    code, _, err = call(capfd, "check", model, "-t", "cortex-m4")
    assert code == 1 and "hint: add --numerics tflm" in err and "-t host" not in err
    numerics = ("-t", "cortex-m4", "--numerics", "tflm")
    assert call(capfd, "check", model, *numerics)[0] == 0
    code, out, _ = call(capfd, "bench", model, *numerics)
    assert code == 0
    assert "not replayed" in out and "LiteRT does not run this model" in out


@pytest.mark.parametrize(
    ("fields", "rows", "golden"),
    [
        ({}, [], "not replayed"),
        (
            {"bit_exact": True, "replayed": True, "max_diff_lsb": 0},
            [("bit-exact", "yes")],
            "none; lcg:1 agrees with LiteRT",
        ),
        (
            {"bit_exact": False, "replayed": False, "max_diff_lsb": 9, "golden_samples": 4},
            [("bit-exact", "no (max difference 9 LSB)")],
            "4 samples replayed, disagrees",
        ),
        (
            {"bit_exact": False, "replayed": True, "max_abs_diff": 2.5e-7, "max_rel_diff": 5e-7},
            [("difference from LiteRT", "2.5e-07 at most, 5e-07 of the largest value")],
            "none; lcg:1 agrees with LiteRT",
        ),
    ],
)
def test_how_bench_says_that_outputs_agree(
    fields: dict, rows: list[tuple[str, str]], golden: str
) -> None:
    report = BenchReport("t", "ms", **fields)
    assert _agreement(report) == rows
    assert _golden(report) == golden


def test_limits_are_sizes_with_a_unit(tmp_path: Path, capfd) -> None:
    model = chain(tmp_path / "m.tflite", "RELU", 1)
    for verb in ("check", "bench", "compile"):
        for flag in ("--max-ram", "--max-flash"):
            code, _, err = call(capfd, verb, model, "-t", "cortex-m4", flag, "64q")
            assert code == 2 and f"{flag} '64q' is no number of bytes" in err
    code, _, err = call(capfd, "check", model, "-t", "host", "--max-ram", "64k")
    assert code == 1 and "host gives no figure for --max-ram" in err


def test_an_input_range_without_data_is_not_ignored(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = chain(tmp_path / "m.tflite", "RELU", 1)
    code, _, err = call(capfd, "bench", model, "-t", "host", "--input-range", "0..1")
    assert code == 2
    assert "--input-range says what the images of --data mean" in err
    assert "hint: add --data" in err
