"""Several sources at once, each with the name of its camera."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import CameraError, EdgecnnError, UsageError

#: Recordings of a camera lie in a folder of its name; with a file's name behind it, it must fit.
_LONGEST_NAME = 50
#: When one cannot be opened, the others are waited for so long: most have just been.
_GRACE_S = 1.0
#: Windows has devices of these names in every folder.
_TAKEN = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


@dataclass(frozen=True)
class NamedSource:
    """A source, and the name of its camera.

    Attributes:
        source: as ``--source`` has it.
        name: None: there is one camera, and it needs none.
    """

    source: str
    name: str | None = None


def named_sources(sources: Sequence[str], names: Sequence[str] = ()) -> tuple[NamedSource, ...]:
    """Each source with its camera's name; several that were not named are called by number.

    >>> [camera.name for camera in named_sources(["0", "1"])]
    ['camera1', 'camera2']

    Args:
        sources: as ``--source`` has them.
        names: of the cameras, in the order of the sources; empty: they are not named.

    Raises:
        UsageError: there are more or fewer names than sources, a name that cannot be a folder's,
            two of one name, or two sources that are one device.
    """
    if names and len(names) != len(sources):
        raise UsageError(
            f"there are {len(sources)} --source and {len(names)} --name",
            hint="give each --source its --name, in the same order, or none at all",
        )
    _refuse_one_device_twice(sources)
    if not names:
        if len(sources) == 1:
            return (NamedSource(sources[0]),)
        names = [f"camera{number}" for number in range(1, len(sources) + 1)]
    names = [unicodedata.normalize("NFC", name) for name in names]
    known: dict[str, str] = {}
    for name in names:
        _check_name(name)
        same = name.casefold()
        if same in known:
            raise UsageError(
                f"two cameras are called '{known[same]}' and '{name}'",
                hint="give each --source a --name of its own; capitals make no difference",
            )
        known[same] = name
    return tuple(NamedSource(source, name) for source, name in zip(sources, names, strict=True))


def _check_name(name: str) -> None:
    """Refuses what some system does not take as a folder's name."""
    letters = all(unicodedata.category(letter)[0] in "LMN" or letter in " -_." for letter in name)
    if (
        not name
        or not letters
        or len(name) > _LONGEST_NAME
        or name[0] in " -."
        or name[-1] in " ."
        or _TAKEN.fullmatch(name)
    ):
        raise UsageError(
            f"--name is {name[:80]!r}, expected a name that a folder can have too",
            hint=f"up to {_LONGEST_NAME} letters, digits, and '-', '_', '.' or a space between"
            " them: --name front --name back",
        )


def _refuse_one_device_twice(sources: Sequence[str]) -> None:
    known: dict[str, str] = {}
    for source in sources:
        device = _device(source)
        if device is None:
            continue
        if device in known:
            both = f"'{source}'" if known[device] == source else f"'{known[device]}' and '{source}'"
            raise UsageError(
                f"two --source are the same camera: {both}",
                hint="a camera can be read once at a time; leave one of them out",
            )
        known[device] = source


def _device(source: str) -> str | None:
    """What tells one device from another; None: it is none, or its name does not tell."""
    camera = parse_source(source).camera
    if camera is None:
        return None
    if camera.kind != "camera":
        return f"{camera.kind}:{camera.value or 0}".lower()
    path = f"/dev/video{camera.value}" if isinstance(camera.value, int) else camera.value
    return str(Path(path).resolve())


def about_camera(error: EdgecnnError, name: str | None) -> EdgecnnError:
    """The error with the name of the camera that it is about in front; None: it has none."""
    if name is not None:
        error.message = f"{name}: {error.message}"
        error.args = (error.message,)
    return error


def open_each(openers: Sequence[Callable[[], Source]]) -> list[Source]:
    """Opens sources side by side; the slowest says how long it takes.

    Raises:
        EdgecnnError: one cannot be opened; the others are waited for a second, and closed.
    """
    opening = [_begin(opener) for opener in openers]
    try:
        for future in wait(opening, return_when=FIRST_EXCEPTION).done:
            future.result()
        return [future.result() for future in opening]
    except BaseException:
        # A thread that comes back from OpenCV while the program is ending makes it abort.
        wait(opening, _GRACE_S)
        for future in opening:
            if not future.cancel() and future.exception() is None:
                future.result().close()
        raise


def _begin(opener: Callable[[], Source]) -> Future[Source]:
    """Opens on a thread; a source that nobody waits for any more is closed there."""
    opened: Future[Source] = Future()

    def run() -> None:
        source: Source | None = None
        error: EdgecnnError = CameraError(
            "opening the source ended unexpectedly",
            hint="please report this, with the lines above",
        )
        try:
            source = opener()
        except EdgecnnError as known:
            error = known
        finally:
            wanted = opened.set_running_or_notify_cancel()
            if source is None:
                if wanted:
                    opened.set_exception(error)
            elif wanted:
                opened.set_result(source)
            else:
                source.close()

    Thread(target=run, name="edgecnn-open", daemon=True).start()
    return opened
