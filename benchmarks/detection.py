"""Detectors on real photos by the documented commands: bccd's own splits, three seeds.

``python -m benchmarks detection [--model NAME …] [--seed N …] [--work FOLDER]``. A run that is in
the work folder already is not repeated, so that the hours can be spread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.peers.venvs import DEFAULT_FOLDER, ULTRALYTICS, python_of
from benchmarks.record import Record, conditions, shared
from benchmarks.yolo import measure_yolo
from edgecnn.core.files import write_json

#: SSD-Lite stands beside it: one seed.
SEEDS = {"nano": (1, 2, 3), "ssdlite": (1,)}
WEIGHTS = "models/coral/tf2_mobilenet_v2_1.0_224_ptq.tflite"
MODELS = ("nano", "ssdlite")
PEER_CPU_S = 600.0
COLUMNS = (
    "model", "learned from", "seed", "parameters", "training s", "mAP@0.5", "95 %",
    "mAP@0.5:0.95", "by class", "int8", "int8 loses, points", "95 % of the loss",
)  # fmt: skip
NOTE = (
    "edgecnn train --task detect --data bccd --weights (models/coral's int8 MobileNetV2, ImageNet)"
    " and edgecnn quantize, settings as they are. 'train': the 205 photos of train, measured on"
    " val + test, of which val had picked the epoch. 'train + val' (--with-val): the last epoch of"
    " the same settings, measured on test, 72 photos that nothing was chosen by. Paired bootstrap"
    " over images, 95 %. Times: wall clock, two trainings at a time on 2 cores. yolov8n:"
    " ultralytics' own command from its .yaml (random weights), 320 pixels, as many epochs as"
    " fit the CPU time of one training of ours, measured on test by our evaluation."
)
_WORK = Path("demo/detection")


@dataclass(frozen=True)
class DetectionRun:
    """One training.

    Attributes:
        model: of the zoo.
        seed: of splits, weights and order.
        with_val: whether the validation photos are learned from too.
    """

    model: str
    seed: int
    with_val: bool

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.model}-{self.seed}{'-with-val' if self.with_val else ''}"


@dataclass(frozen=True)
class Chosen:
    """What is run (seeds: () for each model's own), and where it is kept."""

    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = ()
    work: Path = _WORK


def selection_of(arguments: Sequence[str]) -> Chosen:
    """Reads the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks detection")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seed", nargs="+", type=int, default=())
    parser.add_argument("--work", type=Path, default=_WORK)
    given = parser.parse_args(arguments)
    return Chosen(tuple(given.model), tuple(given.seed), given.work)


def run(chosen: Chosen | None = None) -> Record | None:
    """Trains, quantizes and measures; None where the photos are not at hand."""
    chosen, folder = chosen or Chosen(), shared()
    if folder is None:
        return None
    rows: list[tuple[Any, ...]] = []
    for model in chosen.models:
        seeds = chosen.seeds or SEEDS[model]
        first = DetectionRun(model, seeds[0], with_val=False)
        last = [DetectionRun(model, seed, with_val=True) for seed in seeds]
        rows.append(_row(first, _measured(first, folder, chosen.work)))
        found = [_measured(one, folder, chosen.work) for one in last]
        rows += [_row(one, figures) for one, figures in zip(last, found, strict=True)]
        if len(found) > 1:
            rows.append(_mean_row(model, found))
    if chosen.models == MODELS:
        rows.append(_peer_row(folder, chosen.work))
    whole = chosen.models == MODELS and not chosen.seeds
    return Record("detection", COLUMNS, tuple(rows), NOTE, conditions(), whole)


def _measured(one: DetectionRun, folder: Path, work: Path) -> dict[str, Any]:
    """The run's figures, from its folder where they are there."""
    bundle, kept = work / one.name, work / f"{one.name}.json"
    if kept.is_file():
        known: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return known
    print(f"{one.name} …", flush=True)
    work.mkdir(parents=True, exist_ok=True)
    data = ["--data", str(folder / "data/bccd")]
    train = ["train", "--task", "detect", *data, "--model", one.model, "-o", str(bundle)]
    train += ["--weights", str(folder / WEIGHTS), "--seed", str(one.seed), "--force"]
    trained = _said([*train, *(["--with-val"] if one.with_val else [])])
    quantized = _said(["quantize", str(bundle)])
    figures = {"trained": trained, "quantized": quantized}
    if not one.with_val:
        judge = ["eval", str(bundle), "--split", "val+test", "-t", "cortex-m7", "--on-host"]
        figures["compared"] = _said(judge)["compared"]
    write_json(kept, figures)
    return figures


def _peer_row(folder: Path, work: Path) -> tuple[Any, ...]:
    """YOLOv8n of ultralytics from its .yaml, in the CPU time of one training of ours."""
    kept = work / "yolov8n.json"
    if not kept.is_file():
        print("yolov8n …", flush=True)
        python = python_of(ULTRALYTICS, DEFAULT_FOLDER)
        score = measure_yolo(folder / "data/bccd", python, cpu_seconds=PEER_CPU_S)
        write_json(kept, asdict(score))
    found = json.loads(kept.read_text("utf-8"))
    classes = ", ".join(f"{name} {value:.3f}" for name, value in found["per_class"].items())
    interval = _interval((found["low"], found["high"]), 3)
    seconds = f"{found['seconds']:.0f} ({found['cpu_seconds']:.0f} CPU)"
    return (
        f"yolov8n, {found['epochs']} epochs", "train", 0, found["parameters"], seconds,
        round(found["map50"], 4), interval, round(found["map5095"], 4), classes, None, None, None,
    )  # fmt: skip


def _said(arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "edgecnn", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _row(one: DetectionRun, figures: dict[str, Any]) -> tuple[Any, ...]:
    trained, quantized = figures["trained"], figures["quantized"]
    metric, after = quantized["metrics"]["float"], quantized["metrics"]["quantized"]
    loss = (quantized["drop_points"], quantized["drop_interval95"])
    if "compared" in figures:
        metric, after = (row["metric"] for row in figures["compared"][:2])
        paired = figures["compared"][1]["loss"]
        loss = (paired["points"], paired["interval95"])
    return (
        one.model,
        "train + val" if one.with_val else "train",
        one.seed,
        trained["parameters"],
        round(trained["seconds"]),
        round(metric["value"], 4),
        _interval(metric["interval95"], 3),
        round(metric["map5095"], 4),
        ", ".join(f"{name} {value:.3f}" for name, value in metric["per_class"].items()),
        round(after["value"], 4),
        round(loss[0], 2),
        _interval(loss[1], 2),
    )


def _mean_row(model: str, found: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    floats, ints = (
        [one["quantized"]["metrics"][key] for one in found] for key in ("float", "quantized")
    )
    return (
        model,
        "train + val",
        f"mean of {len(found)}",
        found[0]["trained"]["parameters"],
        round(fmean(one["trained"]["seconds"] for one in found)),
        round(fmean(metric["value"] for metric in floats), 4),
        None,
        round(fmean(metric["map5095"] for metric in floats), 4),
        None,
        round(fmean(metric["value"] for metric in ints), 4),
        round(fmean(one["quantized"]["drop_points"] for one in found), 2),
        None,
    )


def _interval(ends: Sequence[float], digits: int) -> str:
    return f"{ends[0]:.{digits}f} – {ends[1]:.{digits}f}"
