"""Times inferences of a loaded model on this machine; shared by all targets that run here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.core.errors import UsageError
from edgecnn.core.lcg import lcg_inputs, outputs_fnv1a
from edgecnn.core.runtime import LiteRTPredictor, runtime_name
from targets.base import BenchReport, RunOptions
from targets.conditions import available_cores, machine_conditions, tainted_reasons
from targets.golden import Verdict


@dataclass(frozen=True)
class Loaded:
    """A model in the interpreter, after its first inference.

    Attributes:
        load_ms: reading the model and preparing it.
        first_ms: the first inference on ``lcg:1``.
        conditions: :func:`machine_conditions` before loading.
    """

    predictor: LiteRTPredictor
    threads: int
    load_ms: float
    first_ms: float
    conditions: Mapping[str, Any]


def load(
    data: bytes, options: RunOptions, default_threads: int, delegate: str | None = None
) -> Loaded:
    """Loads the model and runs it once.

    Raises:
        UsageError: fewer than one thread or run.
        ModelError: LiteRT refuses the model.
        TargetError: the delegate cannot be loaded.
    """
    threads = thread_count(options, default_threads)
    for what, value, least in (("runs", options.runs, 1), ("warm-up runs", options.warmup, 0)):
        _at_least(what, value, least)
    before = machine_conditions()
    start = time.perf_counter()
    predictor = LiteRTPredictor(data, threads=threads, delegate=delegate)
    load_ms = (time.perf_counter() - start) * 1e3
    first_ms = _timed_ms(predictor, lcg_inputs(predictor.inputs))
    return Loaded(predictor, threads, load_ms, first_ms, before)


def thread_count(options: RunOptions, default: int) -> int:
    """The threads that were asked for, or ``default``; no more than there are cores.

    Raises:
        UsageError: fewer than one.
    """
    threads = default if options.threads is None else options.threads
    _at_least("threads", threads, 1)
    return min(threads, available_cores())


def open_litert(
    data: bytes, options: RunOptions, default_threads: int, delegate: str | None = None
) -> tuple[LiteRTPredictor, str]:
    """The model in LiteRT, and that with its threads in words.

    Raises:
        UsageError: fewer than one thread.
        ModelError: LiteRT refuses the model.
        TargetError: the delegate cannot be loaded.
    """
    threads = thread_count(options, default_threads)
    words = f"LiteRT, {threads} thread{'s' * (threads != 1)}"
    return LiteRTPredictor(data, threads=threads, delegate=delegate), words


def _at_least(what: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(
            f"{value} {what}, expected at least {least}", hint="drop the flag for the default"
        )


def timed_report(
    target: str,
    loaded: Loaded,
    verdict: Verdict | None,
    options: RunOptions,
    doubts: tuple[str, ...] = (),
) -> BenchReport:
    """Warms up, takes ``options.runs`` samples, and reports with conditions and doubts.

    Args:
        target: its name.
        loaded: the model, after its first inference.
        verdict: how the outputs were judged; None where there is no reference.
        options: runs, warm-up, progress.
        doubts: reasons to distrust the figures, beside those that the conditions give.
    """
    predictor = loaded.predictor
    inputs = lcg_inputs(predictor.inputs)
    outputs = predictor.predict(inputs)
    for _ in range(options.warmup):
        predictor.predict(inputs)
    options.progress.stage("measure", options.runs)
    samples = []
    for _ in range(options.runs):
        samples.append(_timed_ms(predictor, inputs))
        options.progress.advance()
    after = machine_conditions()
    reasons = (*doubts, *tainted_reasons(loaded.conditions, after))
    return BenchReport(
        target,
        "ms",
        samples=tuple(samples),
        first=loaded.first_ms,
        output_fnv1a=verdict.output_fnv1a if verdict else outputs_fnv1a(outputs.values()),
        bit_exact=verdict.bit_exact if verdict else None,
        max_diff_lsb=verdict.max_diff_lsb if verdict else None,
        max_abs_diff=verdict.max_abs_diff if verdict else None,
        max_rel_diff=verdict.max_rel_diff if verdict else None,
        golden_samples=verdict.golden_samples if verdict else 0,
        numerics=options.numerics,
        replayed=verdict.replayed if verdict else False,
        decoded_equal=verdict.decoded_equal if verdict else None,
        conditions={
            **loaded.conditions,
            "temperature_after_c": after["temperature_c"],
            "load_average_after": after["load_average"],
            "runtime": runtime_name(),
            "kernels": predictor.resolver,
            "device": "local",
            "threads": loaded.threads,
            "warmup": options.warmup,
            "load_ms": loaded.load_ms,
            "timed": "set inputs, invoke, read outputs",
        },
        tainted=(*reasons, *(verdict.reasons if verdict else ())),
    )


def _timed_ms(predictor: LiteRTPredictor, inputs: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    predictor.predict(inputs)
    return (time.perf_counter() - start) * 1e3
