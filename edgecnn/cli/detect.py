"""``edgecnn detect``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from edgecnn.cli.choice_options import choice_of, choice_options
from edgecnn.cli.detect_status import StatusLine
from edgecnn.cli.detect_summary import print_summary
from edgecnn.cli.event_options import event_options, events_of
from edgecnn.cli.explain_model import explain_model
from edgecnn.cli.memory import share_arenas
from edgecnn.cli.options import (
    common,
    output_option,
    own_code_options,
    place_of,
    place_options,
    project_option,
    spec_files_of,
    spec_options,
    variant_option,
)
from edgecnn.cli.output import print_warnings
from edgecnn.cli.page_options import page_of, page_options, show_page
from edgecnn.cli.record_options import record_options, recording_of
from edgecnn.cli.sections import SectionedCommand
from edgecnn.cli.source_options import cameras_of, source_options, source_options_of
from edgecnn.cli.streams import shown, tell_people
from edgecnn.cli.track_options import follow_of, track_options
from edgecnn.core.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.camera.notices import LoopNotice
    from edgecnn.camera.together import RunSummary
    from edgecnn.jobs.cascade_file import NetworkStage
    from edgecnn.jobs.detect import DetectRequest
    from edgecnn.jobs.place import Place
    from edgecnn.jobs.reference import ModelRef


#: Headings of the help, by the option that each begins with.
SECTIONS = MappingProxyType(
    {
        "--source": "Source",
        "--model": "Model",
        "--output-dir": "What is detected, and for how long",
        "--record": "Recording",
        "--events": "Events",
        "--track": "Tracks and counts",
        "--serve": "Live page",
        "--target": "Where the model runs",
        "--input-range": "What a bare model leaves open",
        "--import": "General",
    }
)


@click.command("detect", cls=SectionedCommand, sections=SECTIONS)
@source_options
@click.option("--model", type=click.Path(path_type=Path), default=None,
              help="Bundle, .tflite or .keras; default: the project's bundle.")  # fmt: skip
@click.option("--stages", type=click.Path(path_type=Path), default=None,
              help="Instead of --model: two networks in a row, in a TOML.")  # fmt: skip
@click.option("--explain-model", is_flag=True,
              help="Say what the model was recognised as, and why; detect nothing.")  # fmt: skip
@click.option("--write", type=click.Path(path_type=Path), default=None,
              help="With --explain-model: write what is known as a TOML for --spec.")  # fmt: skip
@output_option("Folder for detections.mp4 and detections.jsonl.")
@choice_options
@click.option("--max-frames", type=int, default=None, help="Stop after so many frames.")
@click.option("--max-seconds", type=float, default=None, help="Stop after so many seconds.")
@record_options
@event_options
@track_options
@page_options
@place_options
@spec_options
@own_code_options
@variant_option
@project_option
@common
def command(model: Path | None, project: Path, **flags: Any) -> None:
    """Run the camera loop; needs no display. Ctrl-C ends it cleanly.

    With -t TARGET the model runs there; a microcontroller's C in an emulator, with --on-host on
    this machine.

    A bare .tflite is recognised by its ops, names, shapes, metadata and values; --explain-model
    says what was recognised and why. With --json every frame is a line of JSON on stdout, the last
    line is the summary.
    """
    from edgecnn.jobs.reference import resolve

    if flags["explain_model"]:
        reference = resolve(model, project, imports=flags["imports"], unsafe=flags["unsafe"])
        explain_model(reference, flags)
        return
    _detect(model, project, flags)


def _detect(model: Path | None, project: Path, flags: dict[str, Any]) -> None:
    """Runs the loop and prints its summary; of several cameras also where one of them failed."""
    share_arenas()
    from edgecnn.camera.together import CamerasFailedError
    from edgecnn.jobs.detect import run

    as_json, quiet = flags["as_json"], flags["quiet"]
    request = request_of(model, project, flags)
    for stage in request.stages:
        _warn(stage.reference, stage.variant)
    status = StatusLine() if sys.stderr.isatty() and not (as_json or quiet) else None
    say = None if as_json or quiet else tell_people
    on_notice = None if quiet else _show_notice
    try:
        summary = run(request, status, say, on_notice, partial(show_page, quiet=quiet))
    except CamerasFailedError as failed:
        _show_summary(failed.summary, request, flags)
        raise
    _show_summary(summary, request, flags)


def _show_summary(summary: RunSummary, request: DetectRequest, flags: Mapping[str, Any]) -> None:
    """Prints it, where stdout is for it."""
    lines = request.lines if isinstance(request.lines, Path) else None
    if flags["as_json"] and lines is not None:
        from edgecnn.camera.result import to_line

        click.echo(to_line(summary.to_json()), nl=False)
    elif not (flags["as_json"] or flags["quiet"] or flags["events"] == "-"):
        videos = [request.video_of(camera.name) for camera in request.cameras]
        print_summary(summary, [path for path in (*videos, lines) if path and path.exists()])


def request_of(model: Path | None, project: Path, flags: dict[str, Any]) -> DetectRequest:
    """What the options ask for; opens and writes nothing but the model's bundle.

    Raises:
        EdgecnnError: a value cannot be meant, or a file that is named is not there.
    """
    from edgecnn.jobs.detect import output_files
    from edgecnn.jobs.reference import resolve

    if not flags["sources"] or flags["write"] is not None:
        missing = not flags["sources"]
        raise UsageError(
            "there is no --source" if missing else "--write goes with --explain-model",
            hint="give a camera number, a video file or a URL" if missing else "add it",
        )
    place = place_of(flags)
    find = partial(resolve, project=project, imports=flags["imports"], unsafe=flags["unsafe"])
    stages = _stages(model, flags, find)
    return _request(stages, place, output_files(flags["output_dir"]), flags)


def _stages(
    model: Path | None, flags: dict[str, Any], find: Callable[[Path | None], ModelRef]
) -> tuple[NetworkStage, ...]:
    """The one network of the options, or the two of ``--stages``."""
    from edgecnn.jobs.cascade_file import NetworkStage, read_stages

    files = spec_files_of(flags)
    least, choice = choice_of(flags)
    if flags["stages"] is None:
        return (NetworkStage(find(model), flags["variant"], files, least, choice),)
    said = [model, flags["variant"], least]
    if any(item is not None for item in said) or files != type(files)():
        raise UsageError(
            "--stages says all of its models, and there are options for one model beside it",
            hint="write them into the TOML: model, variant, threshold, labels, spec, input_range",
        )
    first, second = read_stages(flags["stages"], find)
    return (replace(first, choice=choice), second)


def _request(
    stages: tuple[NetworkStage, ...],
    place: Place,
    files: tuple[Path | None, Path | None],
    flags: dict[str, Any],
) -> DetectRequest:
    """What was asked for; ``files`` are the video and the JSON Lines to write."""
    from edgecnn.camera.loop import LoopConfig
    from edgecnn.jobs.detect import DetectRequest
    from edgecnn.jobs.service_environment import service_config

    video, lines = files
    return DetectRequest(
        stages,
        cameras_of(flags),
        LoopConfig(
            max_frames=flags["max_frames"],
            max_seconds=flags["max_seconds"],
        ),
        video=video,
        lines=lines if lines is not None else (sys.stdout if flags["as_json"] else None),
        source_options=source_options_of(flags),
        recording=recording_of(flags),
        events=events_of(flags),
        follow=follow_of(flags),
        page=page_of(flags),
        service=service_config(),
        place=place,
    )


def _warn(reference: ModelRef, variant: str | None) -> None:
    """Says what is odd about imported files, and where a bundle has only its Keras model yet."""
    print_warnings(reference.warnings)
    if reference.bundle is not None and reference.bundle.only_trained and variant is None:
        click.echo(
            "note: the bundle is not quantized yet, its Keras model runs; faster after edgecnn"
            f" quantize {reference.path}",
            err=True,
        )


def _show_notice(notice: LoopNotice) -> None:
    """One line on stderr, with JSON on stdout too: what happened concerns people."""
    camera = "" if notice.camera is None else f"{notice.camera}: "
    tell_people(f"note: {camera}{shown(notice.text)}")
