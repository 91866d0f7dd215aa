"""A command line of ``detect`` as a service runs it: for ever, and without its passwords."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import edgecnn
from edgecnn.camera.page.config import PageConfig
from edgecnn.camera.sources.open import is_live
from edgecnn.camera.sources.spec import parse_source
from edgecnn.core.errors import UsageError
from edgecnn.jobs.detect_request import DetectRequest
from edgecnn.jobs.service_environment import STATE_VARIABLE
from edgecnn.jobs.service_files import SECRETS

#: Variables that decide how a command line behaves; the user's systemd does not know them.
_CARRIED = (
    "CUDA_VISIBLE_DEVICES",
    "KERAS_BACKEND",
    "LD_LIBRARY_PATH",
    "MALLOC_ARENA_MAX",
    "OPENCV_FFMPEG_CAPTURE_OPTIONS",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)


@dataclass(frozen=True)
class ServiceLine:
    """What a service runs.

    Attributes:
        words: of the command line, ``detect`` first.
        secrets: what was in it, and is a variable now.
        ends: it comes to an end by itself.
        notes: what was made different, and what to know, for people.
    """

    words: tuple[str, ...]
    secrets: Mapping[str, str]
    ends: bool
    notes: tuple[str, ...]


def service_line(
    words: Sequence[str],
    request: DetectRequest,
    given: frozenset[str],
    known: frozenset[str] = frozenset(),
) -> ServiceLine:
    """Makes a command line fit for a service.

    Args:
        words: as they were given, ``detect`` first.
        request: what they ask for.
        given: names of the options that were given.
        known: names of the secret variables that the service gets.

    Raises:
        UsageError: it asks for what makes no sense without anybody looking.
    """
    for name, option, instead in (
        ("output_dir", "-o", "it begins its video anew with each start; --record DIR does not"),
        ("as_json", "--json", "a line a frame fills the journal; --events FILE does not"),
        ("explain_model", "--explain-model", "it ends at once"),
    ):
        if name in given:
            raise UsageError(f"{option} is not for a service", hint=f"leave it out: {instead}")
    notes: list[str] = []
    specs = [parse_source(camera.source) for camera in request.cameras]
    may_be_late = any(is_live(spec) and spec.pattern is None for spec in specs)
    added = _added(given) if may_be_late else ()
    if added:
        notes.append(f"added {' '.join(added)}: the camera may come later than the service")
    finite = all(
        spec.pattern.seconds is not None if spec.pattern is not None else not is_live(spec)
        for spec in specs
    )
    config = request.config
    ends = finite or config.max_frames is not None or config.max_seconds is not None
    if ends:
        notes.append("this ends by itself, and is begun anew with the next start of the machine")
    moved, secrets, said = _without_passwords(words[1:], request, known)
    notes += said
    recording = request.recording
    if recording.folder is not None and recording.max_disk_bytes is None:
        notes.append("nothing deletes old recordings: --max-disk 2G does")
    return ServiceLine(("detect", *added, *moved), secrets, ends, tuple(notes))


def command_of(words: Sequence[str], folder: Path) -> tuple[str, ...]:
    """The program and all of its arguments: this very Python, and this very edgecnn.

    Args:
        words: of the command line.
        folder: that it runs in.
    """
    # Python finds modules in the folder it runs in first; a user's "targets" is none of ours.
    root = Path(edgecnn.__file__).resolve().parents[1]
    alone = () if root == folder.resolve() else ("-P",)
    return (sys.executable, *alone, "-m", "edgecnn", *words)


def environment_of(environ: Mapping[str, str], state: Path) -> dict[str, str]:
    """Variables that the service needs to behave as the command line does here; no secrets.

    Args:
        environ: those of this process.
        state: the folder for the marker of its run.
    """
    found = {key: environ[key] for key in _CARRIED if environ.get(key)}
    if environ.get("PYTHONPATH"):
        folders = environ["PYTHONPATH"].split(os.pathsep)
        found["PYTHONPATH"] = os.pathsep.join(str(Path(folder).absolute()) for folder in folders)
    # It prints where each thread is when the watchdog ends it.
    python = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    return {**found, **python, STATE_VARIABLE: str(state)}


def secrets_in(environ: Mapping[str, str]) -> dict[str, str]:
    """Those that are set."""
    return {key: environ[key] for key in SECRETS if environ.get(key)}


def is_wider(page: PageConfig | None) -> bool:
    """Whether others than this machine reach the page."""
    if page is None or page.host == "localhost":
        return False
    try:
        return not ip_address(page.host).is_loopback
    except ValueError:
        return True


def _added(given: frozenset[str]) -> tuple[str, ...]:
    wait = () if "wait" in given else ("--wait",)
    return wait if "reconnect" in given else (*wait, "--reconnect", "forever")


def _without_passwords(
    words: Sequence[str], request: DetectRequest, known: frozenset[str]
) -> tuple[tuple[str, ...], dict[str, str], list[str]]:
    """Moves passwords of URLs into variables, which ``ps`` does not show."""
    sources = [camera.source for camera in request.cameras if "://" in camera.source]
    mqtt = request.events.mqtt if request.events is not None else None
    secrets: dict[str, str] = {}
    notes = []
    for variable, urls in (
        ("EDGECNN_SOURCE_PASSWORD", sources),
        ("EDGECNN_MQTT_PASSWORD", [mqtt] if mqtt is not None else []),
    ):
        passwords = {url: found for url in urls if (found := urlsplit(url).password)}
        users = [url for url in urls if "@" in urlsplit(url).netloc]
        if len(users) > len(passwords) and variable not in known:
            notes.append(f"a URL names a user, and {variable} is not set: there is no password")
        if not passwords:
            continue
        if len({*passwords.values()}) > 1 or len(users) > len(passwords):
            notes.append(
                f"cameras have different passwords, and {variable} holds one: they stay in the"
                " command line, which other users of this machine can see (ps); a service for each"
                " camera keeps them to itself"
            )
            continue
        secrets[variable] = unquote(next(iter(passwords.values())))
        notes.append(f"the password of the URL is kept as {variable}")
        words = [_replaced(word, passwords) for word in words]
    webhook = request.events.webhook if request.events is not None else None
    if webhook is not None and urlsplit(webhook).password:
        notes.append(
            "the password in --webhook can be seen by other users of this machine (ps);"
            " EDGECNN_WEBHOOK_TOKEN cannot"
        )
    return tuple(words), secrets, notes


def _replaced(word: str, passwords: Mapping[str, str]) -> str:
    """A word of the command line with its URL's password left out."""
    for url in passwords:
        if word == url or word.endswith(f"={url}"):
            parts = urlsplit(url)
            user, _, host = parts.netloc.rpartition("@")
            plain = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
            return word.removesuffix(url) + plain
    return word
