"""Options that several verbs share, each declared once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.jobs.bare_specs import SpecFiles
    from edgecnn.jobs.place import Place

_REGION = re.compile(r"([A-Za-z]\w{0,30})=(\d{1,9})([kKmM]?)")
_BYTES = re.compile(r"(\d{1,9})([kKmM]?)")
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}
_PROGRAM_OPTIONS = (
    "model_id", "toolchain", "regions", "max_ram", "max_flash", "optimize", "numerics",
)  # fmt: skip
F = TypeVar("F", bound=Callable[..., Any])


def common(function: F) -> F:
    """``--json``, ``-v``, ``-q`` and ``--debug``: on every verb."""
    for option in (
        click.option("--debug", is_flag=True, help="Show the traceback of an error.",
                     expose_value=False),
        click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Print details."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout, nothing else."),
    ):  # fmt: skip
        function = option(function)
    return function


def model_argument(function: F) -> F:
    """MODEL: a bundle, .keras or .tflite; the project's bundle if left out."""
    return click.argument("model", required=False, type=click.Path(path_type=Path))(function)


def project_option(function: F) -> F:
    """``--project``: where edgecnn.toml is."""
    return click.option(
        "--project",
        type=click.Path(path_type=Path),
        default=Path("edgecnn.toml"),
        show_default=True,
        help="The project file.",
    )(function)


def import_option(function: F) -> F:
    """``--import``: Python files with the model's own layers."""
    return click.option(
        "--import",
        "imports",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE.py",
        help="Python file with own layers of a Keras model; it is run in this process. Repeatable.",
    )(function)


def own_code_options(function: F) -> F:
    """``--import`` and ``--unsafe``: on every verb that opens Keras models."""
    return import_option(
        click.option(
            "--unsafe", is_flag=True, help="Run code that a Keras file brings (Lambda layers)."
        )(function)
    )


def output_option(help_text: str) -> Callable[[F], F]:
    """``-o/--output-dir``."""
    return click.option(
        "-o", "--output-dir", type=click.Path(path_type=Path), default=None, help=help_text
    )


def target_option(*, multiple: bool, required: bool = True) -> Callable[[F], F]:
    """``-t/--target``, completed from the table of targets."""
    return click.option(
        "-t",
        "--target",
        "targets" if multiple else "target",
        multiple=multiple,
        required=required and not multiple,
        shell_complete=_complete_targets,
        help="Target name (see edgecnn targets)" + ("; repeatable." if multiple else "."),
    )


def board_file_option(function: F) -> F:
    """``--board-file``: a board of the user's own."""
    return click.option(
        "--board-file",
        type=click.Path(path_type=Path),
        default=None,
        metavar="FILE.toml",
        help="A board of your own, instead of -t (CONTRIBUTING.md, 'Add a board').",
    )(function)


def device_option(help_text: str) -> Callable[[F], F]:
    """``-d/--device``."""
    return click.option("-d", "--device", default=None, help=help_text)


def line_option(function: F) -> F:
    """``-d/--device`` of a board."""
    return device_option(
        "The board's line: a path, COMn or tcp://host:port; default: found by USB ids."
    )(function)


def place_options(function: F) -> F:
    """``-t``, ``--board-file``, ``-d``, ``--on-host`` and ``--threads``: where a model runs."""
    for option in (
        click.option("--threads", type=click.IntRange(1, 256), default=None,
                     help="Interpreter threads."),
        click.option("--on-host", is_flag=True,
                     help="Run a microcontroller's C on this machine: the same bytes as in the"
                     " emulator, which is the default, and much faster."),
        device_option("The target's device: local runs a Raspberry Pi's model on this machine."),
        board_file_option,
        target_option(multiple=False, required=False),
    ):  # fmt: skip
        function = option(function)
    return function


def place_of(flags: Mapping[str, Any]) -> Place:
    """Where a model runs, by :func:`place_options` and ``--numerics``, if the verb has it.

    Raises:
        UsageError, UnknownNameError, TargetError: as :func:`edgecnn.jobs.place.chosen_place`.
    """
    from edgecnn.jobs.place import chosen_place

    return chosen_place(
        flags["target"],
        flags["board_file"],
        device=flags["device"],
        threads=flags["threads"],
        numerics=flags.get("numerics"),
        on_host=flags["on_host"],
    )


def model_id_option(function: F) -> F:
    """``--id``: the model's id on the line."""
    return click.option(
        "--id", "model_id", default=None, metavar="ID",
        help="What the board answers MLPerf Tiny's 'profile' with; default: by the model's shapes,"
        " else its name.",
    )(function)  # fmt: skip


def flash_options(function: F) -> F:
    """``--method`` and ``--force``: how a board is flashed."""
    for option in (
        click.option("--force", is_flag=True, help="Overwrite a program that is not edgecnn's."),
        click.option("--method", type=click.Choice(["uf2", "mass-storage", "pyocd", "openocd"]),
                     default=None, help="How to flash; default: the board's first that works."),
    ):  # fmt: skip
        function = option(function)
    return function


def variant_option(function: F) -> F:
    """``--variant``: which of a bundle's variants."""
    return click.option(
        "--variant", default=None, help="A bundle's variant (float32, int8 …); default: int8."
    )(function)


def region_option(function: F) -> F:
    """``--region``: memories for the arena."""
    return click.option(
        "--region",
        "regions",
        multiple=True,
        metavar="NAME=BYTES",
        callback=_regions,
        help="Memory for the arena, fastest first, e.g. dtcm=64k --region sram=320k; repeatable.",
    )(function)


def _regions(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, int], ...]:
    found = []
    for value in values:
        match = _REGION.fullmatch(value)
        if match is None:
            raise UsageError(
                f"--region '{value}' is not NAME=BYTES",
                hint="give a C identifier and a size, for example --region dtcm=64k",
            )
        found.append((match[1], int(match[2]) * _UNITS[match[3].lower()]))
    return tuple(found)


def limit_options(function: F) -> F:
    """``--max-ram`` and ``--max-flash``: the memory of the user's part."""
    for name, what in (
        ("--max-flash", "What code and weights may take, e.g. 1m: planned for, exit 1 if missed."),
        ("--max-ram", "What arena, static data and stack may take, e.g. 64k: planned for (layers"
         " then run row by row as far as that needs), exit 1 if missed."),
    ):  # fmt: skip
        function = click.option(name, metavar="N[k|m]", callback=_byte_count, help=what)(function)
    return function


def _byte_count(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _BYTES.fullmatch(value)
    if match is None:
        raise UsageError(
            f"{param.opts[0]} '{value}' is no number of bytes", hint="for example 65536, 64k or 1m"
        )
    return int(match[1]) * _UNITS[match[2].lower()]


def toolchain_option(function: F) -> F:
    """``--toolchain``: the C compiler for microcontrollers."""
    return click.option(
        "--toolchain",
        type=click.Choice(["auto", "zig", "gcc"]),
        default="auto",
        show_default=True,
        help="C compiler for microcontrollers; auto: zig where installed, else GCC.",
    )(function)


def emulator_option(function: F) -> F:
    """``--emulator``: what runs a microcontroller's program."""
    return click.option(
        "--emulator",
        type=click.Choice(["auto", "unicorn", "qemu"]),
        default="auto",
        show_default=True,
        help="Emulator of microcontrollers; auto: unicorn where it has the core, else QEMU.",
    )(function)


def seed_option(function: F) -> F:
    """``--seed``."""
    return click.option("--seed", type=int, default=None, help="Seed of splits and training.")(
        function
    )


def tune_option(function: F) -> F:
    """``--tune``."""
    return click.option(
        "--tune",
        is_flag=True,
        help="Choose a microcontroller's kernels by counting in the emulator; remembered.",
    )(function)


def optimize_option(function: F) -> F:
    """``--optimize``."""
    return click.option(
        "--optimize",
        type=click.Choice(["speed", "balanced", "size"]),
        default="speed",
        show_default=True,
        help="What a microcontroller's kernels are chosen and compiled for.",
    )(function)


def numerics_option(help_text: str, *, default: str | None) -> Callable[[F], F]:
    """``--numerics``: whose integer arithmetic the C follows."""
    return click.option(
        "--numerics",
        type=click.Choice(["litert-ref", "tflm", "single"]),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


def spec_options(function: F) -> F:
    """What the user says of a model's input and outputs; see :func:`spec_files_of`."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--input-size", type=click.IntRange(1, 8192), nargs=2, default=None,
                     metavar="WIDTH HEIGHT", help="Where the file leaves it open."),
        click.option("--spec", type=path, default=None, help="Both specs in one TOML."),
        click.option("--postprocess", type=path, default=None, help="Spec of the outputs, JSON."),
        click.option("--preprocess", type=path, default=None, help="Spec of the input, JSON."),
        click.option("--labels", type=path, default=None, help="Label file: a class a line."),
    ):  # fmt: skip
        function = option(function)
    return input_options(function)


def spec_files_of(flags: dict[str, Any]) -> SpecFiles:
    """What :func:`spec_options` were given."""
    from edgecnn.jobs.bare_specs import SpecFiles
    from edgecnn.jobs.input_range import RangeOptions

    return SpecFiles(
        flags["preprocess"],
        flags["postprocess"],
        flags["labels"],
        RangeOptions(flags["input_range"], flags["colour"]),
        flags["spec"],
        flags["input_size"],
    )


def input_options(function: F) -> F:
    """``--input-range`` and ``--colour``: what a byte of an image means to a bare model."""
    for option in (
        click.option("--colour", "--color", default=None, help="Of images for a bare model: rgb or"
                     " bgr; default: found out by labels, else the usual order."),
        click.option("--input-range", default=None, help="Of images for a bare model: 0..255, 0..1,"
                     " -1..1, imagenet, caffe or LOW..HIGH; default: found out by labels or the"
                     " file, as published for a recognised kind, or an error."),
    ):  # fmt: skip
        function = option(function)
    return function


def program_options(function: F) -> F:
    """How a board's program is made: one parameter ``program``, keywords of ``RunOptions``."""

    @functools.wraps(function)
    def collected(**given: Any) -> Any:
        program = {name: given.pop(name) for name in _PROGRAM_OPTIONS}
        return function(**given, program=program)

    wrapped: Any = collected
    for option in (
        numerics_option("Whose integer arithmetic the C follows.", default="litert-ref"),
        optimize_option, limit_options, region_option, toolchain_option, model_id_option,
        variant_option,
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


def force_option(function: F) -> F:
    """``--force``."""
    return click.option("--force", is_flag=True, help="Overwrite what is there.")(function)


def force_chance_option(function: F) -> F:
    """``--force`` where a model is no better than chance."""
    return click.option(
        "--force", is_flag=True, help="Go on with a model that is no better than chance."
    )(function)


def dry_run_option(function: F) -> F:
    """``--dry-run``."""
    return click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")(
        function
    )


def _complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from targets.table import target_names

    return [name for name in target_names() if name.startswith(incomplete)]
