"""``edgecnn service``: ``detect`` for good, as a systemd user unit."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from edgecnn.cli.options import common
from edgecnn.cli.output import print_json
from edgecnn.cli.quantities import SIZE
from edgecnn.cli.streams import tell_people
from edgecnn.core.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from edgecnn.camera.page.config import PageConfig
    from edgecnn.jobs.detect_request import DetectRequest
    from edgecnn.jobs.service import Installed
    from edgecnn.jobs.service_files import ServiceFiles
    from edgecnn.jobs.service_manager import UserManager
    from edgecnn.jobs.service_status import ServiceStatus

_DEFAULT_NAME = "camera"
# Options of detect that name a file which the loop opens later than the command line is checked.
_FILES = ("labels", "spec", "preprocess", "postprocess", "board_file")
_name_option = click.option(
    "--name", default=None, metavar="NAME", help="Which service; default: the only one."
)


@click.group("service", no_args_is_help=False)
def command() -> None:
    """Run detect for good: started with the machine, and anew when it fails (systemd)."""


@command.command(
    "install",
    short_help="Make a service of a detect command line, or change it.",
    context_settings={"allow_interspersed_args": False},
)
@click.option("--name", default=_DEFAULT_NAME, show_default=True, help="Of the service.")
@click.option("--memory", type=SIZE, default=None,
              help="It is started anew when it takes more (500M, 1G; 0: no limit); default: three"
              " quarters of the machine's.")  # fmt: skip
@click.option("--start/--no-start", default=True, help="Start it now; default: yes.")
@click.option("--print", "print_only", is_flag=True, help="Print the unit, install nothing.")
@common
@click.argument("line", nargs=-1, type=click.UNPROCESSED, metavar="detect OPTIONS…")
def install(
    name: str,
    memory: int | None,
    start: bool,
    print_only: bool,
    line: tuple[str, ...],
    as_json: bool,
    verbose: bool,
    quiet: bool,
) -> None:
    """Make a service of a detect command line.

    For example: edgecnn service install detect --source 0 --record clips/ --max-disk 2G. It runs in
    this folder, starts with the machine, is started anew when it fails, hangs or takes too much
    memory, and waits for its camera. To install it again changes it.
    """
    from edgecnn.jobs.service import InstallRequest, planned_unit
    from edgecnn.jobs.service import install as install_service
    from edgecnn.jobs.service_files import read_secrets, service_files
    from edgecnn.jobs.service_line import (
        command_of,
        environment_of,
        is_wider,
        secrets_in,
        service_line,
    )
    from edgecnn.jobs.service_manager import machine_bytes, open_manager, surroundings

    around, folder = surroundings(), Path.cwd()
    request, given = _checked(line)
    files = service_files(name, around.environ)
    secrets = secrets_in(around.environ)
    known = frozenset({**read_secrets(files.secrets), **secrets})
    plan = service_line(line, request, given, known)
    asked = InstallRequest(
        command_of(plan.words, folder),
        folder,
        environment_of(around.environ, files.state),
        {**secrets, **plan.secrets},
        needs_token=is_wider(request.page),
        ends=plan.ends,
        memory=memory,
        start=start,
    )
    if print_only:
        for note in plan.notes:
            tell_people(f"note: {note}")
        click.echo(planned_unit(asked, files, machine_bytes()), nl=False)
        return
    manager = open_manager(around, name, folder, asked.command)
    done = install_service(asked, files, manager, around.user, machine_bytes())
    if as_json:
        print_json({**done.to_json(), "notes": list(plan.notes)})
    elif not quiet:
        _show_installed(done, plan.notes, request.page, around.user)


@command.command("status", short_help="Say how it is, and what was lost before.")
@_name_option
@common
def status(name: str | None, as_json: bool, verbose: bool, quiet: bool) -> int:
    """Say whether the service runs, since when, and what was lost before; exit 1 if it does not."""
    from edgecnn.jobs.service_status import service_status

    files, manager, lingers = _opened(name)
    found = service_status(files, manager, lingers)
    if as_json:
        print_json(found.to_json())
    elif not quiet:
        _show_status(found)
    return 0 if found.running else 1


@command.command("logs", short_help="Print what it said.")
@_name_option
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True,
              help="The newest so many lines.")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@common
def logs(
    name: str | None, lines: int, follow: bool, as_json: bool, verbose: bool, quiet: bool
) -> int:
    """Print what the service said, from the journal."""
    from edgecnn.jobs.service_manager import journal_command, surroundings, with_runtime_dir

    files, _, _ = _opened(name)
    words = journal_command(files.unit_name, lines, follow=follow, as_json=as_json)
    try:
        return subprocess.run(words, env=with_runtime_dir(surroundings()), check=False).returncode
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        raise ServiceError(
            f"journalctl cannot be run: {error.strerror}", hint="install systemd's journal"
        ) from error


@command.command("remove", short_help="Stop it, and take its unit away.")
@_name_option
@common
def remove(name: str | None, as_json: bool, verbose: bool, quiet: bool) -> None:
    """Stop the service and take its unit away; what it recorded stays."""
    from edgecnn.jobs.service import remove as remove_service

    files, manager, _ = _opened(name)
    done = remove_service(files, manager)
    if as_json:
        print_json(done.to_json())
    elif not quiet:
        for path in done.files:
            click.echo(f"removed {path}")
        click.echo(f"service {done.name}: stopped and removed; recordings and event logs stay")


def _checked(line: tuple[str, ...]) -> tuple[DetectRequest, frozenset[str]]:
    """What the command line of detect asks for, and the names of the options given in it."""
    from edgecnn.cli.detect import command as detect
    from edgecnn.cli.detect import request_of

    if not line or line[0] != "detect":
        said = f"'{line[0]}'" if line else "nothing"
        raise UsageError(
            f"a service runs detect, and {said} was given",
            hint="edgecnn service install [--name NAME] detect --source 0 …; options of install"
            " stand before detect",
        )
    with detect.make_context("edgecnn detect", list(line[1:])) as context:
        flags = dict(context.params)
        given = frozenset(
            key for key in flags if context.get_parameter_source(key) is not ParameterSource.DEFAULT
        )
        named = [(f"--{key.replace('_', '-')}", flags[key]) for key in _FILES if flags[key]]
        for option, path in (*named, *(("--import", path) for path in flags["imports"])):
            if not path.is_file():
                raise UsageError(
                    f"there is no file '{path}', which {option} names",
                    hint="a path counts from this folder; check it",
                )
        return request_of(flags.pop("model"), flags.pop("project"), flags), given


def _opened(name: str | None) -> tuple[ServiceFiles, UserManager, bool]:
    """The files of a service that is installed, the user's systemd, and whether it lingers.

    Raises:
        ServiceError: there is no systemd, or no such service.
        UsageError: there are several, and no name was given.
    """
    from edgecnn.jobs.service_files import installed, service_files
    from edgecnn.jobs.service_manager import lingers, open_manager, surroundings

    around = surroundings()
    manager = open_manager(
        around, name or _DEFAULT_NAME, Path.cwd(), ("edgecnn", "detect", "--source", "0")
    )
    names = installed(around.environ)
    if name is None and len(names) > 1:
        raise UsageError(
            f"there are {len(names)} services: {', '.join(names)}", hint="say which: --name NAME"
        )
    files = service_files(name or (names[0] if names else _DEFAULT_NAME), around.environ)
    if not files.is_ours():
        known = f"there are {', '.join(names)}" if names else "none is installed"
        raise ServiceError(
            f"there is no service '{files.name}'",
            hint=f"{known}; edgecnn service install detect … makes one",
        )
    return files, manager, lingers(around.user)


def _show_installed(
    done: Installed,
    notes: tuple[str, ...],
    page: PageConfig | None,
    user: str,
) -> None:
    """What was done, what to know, and where to look."""
    for note in notes:
        click.echo(f"note: {note}")
    if done.updated:
        what = f"changed: {', '.join(done.changed)}" if done.changed else "nothing has changed"
        click.echo(f"{done.unit}: {what}")
    else:
        click.echo(f"wrote {done.unit}")
    click.echo(f"service {done.name}: {done.state}")
    if done.limited is False:
        click.echo(
            "note: this machine's systemd cannot limit memory (Raspberry Pi OS: add"
            " cgroup_enable=memory to /boot/firmware/cmdline.txt and restart)"
        )
    if done.lingers:
        click.echo("it starts with the machine")
    else:
        click.echo(
            "note: it starts when you log in; to start it with the machine, type: sudo loginctl"
            f" enable-linger {user}"
        )
    if done.kept:
        click.echo(f"kept for it, where only {user} can read: {', '.join(done.kept)}")
    for line in _page_lines(done, page, user):
        click.echo(line)
    click.echo(
        f"edgecnn service status --name {done.name}, logs, remove: how it is, what it says, its end"
    )


def _page_lines(done: Installed, page: PageConfig | None, user: str) -> tuple[str, ...]:
    """Where the page is to be seen."""
    machine = socket.gethostname()
    if done.token is not None and page is not None:
        address = (done.page or f"http://{machine}:{page.port}/").split(" or ")[0]
        if not done.new_token:
            return (f"page: {address} (its token is the one that is kept)",)
        return (
            f"page: {address}?token={done.token}",
            "this token is shown once; it stays the same until edgecnn service remove",
        )
    if done.page is None:
        return ()
    port = urlsplit(done.page).port
    return (
        f"page: {done.page}; from another machine first: ssh -N -L {port}:127.0.0.1:{port}"
        f" {user}@{machine}",
    )


def _show_status(found: ServiceStatus) -> None:
    """A line for each thing there is to know."""
    from edgecnn.camera.service.loss import last_words

    megabytes = None if found.memory is None else f"{found.memory / 2**20:.0f} MB"
    if megabytes is not None and found.memory_limit is not None:
        megabytes += f" of {found.memory_limit / 2**20:.0f} MB"
    starts = "with the machine" if found.lingers else "when its user logs in"
    run = found.run if found.running else None
    rows: list[tuple[str, str | None]] = [
        ("service", f"{found.name}: {found.state} ({found.detail})"),
        ("starts", starts if found.enabled else "by hand only"),
        ("since", found.since),
        ("restarts", str(found.restarts)),
        ("memory", megabytes),
        ("says", found.words),
    ]
    if run is not None:
        rows += [("page", run.page), ("before", run.before)]
        rows += [("counted", line) for line in run.lines()]
    elif found.run is not None:
        rows += [("last run", last_words(found.run)), ("notice", found.run.notice)]
    for key, value in rows:
        if value:
            click.echo(f"{key:<9} {value}")
