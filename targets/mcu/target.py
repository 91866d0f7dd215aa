"""The targets ``cortex-m4``, ``cortex-m0plus`` …: one per board of firmware_glue."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecnn.core.errors import MissingExtraError, TargetError
from edgecnn.core.files import write_atomic
from firmware_glue.compiler.api import (
    ARENA,
    CompiledModel,
    Region,
    check_ops,
    compile_model,
    memory_map,
)
from firmware_glue.device.board import Board, load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import BuiltModel, build_model
from firmware_glue.device.toolchain import find_toolchain
from firmware_glue.licenses import license_texts
from targets.base import (
    API,
    BenchReport,
    Capabilities,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    RunOptions,
    StepInfo,
)
from targets.mcu.findings import findings, interface_notes
from targets.mcu.fit import fits, fitted, memory_rows, require_fit
from targets.mcu.measure import measure
from targets.mcu.origin import origin
from targets.mcu.tune import StepCosts, cache_folder

_CODE_NOTE = "code comes on top of the weights; compile tells how much"


@dataclass(frozen=True)
class McuTarget:
    """A microcontroller: the model as C, built and counted on an emulated core."""

    board: Board
    api: int = API
    capabilities: Capabilities = Capabilities(
        dtypes=("int8", "int16", "uint8", "float32"),
        granularity="per-channel",
        delegate="",
        unit="instructions",
        extra="mcu",
    )

    @property
    def name(self) -> str:
        """The name for ``-t``."""
        return self.board.name

    @property
    def summary(self) -> str:
        """One line for ``edgecnn targets``."""
        return self.board.summary

    def check(self, model: ModelFile) -> CheckReport:
        """Says op by op whether there is a kernel, and what memory the model takes.

        Nothing else on the board could run an op, so one without a kernel means ``fits`` is false.
        """
        problems = check_ops(model.model)
        ops = findings(model.model, problems)
        if problems:
            memory = memory_rows(self.board, None)
            return CheckReport(self.name, ops, memory, False, interface_notes(problems))
        compiled = fitted(
            self.board,
            lambda limit: compile_model(
                model.model, name="model", kernels=self.board.kernels, max_ram=limit
            ),
        )
        memory = memory_rows(self.board, compiled)
        notes = (*compiled.program.graph.notes, _CODE_NOTE)
        return CheckReport(self.name, ops, memory, fits(self.board, compiled), notes)

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes the C files and, where the C compiler is installed, an ELF image that runs them.

        Raises:
            UnsupportedModelError: ops without a kernel, all of them named.
            PlanError: the board's memory does not hold the model.
            ToolError: the C compiler failed.
            UsageError: the folder cannot be written to.
        """
        compiled = self._compiled(model, options)
        files: dict[str, str | bytes] = dict(compiled.files)
        built: BuiltModel | None = None
        notes: tuple[str, ...] = ()
        memory = memory_map(compiled, curve=True)
        files |= license_texts()
        files[f"{compiled.name}_memory.json"] = json.dumps(memory) + "\n"
        if compiled.blob:
            files[f"{compiled.name}_weights.bin"] = compiled.blob
        if options.c_only:
            notes = ("C only, no ELF, as asked for",)
        else:
            try:
                toolchain = find_toolchain(self.board, options.toolchain)
                built = build_model(compiled, self.board, toolchain)
            except MissingExtraError as error:
                if options.toolchain != "auto":
                    raise
                notes = (f"C only, no ELF: {error.message} ({error.hint})",)
            else:
                files[f"{compiled.name}.elf"] = built.image
        for name, content in files.items():
            write_atomic(output_dir / name, content)
        result = self._result(model, output_dir, tuple(files), compiled, built, notes)
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
        compiled = self._compiled(model, options)
        options.progress.stage("build")
        built = build_model(compiled, self.board, toolchain)
        result = self._result(model, Path(), (), compiled, built, ("nothing was written",))
        result = replace(result, memory_map=memory_map(compiled, curve=True))
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
        return measure(model, built, self.board, emulator, result, conditions)

    def _compiled(self, model: ModelFile, options: RunOptions) -> CompiledModel:
        name = model.path.stem if options.name is None else options.name
        tune = None
        if options.tune:
            options.progress.stage("tune")
            toolchain = find_toolchain(self.board, options.toolchain)
            emulator = find_emulator(self.board, options.emulator)
            tune = StepCosts(self.board, toolchain, emulator, cache_folder())
        compiled = fitted(
            self.board,
            lambda limit: compile_model(
                model.model,
                name=name,
                numerics=options.numerics,
                weights=options.weights,
                regions=[Region(*region) for region in options.regions] or self._regions(),
                kernels=self.board.kernels,
                optimize=options.optimize,
                max_ram=options.max_ram if limit is None else limit,
                tune=tune,
                origin=origin(model, self.name, options),
            ),
        )
        require_fit(self.board, compiled)
        return compiled

    def _regions(self) -> Sequence[Region]:
        """The board's own memories for the arena."""
        named = self.board.memory.regions
        return [Region(region.name, region.bytes) for region in named] or ARENA

    def _result(
        self,
        model: ModelFile,
        output_dir: Path,
        files: tuple[str, ...],
        compiled: CompiledModel,
        built: BuiltModel | None,
        notes: tuple[str, ...],
    ) -> CompileResult:
        return CompileResult(
            self.name,
            model.sha256,
            output_dir,
            files,
            arena_bytes=compiled.arena_bytes,
            static_bytes=built.size.static_bytes if built else compiled.static_bytes,
            code_bytes=built.size.code_bytes if built else None,
            weight_bytes=compiled.weight_bytes,
            steps=tuple(StepInfo(step.ops, step.name, step.kernel) for step in compiled.steps),
            notes=(*compiled.notes, *notes),
        )


def make(name: str) -> McuTarget:
    """The target of that name.

    Raises:
        UnknownNameError: no such board.
    """
    return McuTarget(load_board(name))
