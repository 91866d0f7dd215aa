"""The target ``ethos-u55-128``: Vela compiles, and estimates; nothing is measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import TargetError
from edgecnn.core.files import write_atomic
from edgecnn.core.tflite.compiled import EDGE_TPU_OP
from edgecnn.core.tflite.custom_ops import custom_op_cure
from edgecnn.core.tflite.model import TfModel, TfOperator
from targets.base import (
    API,
    BenchReport,
    Capabilities,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    OpFinding,
    RunOptions,
)
from targets.ethos_u.vela import VelaResult, VelaSettings, run_vela
from targets.settings import FromSettings, load_settings

_CPU = "Vela leaves the op on the CPU"


@dataclass(frozen=True)
class EthosTarget(FromSettings):
    """An Ethos-U NPU beside a Cortex-M: what Vela says about it."""

    settings: VelaSettings
    api: int = API
    capabilities: Capabilities = Capabilities(
        dtypes=("int8", "uint8", "int16"),
        granularity="per-channel",
        delegate="ethos-u",
        unit="ms",
        extra="ethos",
    )

    def check(self, model: ModelFile) -> CheckReport:
        """Compiles with Vela and reports which ops it left on the CPU.

        Raises:
            MissingExtraError: Vela is not installed.
            ToolError: Vela failed.
        """
        result = self._run(model)
        summary = result.summary
        return CheckReport(
            self.name,
            findings(model.model, result),
            {
                "sram_bytes": summary.sram_bytes,
                "dram_bytes": summary.dram_bytes,
                "flash_bytes": summary.flash_bytes,
                "estimate": True,
            },
            None,
            (_estimate_note(result, self.settings),),
            ram_bytes=summary.sram_bytes,
            flash_bytes=summary.flash_bytes,
        )

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes ``<model>_vela.tflite``.

        Raises:
            MissingExtraError: Vela is not installed.
            ToolError: Vela failed.
        """
        return self._write(model, output_dir, self._run(model))

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Has nothing to deploy to: the file goes into a firmware project.

        Raises:
            TargetError: always.
        """
        raise TargetError(
            f"target '{self.name}' has no device to deploy to",
            hint=f"build '{compiled.files[0]}' into the firmware of your board",
        )

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Reports Vela's estimated cycles; no samples, because nothing runs.

        Raises:
            MissingExtraError: Vela is not installed.
            ToolError: Vela failed.
        """
        result = self._run(model)
        summary = result.summary
        return BenchReport(
            self.name,
            "ms",
            cycles_estimate=summary.cycles,
            arena_bytes=summary.sram_bytes,
            weight_bytes=summary.flash_bytes,
            conditions={
                "estimate": f"vela {result.version}: nothing was run",
                "estimated_ms": summary.milliseconds,
                "clock_hz": summary.clock_hz,
                "accelerator": self.settings.accelerator,
                "system_config": self.settings.system_config,
                "memory_mode": self.settings.memory_mode,
            },
            tainted=("cycles are Vela's estimate, not a measurement",),
        )

    def _run(self, model: ModelFile) -> VelaResult:
        return run_vela(model.data, self.settings, stem=model.path.stem)

    def _write(self, model: ModelFile, output_dir: Path, result: VelaResult) -> CompileResult:
        name = f"{model.path.stem}_vela.tflite"
        write_atomic(output_dir / name, result.data)
        return CompileResult(
            self.name,
            model.sha256,
            output_dir,
            (name,),
            arena_bytes=result.summary.sram_bytes,
            weight_bytes=result.summary.flash_bytes,
            notes=(_estimate_note(result, self.settings),),
        )


def make(name: str) -> EthosTarget:
    """The target of that name."""
    return EthosTarget(load_settings(VelaSettings, "targets.ethos_u", f"{name}.toml"))


def findings(model: TfModel, result: VelaResult) -> tuple[OpFinding, ...]:
    """One finding per op of ``model``, from Vela's list of ops on the CPU."""
    left = Counter(result.on_cpu)
    graph = model.main
    found = []
    for op in graph.operators:
        name = graph.op_name(op)
        if left[name] == 0:
            found.append(OpFinding(op.index, op.display_code, name, True))
            continue
        left[name] -= 1
        why = result.reasons.get((op.code, name)) or _reason_by_name(result, name)
        found.append(
            OpFinding(
                op.index,
                op.display_code,
                name,
                False,
                f"{_CPU}: {why}" if why else _CPU,
                _rewrite(op, why),
                "vela",
                op.display_code,
                "Ops must be ones that Vela takes (vela --supported-ops-report).",
            )
        )
    return tuple(found)


def _reason_by_name(result: VelaResult, name: str) -> str | None:
    # A fused activation is judged as an op of its own, under the same layer name.
    return next((text for (_, layer), text in result.reasons.items() if layer == name), None)


def _rewrite(op: TfOperator, why: str | None) -> str:
    if op.custom_code == EDGE_TPU_OP:
        return custom_op_cure(op.custom_code)
    if why and "DataType Float" in why:
        return "quantize the whole model to int8 (edgecnn quantize --recipe int8)"
    return "replace the op, or move it to the end of the model"


def _estimate_note(result: VelaResult, settings: VelaSettings) -> str:
    return (
        f"vela {result.version}, {settings.system_config}, {settings.memory_mode}:"
        f" {result.summary.cycles:,} cycles estimated, not measured"
    )
