"""Latency on this machine: ours against the bare interpreter with the same threads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from benchmarks.record import Record, conditions, shared
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import LiteRTPredictor

RUNS = 200
WARMUP = 20
FILES = ("mlperf_tiny/vww_96_int8.tflite", "mlperf_tiny/kws_ref_model.tflite")
NOTE = (
    f"Median of {RUNS} inferences each, interleaved one by one, one thread, milliseconds. Ours is"
    " Predictor.predict with named arrays in and out; the peer is ai-edge-litert's Interpreter"
    " with set_tensor, invoke, get_tensor. The ratio is what our layer costs."
)


def run() -> Record | None:
    """Times both on the same input; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    rows = []
    for file in FILES:
        data = (folder / "models" / file).read_bytes()
        ours, bare = _calls(data)
        medians = _interleaved(ours, bare)
        rows.append((file, *(round(ms, 4) for ms in medians), round(medians[0] / medians[1], 3)))
    columns = ("model", "ours ms", "bare interpreter ms", "ratio")
    return Record("host", columns, tuple(rows), NOTE, conditions())


def _calls(data: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
    """One inference through our predictor, and one through the bare interpreter."""
    from ai_edge_litert.interpreter import Interpreter

    predictor = LiteRTPredictor(data, threads=1)
    inputs = lcg_inputs(predictor.inputs)
    peer = Interpreter(model_content=data, num_threads=1)
    peer.allocate_tensors()
    into = [item["index"] for item in peer.get_input_details()]
    out = [item["index"] for item in peer.get_output_details()]

    def bare() -> None:
        for place, value in zip(into, inputs.values(), strict=True):
            peer.set_tensor(place, value)
        peer.invoke()
        for place in out:
            peer.get_tensor(place)

    return lambda: predictor.predict(inputs), bare


def _interleaved(*calls: Callable[[], object]) -> list[float]:
    """Median milliseconds of each call, taken in turn."""
    samples: list[list[float]] = [[] for _ in calls]
    for turn in range(RUNS + WARMUP):
        for call, kept in zip(calls, samples, strict=True):
            started = time.perf_counter()
            call()
            if turn >= WARMUP:
                kept.append((time.perf_counter() - started) * 1e3)
    return [statistics.median(part) for part in samples]
