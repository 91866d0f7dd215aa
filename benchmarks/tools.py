"""The quantizers that the benchmark compares, ours among them: one row each."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.evaluator import Outputs, load_outputs, outputs_of, save_outputs
from benchmarks.peers.venvs import (
    AI_EDGE_QUANTIZER,
    NNCF,
    ONNX_RUNTIME,
    Environment,
    python_of,
    run_script,
)
from edgecnn.core.files import write_json


@dataclass(frozen=True)
class Files:
    """What a tool is given and where it works.

    Attributes:
        keras: the trained model.
        float32: its float .tflite, for tools that start there.
        calibration, test: .npz of float32 samples under the input's name.
        tuning: what ``--auto`` measures by; empty: agreement with the float model.
        folder: the tool's own.
        peers: where the peers' Pythons are.
    """

    keras: Path
    float32: Path
    calibration: Path
    test: Path
    tuning: str
    folder: Path
    peers: Path


@dataclass(frozen=True)
class Tool:
    """One column.

    Attributes:
        name: for ``--tools``.
        title: for tables.
        script: of ``peers/``.
        arguments: files → the script's arguments.
        result: the quantized file's name.
        environment: the Python it runs in; None: ours.
    """

    name: str
    title: str
    script: str
    arguments: Callable[[Files], list[str | Path]]
    result: str = "model.tflite"
    environment: Environment | None = None


@dataclass(frozen=True)
class Made:
    """A quantized model and what it gives on the test data.

    Attributes:
        size: bytes of the file.
        sha256: of the file.
        seconds: of quantizing; imports and reading files left out.
        versions: of the tool.
        outputs: real values over the test data.
    """

    size: int
    sha256: str
    seconds: float
    versions: dict[str, str]
    outputs: Outputs


def make(tool: Tool, files: Files, inputs: Any) -> Made:
    """Quantizes with ``tool`` and runs the result over ``inputs`` (n, …).

    Raises:
        PeerFailedError: the tool failed.
        ModelError: LiteRT does not run what it made.
    """
    shutil.rmtree(files.folder, ignore_errors=True)
    files.folder.mkdir(parents=True)
    python = python_of(tool.environment, files.peers)
    said = run_script(python, tool.script, *tool.arguments(files))
    write_json(files.folder / "said.json", said)
    path = files.folder / tool.result
    if path.suffix == ".tflite":
        save_outputs(files.folder / "outputs.npz", outputs_of(path.read_bytes(), inputs))
    return read(tool, files.folder)


def read(tool: Tool, folder: Path) -> Made:
    """What :func:`make` left in ``folder``; OSError where it left nothing."""
    data = (folder / tool.result).read_bytes()
    said = json.loads((folder / "said.json").read_text("utf-8"))
    return Made(
        len(data),
        hashlib.sha256(data).hexdigest(),
        round(said["seconds"], 2),
        said["versions"],
        load_outputs(folder / "outputs.npz"),
    )


def _stock(mode: str) -> Callable[[Files], list[str | Path]]:
    return lambda files: [files.keras, files.calibration, files.folder / "model.tflite", mode]


def _from_float(*options: str) -> Callable[[Files], list[str | Path]]:
    return lambda files: [
        files.float32,
        files.calibration,
        files.folder / "model.tflite",
        *options,
    ]


def _elsewhere(made: str) -> Callable[[Files], list[str | Path]]:
    """For tools whose models run in a runtime of their own."""
    return lambda files: [
        files.float32,
        files.calibration,
        files.folder / made,
        files.test,
        files.folder / "outputs.npz",
    ]


def _ours(*options: str) -> Callable[[Files], list[str | Path]]:
    def arguments(files: Files) -> list[str | Path]:
        more = [f"tuning={files.tuning}"] if "auto" in options and files.tuning else []
        return [files.keras, files.calibration, files.folder / "model.tflite", *options, *more]

    return arguments


FLOAT = Tool("float", "float32", "stock", _stock("float"))
TOOLS = (
    FLOAT,
    Tool("stock", "TFLite converter", "stock", _stock("int8")),
    Tool("stock-per-tensor", "TFLite converter, per tensor", "stock", _stock("per-tensor")),
    Tool(
        "aeq", "ai-edge-quantizer", "aeq_static", _from_float(), environment=AI_EDGE_QUANTIZER
    ),
    Tool(
        "aeq-one-by-one",
        "ai-edge-quantizer, samples one by one",
        "aeq_static",
        _from_float("one-by-one"),
        environment=AI_EDGE_QUANTIZER,
    ),
    Tool("ort", "ONNX Runtime", "ort_static", _elsewhere("model.onnx"), "model.onnx", ONNX_RUNTIME),
    Tool("nncf", "NNCF (OpenVINO)", "nncf_static", _elsewhere("model.xml"), "model.whole", NNCF),
    Tool("int8", "ours int8", "ours", _ours("int8")),
    Tool("int8-per-tensor", "ours int8-per-tensor", "ours", _ours("int8-per-tensor")),
    Tool("auto", "ours --auto", "ours", _ours("int8", "auto")),
    Tool(
        "auto-per-tensor",
        "ours int8-per-tensor --auto",
        "ours",
        _ours("int8-per-tensor", "auto"),
    ),
)  # fmt: skip
