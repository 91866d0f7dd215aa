"""Where a model runs while it detects or is measured: a target, this machine, or its C."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import UnsupportedModelError, UsageError
from edgecnn.jobs.elsewhere import with_elsewhere
from edgecnn.jobs.specs import OpenModel
from targets.base import ModelFile, RunningModel, RunOptions, RunsModels, Target
from targets.table import all_targets, chosen_target

Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where the user wants a .tflite to run; see :func:`chosen_place`.

    Attributes:
        target: what runs it; None: LiteRT on this machine, or with ``numerics`` the model's C.
        device: of the target, as ``-d`` takes it; None: the target's default.
        threads: LiteRT's; None: the target's or LiteRT's default.
        numerics: whose integer arithmetic the C follows; None: LiteRT's reference kernels', where
            it is C that runs.
        on_host: run a microcontroller's C on this machine, not in the emulator.
    """

    target: Target | None = None
    device: str | None = None
    threads: int | None = None
    numerics: str | None = None
    on_host: bool = False

    @property
    def name(self) -> str:
        """The target's name; without one ``this machine``."""
        return "this machine" if self.target is None else self.target.name

    def opener(self, stack: ExitStack, say: Say) -> OpenModel | None:
        """What makes a model ready there; None: nothing but LiteRT on this machine is needed.

        Args:
            stack: what runs the model ends with it.
            say: is told what to know of the model there.
        """
        if self.target is None and self.numerics is None:
            return None

        def open_model(model: ModelFile) -> RunningModel:
            try:
                running = stack.enter_context(self._context(model))
            except UnsupportedModelError as error:
                raise with_elsewhere(error, model, self.name) from error
            for note in running.notes:
                say(note)
            return running

        return open_model

    def _context(self, model: ModelFile) -> AbstractContextManager[RunningModel]:
        numerics = self.numerics or RunOptions.numerics
        if self.target is None:
            from targets.mcu.on_host import on_host

            return nullcontext(on_host(model, numerics, "generic"))
        options = RunOptions(
            device=self.device, threads=self.threads, numerics=numerics, on_host=self.on_host
        )
        return _runner(self.target).open_model(model, options)


HERE = Place()
"""LiteRT on this machine, with as many threads as it takes."""


def chosen_place(
    target: str | None,
    board_file: Path | None = None,
    *,
    device: str | None = None,
    threads: int | None = None,
    numerics: str | None = None,
    on_host: bool = False,
) -> Place:
    """Where the user wants a model to run, by the options of the command line.

    Raises:
        UsageError: options that mean nothing there, or a target that runs no models.
        UnknownNameError, TargetError: as :func:`targets.table.chosen_target`.
    """
    if target is None and board_file is None:
        for flag, given in (("-d", device is not None), ("--on-host", on_host and not numerics)):
            if given:
                raise UsageError(
                    f"{flag} says where a target's model runs, and there is no -t",
                    hint="add -t TARGET (see edgecnn targets), or leave it out",
                )
        return Place(threads=threads, numerics=numerics)
    from targets.mcu.compiled_target import CompiledTarget

    chosen = chosen_target(target, board_file)
    _runner(chosen)
    compiled = isinstance(chosen, CompiledTarget)
    for flag, given, fits, why in (
        ("--threads", threads is not None, not compiled, "its C runs on one core"),
        ("--numerics", numerics is not None, compiled, "it runs no C"),
        ("--on-host", on_host, compiled, "it runs no C"),
    ):
        if given and not fits:
            raise UsageError(
                f"{flag} means nothing on '{chosen.name}': {why}", hint=f"leave {flag} out"
            )
    return Place(chosen, device, threads, numerics, on_host)


def _runner(target: Target) -> RunsModels:
    """The target as one that runs models.

    Raises:
        UsageError: it compiles or estimates only.
    """
    if isinstance(target, RunsModels):
        return target
    names = ", ".join(item.name for item in all_targets() if isinstance(item, RunsModels))
    raise UsageError(f"'{target.name}' runs no model here", hint=f"-t takes {names}")
