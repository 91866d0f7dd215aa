"""Contract 5: what a target is, and the frozen results it returns.

A target is one folder behind one protocol: ``check → compile → deploy → benchmark``. Results are
plain data; ``to_json`` gives the objects that ``--json`` prints and bundles keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from edgecnn.core.bundle import Golden
from edgecnn.core.postprocess import PostprocessSpec
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.rejections import Rejection
from edgecnn.core.runtime import Predictor
from edgecnn.core.tflite.model import TfModel

API = 1


@dataclass(frozen=True)
class ModelFile:
    """A .tflite as targets get it: bytes, parsed form, and what is needed to judge its outputs.

    Attributes:
        path: where it came from (for messages and names).
        golden: recorded inputs and outputs (bundles), or None for a bare file.
        postprocess: to compare decoded results, or None.
        recipe: the bundle's variant name; ``"file"`` for a bare file.
    """

    path: Path
    data: bytes
    sha256: str
    model: TfModel
    golden: Golden | None = None
    postprocess: PostprocessSpec | None = None
    recipe: str = "file"


@dataclass(frozen=True)
class Capabilities:
    """What a target runs.

    Attributes:
        dtypes: activation dtypes, numpy names.
        granularity: ``per-channel`` or ``per-tensor`` weights.
        delegate: accelerator library or ``""``.
        unit: what its benchmark counts: ``ms`` or ``instructions``.
        extra: the extra of the edgecnn distribution it needs, or ``""``.
    """

    dtypes: tuple[str, ...]
    granularity: str
    delegate: str
    unit: str
    extra: str = ""


@dataclass(frozen=True)
class OpFinding:
    """Whether one op runs on the target's accelerator or core.

    Attributes:
        index, op, name: position, code (``CONV_2D``) and layer name.
        mapped: True if it runs there.
        reason: why not; None if mapped.
        rewrite: what to change in the model; None if mapped or unknown.
        rule, got, allowed: the limit that was missed and its values; None if mapped.
    """

    index: int
    op: str
    name: str
    mapped: bool
    reason: str | None = None
    rewrite: str | None = None
    rule: str | None = None
    got: str | None = None
    allowed: str | None = None


@dataclass(frozen=True)
class CheckReport:
    """``edgecnn.check/1``.

    Attributes:
        memory: bytes by name.
        fits: None where nothing says how much memory there is.
        notes: what to know of the model there.
        interface: what is wrong with inputs, outputs, or the model as a whole (index −1).
        why: why it does not fit, in words with numbers; None where ops are the reason.
        left_out: layers of which channels were left out, a sentence each.
        limits: what the user allowed: ``max_ram`` and ``max_flash`` in bytes, those that were set.
        ram_bytes, flash_bytes: what the limits are compared with; None where nothing is known.
        elsewhere: the end of the hint: which targets run a model that this one refuses.
    """

    target: str
    ops: tuple[OpFinding, ...]
    memory: Mapping[str, Any]
    fits: bool | None
    notes: tuple[str, ...] = ()
    interface: tuple[OpFinding, ...] = ()
    why: str | None = None
    left_out: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    elsewhere: str = ""

    @property
    def mapped(self) -> int:
        """How many ops run on the target."""
        return sum(op.mapped for op in self.ops)

    @property
    def refused(self) -> tuple[Rejection, ...]:
        """What does not run there: ops, and what concerns the model as a whole."""
        return tuple(
            Rejection(op.index, op.op, op.name, op.reason or "", op.rule or op.reason or "",
                      op.rewrite)
            for op in (*self.interface, *self.ops)
            if not op.mapped
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn check --json``."""
        return {
            "schema": "edgecnn.check/1",
            "target": self.target,
            "ops": [asdict(op) for op in self.ops],
            "mapped": self.mapped,
            "total": len(self.ops),
            "memory": dict(self.memory),
            "fits": self.fits,
            "why": self.why,
            "limits": dict(self.limits),
            "notes": list(self.notes),
            "interface": [asdict(row) for row in self.interface],
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class StepInfo:
    """One step of a compiled program: the .tflite op indices it runs, its name, its kernel."""

    ops: tuple[int, ...]
    name: str
    kernel: str


@dataclass(frozen=True)
class CompileResult:
    """``edgecnn.compile/1``: files written (paths relative to the output folder) and memory.

    Attributes:
        stack_bytes: measured where ``max_ram`` asked for it.
        optimize: how kernels were chosen and compiled (mcu).
        limits: ``max_ram`` and ``max_flash`` in bytes, those that were set.
        left_out: layers of which channels were left out, a sentence each.
        memory_map: ``edgecnn.memory/1``: who holds which bytes during each step (mcu); a file of
            its own, not part of the JSON object.
    """

    target: str
    model_sha256: str
    output_dir: Path
    files: tuple[str, ...]
    arena_bytes: int | None = None
    static_bytes: int | None = None
    code_bytes: int | None = None
    weight_bytes: int | None = None
    steps: tuple[StepInfo, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    stack_bytes: int | None = None
    optimize: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    memory_map: Mapping[str, Any] | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn compile --json``."""
        return {
            "schema": "edgecnn.compile/1",
            "target": self.target,
            "model_sha256": self.model_sha256,
            "files": list(self.files),
            "ram": {
                "arena_bytes": self.arena_bytes,
                "static_bytes": self.static_bytes,
                "stack_bytes": self.stack_bytes,
            },
            "flash": {"code_bytes": self.code_bytes, "weight_bytes": self.weight_bytes},
            "optimize": self.optimize,
            "limits": dict(self.limits),
            "steps": [asdict(step) | {"ops": list(step.ops)} for step in self.steps],
            "notes": list(self.notes),
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True)
class StepCost:
    """What one step cost: instructions, cycles, or milliseconds."""

    ops: tuple[int, ...]
    name: str
    instructions: int | None = None
    ms: float | None = None
    cycles: int | None = None


@dataclass(frozen=True)
class BenchReport:
    """``edgecnn.bench/1``. Times in ms; not applicable = None.

    Attributes:
        unit: ``ms``, or in an emulator what it counts: ``instructions`` or ``cycles``; what
            ``samples`` holds (every one, in order).
        first: the first inference, apart from ``samples``.
        cycles_estimate: an estimate, never measured.
        output_fnv1a: FNV-1a 32 of the outputs on ``lcg:1``, 8 hex digits.
        bit_exact: outputs on ``lcg:1`` equal LiteRT's reference kernels, byte for byte.
        max_diff_lsb: largest difference to those, in LSB, over lcg:1 and the golden vector.
        replayed: the golden vector was replayed on the target and agreed.
        decoded_equal: the decoded result on the golden vector is the same.
        conditions: threads, CPU, governor, emulator, compiler, versions …
        tainted: reasons to distrust the figures (throttling, load).
        accuracy: quality under ``numerics`` beside the reference's, where they differ and there
            is data: ``{"metric", "reference", "compiled", "n"}``.
    """

    target: str
    unit: str
    samples: tuple[float, ...] = ()
    first: float | None = None
    compile: CompileResult | None = None
    instructions: int | None = None
    cycles_estimate: int | None = None
    arena_bytes: int | None = None
    static_bytes: int | None = None
    stack_bytes: int | None = None
    code_bytes: int | None = None
    weight_bytes: int | None = None
    per_step: tuple[StepCost, ...] = ()
    output_fnv1a: str | None = None
    bit_exact: bool | None = None
    max_diff_lsb: int | None = None
    max_abs_diff: float | None = None
    max_rel_diff: float | None = None
    golden_samples: int = 0
    numerics: str | None = None
    replayed: bool = False
    decoded_equal: bool | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    tainted: tuple[str, ...] = ()
    accuracy: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    def percentile(self, q: float) -> float | None:
        """The q-th percentile (0–100) of the samples, linear interpolation; None without any."""
        if not self.samples:
            return None
        ordered = sorted(self.samples)
        at = (len(ordered) - 1) * q / 100
        low = int(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (at - low)

    def to_json(self) -> dict[str, Any]:
        """The object of ``edgecnn bench --json``."""
        return {
            "schema": "edgecnn.bench/1",
            "target": self.target,
            "compile": self.compile.to_json() if self.compile else None,
            "unit": self.unit,
            "samples": list(self.samples),
            "first": self.first,
            **{f"p{q}": self.percentile(q) for q in (50, 90, 95, 99)},
            "instructions": self.instructions,
            "cycles_estimate": self.cycles_estimate,
            "ram": {
                "arena_bytes": self.arena_bytes,
                "static_bytes": self.static_bytes,
                "stack_bytes": self.stack_bytes,
            },
            "flash": {"code_bytes": self.code_bytes, "weight_bytes": self.weight_bytes},
            "per_step": [_step_json(step, self.unit) for step in self.per_step],
            "input": "lcg:1",
            "output_fnv1a": self.output_fnv1a,
            "bit_exact": self.bit_exact,
            "max_diff_lsb": self.max_diff_lsb,
            "max_abs_diff": self.max_abs_diff,
            "max_rel_diff": self.max_rel_diff,
            "numerics": self.numerics,
            "replayed": self.replayed,
            "golden_samples": self.golden_samples,
            "decoded_equal": self.decoded_equal,
            "conditions": dict(self.conditions),
            "tainted": list(self.tainted),
            "notes": list(self.notes),
            "accuracy": dict(self.accuracy) if self.accuracy else None,
        }


def _step_json(step: StepCost, unit: str) -> dict[str, Any]:
    return {"ops": list(step.ops), "name": step.name, unit: getattr(step, unit)}


@dataclass(frozen=True)
class Deployment:
    """Where a model was put: ``local`` or ``user@host``, and its path there."""

    device: str
    path: str


@dataclass(frozen=True)
class RunOptions:
    """What the user may set on compile and benchmark.

    Attributes:
        name: prefix of all C symbols (mcu); None: made from the file's name.
        device: ``local``, ``user@host``, or a board's line (a path, COMn, ``tcp://host:port``);
            None: the target's default.
        threads: interpreter threads; None: the target's default.
        runs, warmup: timed inferences, and inferences before them.
        numerics: ``litert-ref``, ``tflm`` or ``single`` (mcu).
        weights: ``c``: in the C code; ``blob``: a file of its own (mcu).
        regions: (name, bytes) of memory for the arena, the preferred first; (): the target's (mcu).
        max_ram: bytes that arena, static data and stack may take; None: no limit (mcu).
        max_flash: bytes that code and weights may take; None: no limit (mcu).
        optimize: ``speed``, ``balanced`` or ``size``: how kernels are chosen and compiled (mcu).
        tune: choose kernels by what they cost in the emulator (mcu).
        toolchain: ``auto``, ``zig`` or ``gcc`` (mcu).
        c_only: write C, build no ELF (mcu).
        selftest: also write a main that runs known inputs and prints PASS (mcu).
        emulator: ``auto``, ``unicorn`` or ``qemu`` (mcu).
        model_id: what a board answers MLPerf Tiny's ``profile`` with; None: by the model (boards).
        on_host: run the model's C on this machine instead of in the emulator (mcu).
    """

    name: str | None = None
    device: str | None = None
    threads: int | None = None
    runs: int = 50
    warmup: int = 5
    numerics: str = "litert-ref"
    weights: str = "c"
    regions: tuple[tuple[str, int], ...] = ()
    max_ram: int | None = None
    max_flash: int | None = None
    optimize: str = "speed"
    tune: bool = False
    toolchain: str = "auto"
    c_only: bool = False
    selftest: bool = False
    emulator: str = "auto"
    model_id: str | None = None
    on_host: bool = False
    progress: Progress = field(default_factory=SilentProgress, compare=False)


@runtime_checkable
class ChecksWithOptions(Protocol):
    """A target whose answer depends on the options of ``compile``."""

    def check_with(self, model: ModelFile, options: RunOptions) -> CheckReport:
        """As :meth:`Target.check`, with what the user set.

        Raises:
            UnsupportedModelError, PlanError, ToolError, MissingExtraError.
        """


@dataclass(frozen=True)
class RunningModel:
    """A model that is ready to answer.

    Attributes:
        predictor: runs it.
        runs: what computes, for people: ``LiteRT, 4 threads``.
        notes: what to know of it there.
    """

    predictor: Predictor
    runs: str
    notes: tuple[str, ...] = ()


@runtime_checkable
class RunsModels(Protocol):
    """A target that runs a model on inputs of the caller's: for ``detect`` and ``eval``."""

    def open_model(
        self, model: ModelFile, options: RunOptions
    ) -> AbstractContextManager[RunningModel]:
        """Makes the model ready; leaving the context ends what runs it.

        Raises:
            UsageError: an option that means nothing there.
            UnsupportedModelError, PlanError, ToolError, TargetError, MissingExtraError, ModelError.
        """


class Target(Protocol):
    """One place where a model runs. Instances are immutable."""

    @property
    def api(self) -> int:
        """The version of this protocol that the target is written for (1)."""

    @property
    def name(self) -> str:
        """The kebab-case name for ``-t``."""

    @property
    def summary(self) -> str:
        """One line for ``edgecnn targets``."""

    @property
    def capabilities(self) -> Capabilities:
        """What it runs."""

    def check(self, model: ModelFile) -> CheckReport:
        """Says op by op what runs there, and what it takes, without compiling.

        Raises:
            UnsupportedModelError: the model is of a kind that the target cannot judge at all.
        """

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes what the device needs into ``output_dir``, atomically.

        Raises:
            UnsupportedModelError, ToolError, MissingExtraError, UsageError.
        """

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Brings the compiled files to the device.

        Raises:
            TargetError: the device cannot be reached, or the target has nothing to deploy to.
        """

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Replays the golden vector, then measures.

        Raises:
            UnsupportedModelError, ToolError, TargetError, MissingExtraError.
        """
