"""The target ``coral-usb``: an Edge TPU on USB."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecnn.core.errors import TargetError, UnsupportedModelError
from edgecnn.core.files import write_atomic, write_json
from targets.base import (
    API,
    BenchReport,
    Capabilities,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    RunningModel,
    RunOptions,
)
from targets.coral.compiler import CompilerLog, compile_model
from targets.coral.device import ByName, edge_tpu_library, is_compiled, refuse_crash
from targets.coral.memory import CACHE_BYTES, estimate
from targets.coral.predict import predict
from targets.golden import ACCELERATOR_LSB, judge
from targets.inference import load, open_litert, timed_report
from targets.settings import FromSettings, load_settings


@dataclass(frozen=True)
class CoralSettings:
    """The target's TOML.

    Attributes:
        compiler: the program's name on PATH.
        compiler_timeout_s: its own time limit.
        usb_ids: vendor:product of the accelerator, before and after its firmware is loaded.
    """

    name: str
    summary: str
    compiler: str
    compiler_timeout_s: int
    usb_ids: tuple[str, ...]


@dataclass(frozen=True)
class CoralTarget(FromSettings):
    """Predicts the Edge TPU compiler's mapping and runs the compiler where it is installed."""

    settings: CoralSettings
    api: int = API
    capabilities: Capabilities = Capabilities(
        dtypes=("int8", "uint8"),
        granularity="per-channel",
        delegate="libedgetpu",
        unit="ms",
    )

    def check(self, model: ModelFile) -> CheckReport:
        """Predicts which ops the compiler maps; ``fits`` is false when it refuses the model."""
        prediction = predict(model.model)
        graph = model.model.main
        memory = estimate(graph, (graph.operators[op.index] for op in prediction.ops if op.mapped))
        notes = prediction.notes
        if prediction.refused:
            notes = (prediction.refused, *notes)
        elif memory.off_chip_bytes:
            notes = (*notes, "parameters beyond the cache are streamed at every inference: slower")
        return CheckReport(
            self.name,
            prediction.ops,
            {
                "on_chip_bytes": memory.on_chip_bytes,
                "off_chip_bytes": memory.off_chip_bytes,
                "cache_bytes": CACHE_BYTES,
                "estimate": True,
            },
            prediction.refused is None,
            notes,
            why=prediction.refused,
        )

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Runs the compiler; without it, writes the prediction and says so.

        Raises:
            ToolError: the compiler failed.
            UnsupportedModelError: the model is compiled already.
        """
        if is_compiled(model):
            raise UnsupportedModelError(
                f"'{model.path}' is compiled for the Edge TPU already",
                hint="give the model from before the compiler, or measure this one"
                f" with edgecnn bench -t {self.name}",
            )
        report = self.check(model)
        stem = model.path.stem
        check_name = f"{stem}_edgetpu_check.json"
        program = shutil.which(self.settings.compiler)
        if program is None:
            write_json(output_dir / check_name, report.to_json())
            note = (
                f"{self.settings.compiler} was not found on PATH: nothing was compiled,"
                f" '{check_name}' holds the prediction"
            )
            return CompileResult(
                self.name, model.sha256, output_dir, (check_name,), notes=(note, *report.notes)
            )
        compiled = compile_model(
            program, model.data, stem=stem, timeout_s=self.settings.compiler_timeout_s
        )
        differences = disagreements(report, compiled.report)
        body = {**report.to_json(), "compiler": asdict(compiled.report)}
        files: dict[str, bytes] = {
            f"{stem}_edgetpu.tflite": compiled.model,
            f"{stem}_edgetpu.log": compiled.log,
        }
        for name, data in files.items():
            write_atomic(output_dir / name, data)
        write_json(output_dir / check_name, {**body, "disagreements": list(differences)})
        log = compiled.report
        total = log.operations or len(report.ops)
        return CompileResult(
            self.name,
            model.sha256,
            output_dir,
            (*files, check_name),
            weight_bytes=_sum(log.on_chip_bytes, log.off_chip_bytes),
            notes=(
                f"edgetpu_compiler {log.version or '(version unknown)'} mapped {log.mapped}"
                f" of {total} ops",
                *differences,
            ),
        )

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Leaves the compiled file here: a USB accelerator runs what its host loads.

        Raises:
            TargetError: another device was asked for, or nothing was compiled.
        """
        if options.device not in (None, "local"):
            raise TargetError(
                f"deploying to '{options.device}' is not available yet",
                hint="copy the compiled file there yourself",
            )
        name = next((file for file in compiled.files if file.endswith("_edgetpu.tflite")), None)
        if name is None:
            raise TargetError(
                "there is no compiled model to deploy",
                hint=f"install {self.settings.compiler} (Debian x86-64 packages from Google)"
                " and compile again",
            )
        return Deployment("local", str(compiled.output_dir / name))

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Compiles the model (unless it is compiled already) and times it on the Edge TPU.

        Raises:
            TargetError: no Edge TPU, no runtime library or one that crashes, or nothing to compile
                with.
            ToolError: the compiler failed.
            UsageError, ModelError: as for the host.
        """
        compiled = is_compiled(model)
        library, data = self._ready(model, options)
        loaded = load(data, options, default_threads=1, delegate=library)
        # A file that was compiled elsewhere has no reference: it cannot be replayed.
        verdict = (
            None
            if compiled
            else judge(ByName(loaded.predictor, model).predict, model, ACCELERATOR_LSB)
        )
        return timed_report(self.name, loaded, verdict, options)

    def _ready(self, model: ModelFile, options: RunOptions) -> tuple[str, bytes]:
        """The runtime library and the compiled file, which it was seen not to crash on.

        Raises:
            TargetError, ToolError: as :meth:`benchmark`.
        """
        library = edge_tpu_library(self.settings.usb_ids, options.device)
        data = model.data if is_compiled(model) else self._compile_for_run(model)
        refuse_crash(library, data)
        return library, data

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        """The model on the Edge TPU, compiled unless it is already; LiteRT runs the other ops.

        Raises:
            TargetError: no Edge TPU, no runtime library or one that crashes, or nothing to compile
                with.
            ToolError: the compiler failed.
            UsageError, ModelError: as for the host.
        """
        compiled = is_compiled(model)
        library, data = self._ready(model, options)
        predictor, words = open_litert(data, options, 1, library)
        runs = f"Edge TPU by {library}, the rest in {words}"
        yield RunningModel(predictor if compiled else ByName(predictor, model), runs)

    def _compile_for_run(self, model: ModelFile) -> bytes:
        program = shutil.which(self.settings.compiler)
        if program is None:
            raise TargetError(
                f"'{model.path}' is not compiled for the Edge TPU, and {self.settings.compiler}"
                " was not found on PATH",
                hint="compile it where the compiler is installed and give the _edgetpu.tflite",
            )
        timeout_s = self.settings.compiler_timeout_s
        return compile_model(program, model.data, stem=model.path.stem, timeout_s=timeout_s).model


def make(name: str) -> CoralTarget:
    """The target of that name."""
    return CoralTarget(load_settings(CoralSettings, "targets.coral", f"{name}.toml"))


def disagreements(report: CheckReport, log: CompilerLog) -> tuple[str, ...]:
    """Ops of which the compiler mapped more or fewer than predicted, in words."""
    codes = dict.fromkeys(op.op.partition(":")[0] for op in report.ops)
    lines = []
    for code in codes:
        ops = [op for op in report.ops if op.op.partition(":")[0] == code]
        predicted, got = sum(op.mapped for op in ops), log.mapped_of(code)
        if predicted != got:
            lines.append(f"{code}: {got} of {len(ops)} mapped, {predicted} were predicted")
    return tuple(lines)


def _sum(*values: Any) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
