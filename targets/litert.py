"""Targets that run the .tflite itself with LiteRT: shared by ``host`` and ``raspberry_pi``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import TargetError
from edgecnn.core.files import write_atomic
from edgecnn.core.tflite.custom_ops import IN_LITERT, custom_op_cure
from edgecnn.core.tflite.hazards import hazard
from edgecnn.core.tflite.model import TfOperator, TfSubgraph
from targets.base import (
    API,
    BenchReport,
    Capabilities,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    OpFinding,
    RunningModel,
    RunOptions,
)
from targets.golden import ACCELERATOR_LSB, judge
from targets.inference import load, open_litert, timed_report
from targets.settings import FromSettings

DEPLOYED = "model.tflite"


@dataclass(frozen=True)
class LiteRTSettings:
    """A LiteRT target's TOML: its name, summary and default number of threads."""

    name: str
    summary: str
    threads: int


@dataclass(frozen=True)
class LiteRTTarget(FromSettings):
    """Runs the model with LiteRT on this machine.

    Attributes:
        place: says what this machine stands for: given the device (``local``, ``user@host`` or
            None) it returns reasons to distrust the figures, or raises TargetError.
    """

    settings: LiteRTSettings
    place: Callable[[str | None], tuple[str, ...]]
    api: int = API
    capabilities: Capabilities = Capabilities(
        dtypes=("float32", "int8", "uint8", "int16"),
        granularity="per-channel",
        delegate="XNNPACK",
        unit="ms",
    )

    def check(self, model: ModelFile) -> CheckReport:
        """Says that builtin ops run in LiteRT, but for those that harm it; custom ops do not."""
        graph = model.model.main
        findings = tuple(_finding(graph, op) for op in graph.operators)
        fits = all(finding.mapped for finding in findings)
        memory = {"file_bytes": len(model.data), "arena_bytes": None}
        return CheckReport(self.name, findings, memory, fits)

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes ``model.tflite``: LiteRT runs the file as it is."""
        write_atomic(output_dir / DEPLOYED, model.data)
        return CompileResult(self.name, model.sha256, output_dir, (DEPLOYED,))

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Leaves the file where it was written: the device is this machine.

        Raises:
            TargetError: another device was asked for.
        """
        self.place(options.device)
        return Deployment("local", str(compiled.output_dir / compiled.files[0]))

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Judges the outputs, then times inferences (setting inputs and reading outputs included).

        Raises:
            TargetError: another device was asked for.
            UsageError: fewer than one thread or run.
            ModelError: LiteRT refuses the model.
        """
        doubts = self.place(options.device)
        loaded = load(model.data, options, self.settings.threads)
        options.progress.stage("replay")
        verdict = judge(loaded.predictor.predict, model, ACCELERATOR_LSB)
        return timed_report(self.name, loaded, verdict, options, doubts)

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        """The model in LiteRT.

        Raises:
            TargetError: another device was asked for.
            UsageError: fewer than one thread.
            ModelError: LiteRT refuses the model.
        """
        doubts = self.place(options.device)
        predictor, words = open_litert(model.data, options, self.settings.threads)
        yield RunningModel(predictor, words, doubts)


def _finding(graph: TfSubgraph, op: TfOperator) -> OpFinding:
    name = graph.op_name(op)
    if op.code == "CUSTOM" and op.custom_code not in IN_LITERT:
        return _custom_finding(op.index, op.custom_code, name)
    harm = hazard(graph, op)
    if harm is not None:
        return OpFinding(op.index, op.display_code, name, False, *harm, "litert_harm")
    return OpFinding(op.index, op.display_code, name, True)


def _custom_finding(index: int, custom_code: str, name: str) -> OpFinding:
    return OpFinding(
        index,
        f"CUSTOM:{custom_code}",
        name,
        False,
        f"LiteRT has no kernel for the custom op '{custom_code}'",
        custom_op_cure(custom_code),
        "builtin_op",
        custom_code,
        "Ops must be builtin ops of LiteRT.",
    )


def refuse_remote(device: str | None, target: str) -> None:
    """Accepts None and ``local``.

    Raises:
        TargetError: another device was asked for.
    """
    if device in (None, "local"):
        return
    raise TargetError(
        f"target '{target}': running on '{device}' over the network is not available yet",
        hint=f"install edgecnn on that machine and run the command with -t {target} -d local there",
    )
