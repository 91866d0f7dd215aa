"""The targets ``cortex-m4``, ``cortex-m0plus`` …: one per board of firmware_glue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.core.errors import MissingExtraError, PlanError, TargetError, UsageError
from edgecnn.core.files import write_atomic
from firmware_glue.compiler.api import (
    check_ops,
    memory_map,
)
from firmware_glue.compiler.ir import Numerics
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import Toolchain, find_toolchain
from targets.base import (
    BenchReport,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    RunningModel,
    RunOptions,
    StepInfo,
)
from targets.mcu.bytes_predictor import BytesPredictor
from targets.mcu.compiled_target import CompiledTarget
from targets.mcu.findings import findings, interface_findings
from targets.mcu.fit import memory_rows, missing, needs_note, require_fit
from targets.mcu.make import c_files, maker
from targets.mcu.measure import measure
from targets.mcu.on_host import on_host
from targets.mcu.plan import LimitedPlan, Tools, best_plan, limits_of

_CODE_NOTE = "code comes on top of the weights; compile tells how much"


@dataclass(frozen=True)
class McuTarget(CompiledTarget):
    """A microcontroller: the model as C, built and counted on an emulated core."""

    def check(self, model: ModelFile) -> CheckReport:
        """Says op by op whether there is a kernel, and what memory the model takes.

        Nothing else on the board could run an op, so one without a kernel means ``fits`` is false.
        """
        return self.check_with(model, RunOptions())

    def check_with(self, model: ModelFile, options: RunOptions) -> CheckReport:
        """The same with ``--numerics``, ``--optimize``, ``--region`` and limits of memory.

        ``fits`` is None for a bare core, whose memory is made up, unless limits were set. Only with
        limits, code and stack are counted where C compiler and emulator are installed.

        Raises:
            PlanError: the regions do not hold the model.
            ToolError: the C compiler failed.
        """
        problems = check_ops(model.model, Numerics(options.numerics))
        ops = findings(model.model, problems)
        if problems:
            memory, limits = memory_rows(self.board, None), limits_of(options)
            whole = interface_findings(problems)
            return CheckReport(
                self.name, ops, memory, False, interface=whole, limits=limits
            )  # fmt: skip
        plan = self._plan(model, options)
        compiled = plan.compiled
        why = missing(self.board, compiled) or plan.missed(options)
        unknown = why is None and self.board.generic and not limits_of(options)
        place = needs_note(compiled) if self.board.generic else _CODE_NOTE
        counted = {
            "code_bytes": plan.code_bytes, "stack_bytes": plan.stack_bytes,
            "ram_bytes": plan.ram_bytes, "flash_bytes": plan.flash_bytes,
        }  # fmt: skip
        return CheckReport(
            self.name,
            ops,
            memory_rows(self.board, compiled) | (counted if limits_of(options) else {}),
            None if unknown else why is None,
            (*_model_notes(plan), *(() if limits_of(options) else (place,))),
            why=why,
            left_out=compiled.left_out,
            limits=limits_of(options),
            ram_bytes=plan.ram_bytes,
            flash_bytes=plan.flash_bytes,
        )

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes the C files and, where the C compiler is installed, an ELF image that runs them.

        Raises:
            UnsupportedModelError: ops without a kernel, all of them named.
            PlanError: the board's memory does not hold the model.
            ToolError: the C compiler failed.
            UsageError: the folder cannot be written to.
        """
        plan = self._fitting(model, options)
        compiled, built = plan.compiled, plan.built
        notes = plan.notes
        memory = memory_map(compiled, curve=True)
        files = c_files(self.name, model, compiled, options, memory)
        if options.c_only:
            notes = (*notes, "C only, no ELF, as asked for")
        else:
            try:
                toolchain = find_toolchain(self.board, options.toolchain)
                built = built or build_model(compiled, self.board, toolchain)
            except MissingExtraError as error:
                if options.toolchain != "auto":
                    raise
                notes = (*notes, f"C only, no ELF: {error.message} ({error.hint})")
            else:
                files[f"{compiled.name}.elf"] = built.image
        for name, content in files.items():
            write_atomic(output_dir / name, content)
        plan = replace(plan, built=built, notes=notes)
        result = self._result(model, output_dir, tuple(files), plan, options)
        return replace(result, memory_map=memory)

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Has nothing to deploy to.

        Raises:
            TargetError: always.
        """
        raise TargetError(
            f"target '{self.name}' is an emulated core: there is no device to deploy to",
            hint="add the compiled C files to your firmware project",
        )

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Replays lcg:1 and the golden vector on the emulated core, and counts instructions.

        Raises:
            UnsupportedModelError, PlanError: as :meth:`compile`.
            MissingExtraError: the C compiler or the emulator is not installed.
            ToolError: the compiler failed, or the program crashed in the emulator.
        """
        toolchain = find_toolchain(self.board, options.toolchain)
        emulator = find_emulator(self.board, options.emulator)
        plan = self._fitting(model, options)
        options.progress.stage("build")
        built = plan.built or build_model(plan.compiled, self.board, toolchain)
        notes = _model_notes(plan)
        plan = replace(plan, built=built, notes=(*plan.notes, "nothing was written"))
        result = self._result(model, Path(), (), plan, options)
        result = replace(result, memory_map=memory_map(plan.compiled, curve=True))
        options.progress.stage("emulate")
        conditions = {
            "emulator": emulator.description,
            "compiler": toolchain.description,
            "flags": " ".join(toolchain.flags(self.board)),
            "core": self.board.cpu,
            "clock_hz": self.board.clock.hz,
            "counted": "instructions of one invoke, from its first to its return",
            "cycles": "an estimate: zero wait states, every branch taken",
        }
        report = measure(model, built, self.board, emulator, result, conditions)
        return replace(report, notes=notes)

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        """The model's C on the emulated core, or with ``on_host`` on this machine.

        Both give the same bytes. The emulated core has the board's memory; this machine asks for
        none.

        Raises:
            UsageError: a device was named.
            UnsupportedModelError, PlanError: as :meth:`compile`.
            MissingExtraError: the C compiler or the emulator is not installed.
            ToolError: the compiler failed, or the program crashed in the emulator.
        """
        if options.device not in (None, "local"):
            raise UsageError(
                f"'{self.name}' is an emulated core: there is no '{options.device}'",
                hint="leave -d out",
            )
        kernels = self.board.kernels
        if options.on_host:
            yield on_host(model, options.numerics, kernels)
            return
        toolchain = find_toolchain(self.board, options.toolchain)
        emulator = find_emulator(self.board, options.emulator)
        plan = self._fitting(model, options)
        built = plan.built or build_model(plan.compiled, self.board, toolchain)
        with emulator.open(built.program, self.board) as session:
            predictor = BytesPredictor(
                model, plan.compiled, lambda inputs: session.run(inputs).outputs
            )
            runs = f"C in {emulator.description}, {kernels} kernels, {options.numerics}"
            yield RunningModel(predictor, runs, _model_notes(plan))

    def _fitting(self, model: ModelFile, options: RunOptions) -> LimitedPlan:
        """The best plan.

        Raises:
            PlanError: it misses the board's memory, or the user's limits.
        """
        plan = self._plan(model, options)
        require_fit(self.board, plan.compiled)
        missed = plan.missed(options)
        if missed is not None:
            raise PlanError(
                f"'{plan.compiled.name}' on {self.name}: {missed}",
                hint="allow that much, or use a smaller model, input or width",
            )
        return plan

    def _plan(self, model: ModelFile, options: RunOptions) -> LimitedPlan:
        make_model = maker(self.board, model, options)
        if limits_of(options):
            options.progress.stage("plan")
        return best_plan(self.board, make_model, options, self._tools(options))

    def _tools(self, options: RunOptions) -> Tools:
        """What counts code and stack; None for what is not installed, unless it was named."""
        if not limits_of(options):
            return Tools(self._counting_toolchain(options), None)
        toolchain, emulator = None, None
        try:
            toolchain = find_toolchain(self.board, options.toolchain)
            emulator = find_emulator(self.board, options.emulator)
        except (MissingExtraError, TargetError):
            named = options.emulator if toolchain else options.toolchain
            if named != "auto":
                raise
        return Tools(toolchain, emulator)

    def _counting_toolchain(self, options: RunOptions) -> Toolchain | None:
        """What counts code where flash matters; what ``--tune`` chose stays."""
        if options.optimize == "speed" or options.tune or options.c_only:
            return None
        try:
            return find_toolchain(self.board, options.toolchain)
        except MissingExtraError:
            return None

    def _result(
        self,
        model: ModelFile,
        output_dir: Path,
        files: tuple[str, ...],
        plan: LimitedPlan,
        options: RunOptions,
    ) -> CompileResult:
        compiled = plan.compiled
        return CompileResult(
            self.name,
            model.sha256,
            output_dir,
            files,
            arena_bytes=compiled.arena_bytes,
            static_bytes=plan.static_bytes,
            stack_bytes=plan.stack_bytes,
            code_bytes=plan.code_bytes,
            weight_bytes=compiled.weight_bytes,
            steps=tuple(StepInfo(step.ops, step.name, step.kernel) for step in compiled.steps),
            notes=(*compiled.notes, *plan.notes),
            left_out=compiled.left_out,
            optimize=compiled.optimize,
            limits=limits_of(options),
        )


def _model_notes(plan: LimitedPlan) -> tuple[str, ...]:
    """What to know of the model there; not of what surrounds it in C."""
    compiled = plan.compiled
    notes = (note for note in compiled.notes if note not in compiled.stage_notes)
    return (*notes, *plan.notes)


def make(name: str) -> McuTarget:
    """The target of that name.

    Raises:
        UnknownNameError: no such board.
    """
    return McuTarget(load_board(name))
