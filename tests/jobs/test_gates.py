"""Gates: a value over its limit fails by name, one within it passes, one not measured is said."""

import pytest

from edgecnn.core.bundle import Golden
from edgecnn.core.errors import GateMissedError
from edgecnn.core.metric import Metric
from edgecnn.jobs.on_targets import Gates, gate_bench, gate_check
from edgecnn.jobs.quantize import gate
from quantization.recipe import get_recipe
from quantization.types import Drop, LayerError, QuantizationResult
from targets.base import BenchReport, CheckReport, OpFinding


def bench(**fields) -> BenchReport:
    return BenchReport("t", **{"unit": "ms", "samples": (1.0, 2.0, 3.0), **fields})


@pytest.mark.parametrize(
    ("report", "gates", "needle"),
    [
        (bench(), Gates(max_p95_ms=2.0), "--max-p95-ms allows 2"),
        (bench(arena_bytes=90, stack_bytes=20), Gates(max_ram=100), "110 bytes, --max-ram"),
        (bench(code_bytes=60, weight_bytes=50), Gates(max_flash=100), "110 bytes, --max-flash"),
        (bench(), Gates(max_ram=100), "gives no figure for --max-ram"),
        (bench(unit="instructions"), Gates(max_p95_ms=1.0), "gives no figure for --max-p95-ms"),
    ],
)
def test_bench_gates_miss(report: BenchReport, gates: Gates, needle: str) -> None:
    with pytest.raises(GateMissedError) as caught:
        gate_bench(report, gates)
    assert needle in caught.value.message
    assert caught.value.exit_code == 1


def test_bench_gates_hold() -> None:
    gate_bench(
        bench(arena_bytes=90, code_bytes=60), Gates(max_p95_ms=3.0, max_ram=90, max_flash=60)
    )


def test_check_gates() -> None:
    ops = (OpFinding(0, "CONV_2D", "a", True), OpFinding(1, "ELU", "b", False, "no kernel"))
    gate_check(CheckReport("t", ops, {}, None), Gates(min_mapped=1))
    with pytest.raises(GateMissedError, match="1 of 2 ops map"):
        gate_check(CheckReport("t", ops, {}, True), Gates(min_mapped=2))
    with pytest.raises(GateMissedError, match="1 of 2 ops do not run on t") as caught:
        gate_check(CheckReport("t", ops, {"arena_bytes": None}, False), Gates())
    assert caught.value.details == ("#1 ELU 'b': no kernel",)
    with pytest.raises(GateMissedError, match="does not fit t: 9 bytes too many"):
        gate_check(CheckReport("t", ops[:1], {}, False, why="9 bytes too many"), Gates())
    with pytest.raises(GateMissedError, match="20 bytes, --max-ram allows 19") as caught:
        gate_check(CheckReport("t", ops[:1], {}, None, ram_bytes=20), Gates(max_ram=19))
    with pytest.raises(GateMissedError, match="gives no figure for --max-flash") as caught:
        gate_check(CheckReport("t", ops[:1], {}, None, ram_bytes=20), Gates(max_flash=19))


def test_a_cause_is_told_once() -> None:
    ops = tuple(
        OpFinding(i, "CONV_2D", f"layer{i}", False, f"bad: {i}", "quantize", "bad")
        for i in range(20)
    )
    other = OpFinding(20, "SIN", "wave", False, "no kernel", "use COS", "no kernel")
    with pytest.raises(GateMissedError) as caught:
        gate_check(CheckReport("t", (*ops, other), {}, False), Gates())
    first, second = caught.value.details
    assert first == (
        "#0 CONV_2D 'layer0': bad: 0 (so too #1, #2, #3, #4, #5, #6, #7, #8 and 11 more)"
    )
    assert second == "#20 SIN 'wave': no kernel"
    assert caught.value.hint == "quantize; use COS"
    assert "None" not in str(caught.value)


@pytest.mark.parametrize("passed", [True, False])
def test_drop_gate_names_the_worst_layers(passed: bool) -> None:
    layers = tuple(LayerError(i, "CONV_2D", f"layer{i}", 10.0 + i, 0.9) for i in range(8))
    empty = Golden({}, {})
    drop = Drop(1.25, 0.5, 2.0, 400, True)
    result = QuantizationResult(
        b"", b"", b"", get_recipe("int8"), empty, empty, layers, {}, drop, 1.0, passed
    )
    if passed:
        gate(result)
        return
    with pytest.raises(
        GateMissedError, match=r"loses 1\.25 points .* n = 400.* allows 1"
    ) as caught:
        gate(result)
    assert [line.split("'")[1] for line in caught.value.details] == [f"layer{i}" for i in range(5)]


def test_a_quantized_detector_that_finds_nothing_is_refused_without_any_gate() -> None:
    empty = Golden({}, {})
    extra = {"confusion": [[0, 30], [0, 0]], "boxes": 30}
    metrics = {
        "float": Metric("map50", 0.9, 25, 0.85, 0.95, extra={"confusion": [[28, 2], [1, 0]]}),
        "quantized": Metric("map50", 0.0, 25, 0.0, 0.0, extra=extra),
    }
    result = QuantizationResult(
        b"", b"", b"", get_recipe("int8"), empty, empty, (), metrics, None, None, True
    )
    with pytest.raises(GateMissedError, match="int8 model finds as good as nothing, the float"):
        gate(result)
    gate(result, force=True)
