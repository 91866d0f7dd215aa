"""Synthetic bundles with all, some or none of what a report can show."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecnn.core import postprocess
from edgecnn.core.bundle import Bundle, Manifest
from edgecnn.core.metric import Metric, wilson_interval
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from targets.base import BenchReport, CheckReport, CompileResult, OpFinding, StepCost

PARTS = ("bolt", "nut", "washer", "spring", "gear", "pin")
OPS = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "ADD", "HARD_SWISH")


def classify_metric(labels: tuple[str, ...], wrong: int, seed: int) -> Metric:
    rng = np.random.default_rng(seed)
    matrix = np.diag(np.full(len(labels), 60))
    for _ in range(wrong):
        true, other = rng.integers(0, len(labels), 2)
        if true != other:
            matrix[true, true] -= 1
            matrix[true, other] += 1
    n, right = int(matrix.sum()), int(np.trace(matrix))
    recall = (np.diag(matrix) / matrix.sum(axis=1)).tolist()
    low, high = wilson_interval(right, n)
    extra = {"confusion": matrix.tolist(), "per_class": recall}
    return Metric("accuracy", right / n, n, low, high, extra=extra)


def detect_metric(labels: tuple[str, ...], shift: float) -> Metric:
    per_class = [max(0.0, 0.92 - 0.07 * k - shift) for k in range(len(labels))]
    value = float(np.mean(per_class))
    extra = {"map5095": value * 0.62, "per_class": per_class}
    return Metric("map50", value, 240, value - 0.031, value + 0.028, extra=extra)


def layer_rows(count: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    rows = []
    for k in range(count):
        sqnr = 38 - 0.6 * k + float(rng.normal(0, 5)) - (18 if k == 7 else 0)
        name = f"block_{k // 3}/{'expand' if k % 3 == 0 else 'project'}_conv/Relu6"
        cosine = 1 - 10 ** (-max(sqnr, 1) / 10) / 2
        op = OPS[k % len(OPS)]
        rows.append({"index": k, "op": op, "name": name, "sqnr_db": sqnr, "cosine": cosine})
    return rows


def quantize_json(metrics: dict[str, Metric | None], layers: list[dict[str, Any]]) -> Any:
    pair = metrics["float"], metrics["quantized"]
    points = 100 * (pair[0].value - pair[1].value) if pair[0] and pair[1] else None
    return {
        "schema": "edgecnn.quantize/1",
        "recipe": "int8",
        "metrics": {key: metric.to_json() if metric else None for key, metric in metrics.items()},
        "drop_points": points,
        "drop_interval95": None if points is None else [points - 0.9, points + 1.0],
        "drop_paired": True,
        "max_drop": 2.0,
        "layers": layers,
        "passed": points is None or points <= 2.0,
        "warnings": [],
    }


def history(task: str, epochs: int = 24) -> list[dict[str, float]]:
    rng = np.random.default_rng(1)
    rows = []
    for k in range(epochs):
        loss = 1.9 * math.exp(-k / 6) + 0.08
        quality = 0.97 - 0.8 * math.exp(-k / 5)
        rows.append(
            {
                "epoch": k + 1,
                "loss": loss + float(rng.normal(0, 0.01)),
                "val_loss": loss * 1.12 + 0.05 + float(rng.normal(0, 0.03)),
                ("accuracy" if task == "classify" else "map50"): quality,
                ("val_accuracy" if task == "classify" else "val_map50"): quality - 0.02,
                "learning_rate": 1e-3 * 0.5 * (1 + math.cos(math.pi * k / epochs)),
                "seconds": 3.1 * (k + 1),
            }
        )
    return rows


def host_bench() -> BenchReport:
    samples = tuple(4.1 + 0.3 * abs(math.sin(k)) for k in range(50))
    conditions = {"threads": 2, "cpu": "Cortex-A76", "governor": "performance", "runtime": "LiteRT"}
    return BenchReport(
        "host", "ms", samples, 7.9, arena_bytes=None, output_fnv1a="9a3c1f02", bit_exact=True,
        max_diff_lsb=0, replayed=True, decoded_equal=True, conditions=conditions,
        tainted=("load average 3.1 on 2 cores",),
        per_step=tuple(StepCost((k,), row["name"], ms=0.5 / (k + 1))
                       for k, row in enumerate(layer_rows(9))),
    )  # fmt: skip


def mcu_bench(target: str, factor: float) -> BenchReport:
    steps = tuple(
        StepCost((2 * k, 2 * k + 1), row["name"].replace("/", "_"), int(3e6 * factor / (k + 1)))
        for k, row in enumerate(layer_rows(14))
    )
    count = sum(step.instructions or 0 for step in steps)
    compiled = CompileResult(target, "ab" * 32, Path("build"), ("model.c",))
    return BenchReport(
        target, "instructions", (float(count),) * 3, float(count), compiled, count,
        None, 38_400, 1_216, 920, 14_208, 61_440, steps, "9a3c1f02", True, 0, "litert-ref",
        True, True, {"emulator": "unicorn 2.1.4", "compiler": "zig 0.17.0", "flags": "-O2"},
    )  # fmt: skip


def coral_check() -> CheckReport:
    ops = [
        OpFinding(row["index"], row["op"], row["name"], row["op"] != "HARD_SWISH",
                  None if row["op"] != "HARD_SWISH" else "HARD_SWISH is not supported",
                  None if row["op"] != "HARD_SWISH" else "use ReLU6 in its place")
        for row in layer_rows(31)
    ]  # fmt: skip
    return CheckReport("coral-usb", tuple(ops), {"onchip_bytes": 81_000}, None, ("predicted",))


def picture(seed: int, label: str) -> bytes:
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 225, np.uint8)
    for k in range(4):
        x, y = int(rng.integers(10, 230)), int(rng.integers(10, 160))
        colour = tuple(int(v) for v in rng.integers(40, 200, 3))
        cv2.circle(image, (x + 35, y + 30), 28, colour, -1, cv2.LINE_AA)
        cv2.rectangle(image, (x, y), (x + 70, y + 60), (40, 110, 240), 2)
        cv2.putText(image, f"{label} {80 + k}%", (x, y - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                    (20, 20, 20), 1, cv2.LINE_AA)  # fmt: skip
    return cv2.imencode(".png", image)[1].tobytes()


def make_bundle(root: Path, task: str = "classify", labels: tuple[str, ...] = PARTS) -> Bundle:
    """Everything that a finished project has."""
    manifest = Manifest(
        name="parts-counter", task=task, labels=labels, seed=42, default_variant="int8",
        versions={"edgecnn": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0",
                  "ai-edge-litert": "2.3.0", "numpy": "2.4.6", "python": "3.11.2"},
        data={"source": "scenes", "splits": {"train": 2000, "val": 240, "test": 240},
              "sha256": "0f" * 32},
        training={"model": "mobile-small", "epochs": 24, "best_epoch": 22, "batch_size": 32,
                  "device": "CPU (tensorflow)", "seconds": 74.4, "history": history(task)},
    )  # fmt: skip
    bundle = Bundle.create(root, manifest)
    if task == "classify":
        metrics = {
            "float": classify_metric(labels, 12, 1),
            "float_tflite": classify_metric(labels, 12, 1),
            "quantized": classify_metric(labels, 15, 2),
        }
        spec: postprocess.PostprocessSpec = postprocess.ClassifySpec("scores", labels, "softmax")
    else:
        metrics = {
            "float": detect_metric(labels, 0.0),
            "float_tflite": detect_metric(labels, 0.0),
            "quantized": detect_metric(labels, 0.006),
        }
        levels = (postprocess.GridLevel(12, 12, 8), postprocess.GridLevel(6, 6, 16))
        spec = postprocess.DetectSpec("scores", "boxes", labels, levels)
    with bundle.edit() as edit:
        edit.write_json("preprocess.json", PreprocessSpec((ImageInput("x", 96, 96),)).to_json())
        edit.write_json("postprocess.json", postprocess.to_json(spec))
        edit.write("variants/float32/model.tflite", b"f" * 262_144)
        edit.write("variants/int8/model.tflite", b"q" * 81_920)
        edit.write_json("variants/int8/metrics.json", quantize_json(metrics, layer_rows(31)))
        for bench in (host_bench(), mcu_bench("cortex-m4", 1), mcu_bench("cortex-m0plus", 2.6)):
            edit.write_json(f"targets/{bench.target}/int8/bench.json", bench.to_json())
        npu = BenchReport("ethos-u55-128", "ms", cycles_estimate=412_000, arena_bytes=52_000)
        edit.write_json("targets/ethos-u55-128/int8/bench.json", npu.to_json())
        edit.write_json("targets/coral-usb/int8/check.json", coral_check().to_json())
        for k in range(4):
            edit.write(f"report/samples/scene_{k}.png", picture(k, labels[k % len(labels)]))
    return bundle.reload()


def bare_bundle(root: Path, labels: tuple[str, ...] = PARTS) -> Bundle:
    """A bundle to which nothing was ever added."""
    return Bundle.create(root, Manifest("bare", "classify", labels, 1))
