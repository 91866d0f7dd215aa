"""The targets ``pico``, ``microbit`` …: a whole board, with a program of ours on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgecnn.core.errors import MissingExtraError, PlanError, TargetError, UsageError
from edgecnn.core.files import write_atomic
from firmware_glue.compiler.api import check_ops, memory_map
from firmware_glue.compiler.ir import Numerics
from firmware_glue.device.board import Board
from firmware_glue.device.board_file import load_board, load_board_file
from firmware_glue.device.firmware import Firmware, link_firmware
from firmware_glue.device.firmware_files import firmware_files
from firmware_glue.device.model_config import ModelIdentity
from firmware_glue.device.toolchain import Toolchain, find_toolchain
from targets.base import (
    BenchReport,
    CheckReport,
    CompileResult,
    Deployment,
    ModelFile,
    OpFinding,
    RunningModel,
    RunOptions,
    StepInfo,
)
from targets.mcu.board_plan import BoardPlan, board_plan
from targets.mcu.compiled_target import CompiledTarget
from targets.mcu.findings import findings, interface_findings
from targets.mcu.make import c_files, maker
from targets.mcu.plan import limits_of
from targets.mcu.target import McuTarget

_NO_COMPILER = (
    "the program was not linked, because no C compiler is installed: code comes on top"
    " (pip install 'edgecnn[mcu]')"
)


@dataclass(frozen=True)
class BoardTarget(CompiledTarget):
    """A board: the model as C, in a program that answers on the board's line."""

    def check(self, model: ModelFile) -> CheckReport:
        """Says op by op whether there is a kernel, and whether the whole program fits."""
        return self.check_with(model, RunOptions())

    def check_with(self, model: ModelFile, options: RunOptions) -> CheckReport:
        """The same with ``--numerics``, ``--optimize``, ``--region`` and limits of memory.

        ``fits`` is None where no C compiler is installed that could count the code.

        Raises:
            PlanError: the regions do not hold the model.
            ToolError: the C compiler failed.
        """
        problems = check_ops(model.model, Numerics(options.numerics))
        ops = findings(model.model, problems)
        if problems:
            return self._refused(ops, interface_findings(problems), options)
        plan = self.plan(model, options)
        fits = plan.fits
        return CheckReport(
            self.name,
            ops,
            _memory_rows(plan),
            fits.fits,
            (*plan.compiled.notes, *_plan_notes(plan)),
            why=fits.why,
            left_out=plan.compiled.left_out,
            limits=limits_of(options),
            ram_bytes=fits.ram_bytes,
            flash_bytes=fits.flash_bytes,
        )

    def _refused(
        self, ops: tuple[OpFinding, ...], whole: tuple[OpFinding, ...], options: RunOptions
    ) -> CheckReport:
        memory = self.board.memory
        rows = {"flash_limit_bytes": memory.flash_bytes, "ram_limit_bytes": memory.ram_bytes}
        limits = limits_of(options)
        return CheckReport(self.name, ops, rows, False, interface=whole, limits=limits)

    def plan(self, model: ModelFile, options: RunOptions) -> BoardPlan:
        """The fastest program that the board holds, or the one that misses it least.

        ``--max-ram`` and ``--max-flash`` make the board smaller: they count the whole program.

        Raises:
            UnsupportedModelError: ops without a kernel.
            PlanError: no plan at all.
            ToolError: the C compiler failed.
        """
        board = _limited(self.board, options)
        toolchain = self._toolchain(options)
        link = None
        if toolchain is not None:
            identity = ModelIdentity(
                options.name or model.path.stem, model.sha256, options.model_id or ""
            )
            link = partial(link_firmware, board=board, toolchain=toolchain, identity=identity)
        make = maker(self.board, model, options)
        options.progress.stage(f"link {self.name}")
        return board_plan(board, make, link, options.optimize)

    def program(self, plan: BoardPlan, options: RunOptions) -> Firmware:
        """The linked program of a plan that fits.

        Raises:
            PlanError: the board does not hold it; all numbers are named.
            MissingExtraError: no C compiler is installed.
        """
        if plan.fits.fits is False:
            raise PlanError(
                f"'{plan.compiled.name}' does not fit {self.name}: {plan.fits.why}",
                hint="choose a smaller model or input, or a board that holds it (edgecnn check"
                " without -t says which do)",
            )
        if plan.firmware is None:
            find_toolchain(self.board, options.toolchain)  # says what to install
            raise TargetError(f"'{self.name}' has no program", hint="install a C compiler")
        return plan.firmware

    def compiler(self, options: RunOptions) -> str:
        """Name and version of the C compiler.

        Raises:
            MissingExtraError: none is installed.
        """
        return find_toolchain(self.board, options.toolchain).description

    def compile(self, model: ModelFile, output_dir: Path, options: RunOptions) -> CompileResult:
        """Writes the C files and, with a C compiler, the program: ELF, map, and what is flashed.

        Raises:
            UnsupportedModelError: ops without a kernel, all of them named.
            PlanError: the board does not hold the program.
            ToolError: the C compiler failed.
            UsageError: the folder cannot be written to.
        """
        plan = self.plan(model, options)
        if plan.fits.fits is False:
            self.program(plan, options)
        compiled, notes = plan.compiled, _plan_notes(plan)
        memory = memory_map(compiled, curve=True)
        files = c_files(self.name, model, compiled, options, memory)
        if options.c_only:
            notes = (*notes, "C only, no program, as asked for")
        elif plan.firmware is not None:
            files |= firmware_files(plan.firmware)
        for name, content in files.items():
            write_atomic(output_dir / name, content)
        return self._result(model, output_dir, tuple(files), plan, options, notes, memory)

    def _result(
        self,
        model: ModelFile,
        output_dir: Path,
        files: Sequence[str],
        plan: BoardPlan,
        options: RunOptions,
        notes: tuple[str, ...],
        memory: dict[str, Any],
    ) -> CompileResult:
        compiled, use = plan.compiled, plan.fits.use
        return CompileResult(
            self.name,
            model.sha256,
            output_dir,
            tuple(files),
            arena_bytes=compiled.arena_bytes,
            static_bytes=use.static_bytes if use else compiled.static_bytes,
            stack_bytes=self.board.memory.stack_bytes,
            code_bytes=use.program_bytes + use.model_code_bytes if use else None,
            weight_bytes=compiled.weight_bytes,
            steps=tuple(StepInfo(step.ops, step.name, step.kernel) for step in compiled.steps),
            notes=(*compiled.notes, *notes),
            left_out=compiled.left_out,
            optimize=compiled.optimize,
            limits=limits_of(options),
            memory_map=memory,
        )

    def report(
        self, model: ModelFile, output_dir: Path, plan: BoardPlan, options: RunOptions
    ) -> CompileResult:
        """What :meth:`compile` would say of a plan, nothing written."""
        notes = (*_plan_notes(plan), "nothing was written")
        memory = memory_map(plan.compiled, curve=True)
        return self._result(model, output_dir, (), plan, options, notes, memory)

    def deploy(self, compiled: CompileResult, options: RunOptions) -> Deployment:
        """Boards are flashed, not deployed to.

        Raises:
            TargetError: always.
        """
        raise TargetError(
            f"target '{self.name}' is flashed, not deployed to",
            hint=f"edgecnn flash -t {self.name}, or edgecnn run -t {self.name}",
        )

    def benchmark(self, model: ModelFile, options: RunOptions) -> BenchReport:
        """Counts the model on the board's core, in an emulator: as for the bare core.

        ``edgecnn run`` measures on the board itself.

        Raises:
            UsageError: a device was named.
            UnsupportedModelError, PlanError, MissingExtraError, ToolError: as for the bare core.
        """
        if options.device not in (None, "local"):
            raise UsageError(
                f"edgecnn bench counts on the bare {self.board.cpu}, and asks no"
                f" '{options.device}'",
                hint=f"edgecnn run -t {self.name} -d {options.device} measures on the board",
            )
        report = McuTarget(self.board).benchmark(model, options)
        note = (
            f"counted on the bare {self.board.cpu}: edgecnn run -t {self.name} measures on the"
            " board, with --emulate on the whole emulated board"
        )
        return replace(report, notes=(*report.notes, note))

    @contextmanager
    def open_model(self, model: ModelFile, options: RunOptions) -> Iterator[RunningModel]:
        """The model's C on the board's core: as for the bare core, with the board's memory.

        Raises:
            UsageError: a device was named.
            UnsupportedModelError, PlanError, MissingExtraError, ToolError: as for the bare core.
        """
        if options.device not in (None, "local"):
            raise UsageError(
                f"the model would run on an emulated {self.board.cpu}, not on '{options.device}'",
                hint=f"edgecnn run -t {self.name} -d {options.device} runs it on the board",
            )
        with McuTarget(self.board).open_model(model, options) as running:
            note = f"runs on the bare {self.board.cpu}, without the board around it"
            notes = running.notes if options.on_host else (*running.notes, note)
            yield replace(running, notes=notes)

    def _toolchain(self, options: RunOptions) -> Toolchain | None:
        """None where none is installed and none was named."""
        try:
            return find_toolchain(self.board, options.toolchain)
        except MissingExtraError:
            if options.toolchain != "auto":
                raise
            return None


def _limited(board: Board, options: RunOptions) -> Board:
    """The board with no more memory than the user allows."""
    memory = board.memory
    flash = min(memory.flash_bytes, options.max_flash or memory.flash_bytes)
    ram = min(memory.ram_bytes, options.max_ram or memory.ram_bytes)
    return replace(board, memory=replace(memory, flash_bytes=flash, ram_bytes=ram))


def _plan_notes(plan: BoardPlan) -> tuple[str, ...]:
    missing = plan.fits.use is None and plan.fits.fits is None
    return (*plan.notes, *((_NO_COMPILER,) if missing else ()))


def _memory_rows(plan: BoardPlan) -> dict[str, Any]:
    """Bytes by name: who takes what, and what there is."""
    said = plan.fits.to_json()
    flash, ram = said["flash"], said["ram"]
    return {
        "program_bytes": flash["program_bytes"],
        "model_code_bytes": flash["model_code_bytes"],
        "weight_bytes": flash["weight_bytes"],
        "flash_bytes": flash["total_bytes"],
        "flash_limit_bytes": flash["available_bytes"],
        "arena_bytes": ram["arena_bytes"],
        "arena_lower_bound_bytes": plan.compiled.lower_bound_bytes,
        "static_bytes": ram["static_bytes"],
        "stack_bytes": ram["stack_bytes"],
        "ram_bytes": ram["total_bytes"],
        "ram_limit_bytes": ram["available_bytes"],
        **said["sections"],
    }


def make(name: str) -> BoardTarget:
    """The target of that name.

    Raises:
        UnknownNameError: no such board.
    """
    return BoardTarget(load_board(name))


def from_file(path: Path) -> BoardTarget | McuTarget:
    """The target that the user's own TOML describes: a board, or a core with its memory.

    Raises:
        TargetError: the file is wrong.
    """
    board = load_board_file(path)
    return McuTarget(board) if board.line is None else BoardTarget(board)
