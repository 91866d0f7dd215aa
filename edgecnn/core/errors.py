"""The one error tree.

Each error that a user can cause is an :class:`EdgecnnError`. It carries what the CLI prints: the
message (what was given, what was expected), a hint (what to do next) and optional detail lines.
Anything else that escapes is a bug. Standard library only, so that any room can import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

MAX_DETAILS = 10


class EdgecnnError(Exception):
    """Foreseeable trouble: printed as ``error:`` and ``hint:``, never as a traceback.

    Attributes:
        message: what was given and what was expected, one line.
        hint: what to do next, one line.
        details: lines between the two (for example rejected ops); the CLI prints at most 10.
        exit_code: 1 failed or a gate missed, 2 wrong usage.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = tuple(details)


class UsageError(EdgecnnError):
    """A wrong flag, argument or combination of them."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is in no table: target, model, recipe, task, data source."""

    def __init__(self, what: str, given: str, known: Sequence[str]) -> None:
        near = get_close_matches(given, list(known), n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'? " if near else ""
        super().__init__(
            f"unknown {what} '{given}'", hint=f"{hint}known: {', '.join(sorted(known))}"
        )
        self.given = given


class ProjectError(UsageError):
    """edgecnn.toml holds a key or a value that is not allowed."""


class MissingExtraError(EdgecnnError):
    """An optional dependency is not installed.

    Args:
        what: what was wanted, for example ``training``.
        package: the module or program that is missing.
        extra: the extra of the edgecnn distribution that brings it.
    """

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs '{package}', which is not installed",
            hint=f"pip install 'edgecnn[{extra}]'",
        )
        self.extra = extra


class ShadowedPackageError(EdgecnnError):
    """Python finds a module of another project before one of our packages.

    Args:
        found: the module and its file, as a clause.
        expected: the folder of our package.
    """

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(
            f"{found}, expected edgecnn's own package '{expected}'",
            hint="rename or uninstall the other one, take its folder off PYTHONPATH, or install"
            " edgecnn in a virtual environment of its own",
        )


class ModelError(EdgecnnError):
    """A model file that cannot be read, is damaged, or is of the wrong kind."""


class UnsupportedModelError(ModelError):
    """A readable model with ops or types that a target or the compiler does not cover."""


class DataError(EdgecnnError):
    """Images, labels, annotations or arrays that cannot be used."""


class BundleError(EdgecnnError):
    """A bundle folder that is missing, damaged, or lacks what was asked for."""


class QuantizationError(EdgecnnError):
    """Quantization could not give what was asked for."""


class PlanError(EdgecnnError):
    """A memory plan that does not fit or does not hold."""


class ToolError(EdgecnnError):
    """An external tool (compiler, emulator, vela, edgetpu_compiler) failed."""

    def __init__(self, tool: str, returncode: int | None, tail: str, *, hint: str) -> None:
        state = "timed out" if returncode is None else f"exit code {returncode}"
        lines = [line for line in tail.splitlines() if line.strip()][-MAX_DETAILS:]
        super().__init__(f"{tool} failed ({state})", hint=hint, details=lines)
        self.returncode = returncode


class TargetError(EdgecnnError):
    """A target could not check, compile, deploy or measure."""


class CameraError(EdgecnnError):
    """A camera, video file or stream that cannot be opened or was lost."""


class ServiceError(EdgecnnError):
    """A service that cannot be installed, asked or removed."""


class GateMissedError(EdgecnnError):
    """A measured value misses the gate that the user set (``--max-drop`` and the like)."""
