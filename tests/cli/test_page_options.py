"""--serve and --no-serve: what is served where, and what cannot be."""

import socket
import sys

import click
import pytest
from click.testing import CliRunner

from edgecnn.camera.page.config import PageConfig
from edgecnn.cli.page_options import TOKEN_VARIABLE, page_of, page_options, show_page
from edgecnn.core.errors import UsageError


def asked(*words: str, sources: tuple[str, ...] = ("0",), **flags: bool) -> PageConfig | None:
    """What the options on a command line ask for."""
    found: list[PageConfig | None] = []

    @click.command()
    @page_options
    def command(**given: object) -> None:
        others = {"as_json": False, "quiet": False, "sources": sources, **flags}
        found.append(page_of({**others, **given}))

    result = CliRunner().invoke(command, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return found[0]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("--serve",), ("127.0.0.1", 8080)),
        (("--serve", "9000"), ("127.0.0.1", 9000)),
        (("--serve", "0"), ("127.0.0.1", 0)),
        (("--serve", "0.0.0.0:8080"), ("0.0.0.0", 8080)),
        (("--serve", "[::1]:8080"), ("::1", 8080)),
        (("--serve", "door.local:80"), ("door.local", 80)),
    ],
)
def test_where_it_is_served(words: tuple[str, ...], place: tuple[str, int]) -> None:
    config = asked(*words)
    assert config is not None and config.asked
    assert (config.host, config.port) == place


@pytest.mark.parametrize(
    "place", ["", "x", ":8080", "::1:8080", "host:", "host:port", "65536", "1-1", "a b:1",
              "http://x:1", "[::1]", "1.2.3.4:8080/", "user@host:1", "٣"],
)  # fmt: skip
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match="expected a port, or a host and a port"):
        asked(f"--serve={place}")


def test_on_a_terminal_a_camera_is_served_unasked(monkeypatch) -> None:
    assert asked() is None
    monkeypatch.setattr("edgecnn.cli.page_options._somebody_looks", lambda flags: True)
    config = asked()
    assert config == PageConfig("127.0.0.1", 8080, asked=False)
    assert asked("--no-serve") is None
    with pytest.raises(UsageError, match="both given"):
        asked("--serve", "--no-serve")


@pytest.mark.parametrize(
    ("source", "flags", "served"),
    [
        ("0", {}, True), ("test", {}, True), ("rtsp://door/1", {}, True), ("clip.mp4", {}, False),
        ("http://x/clip.mp4", {}, False), ("0", {"as_json": True}, False),
        ("0", {"quiet": True}, False),
    ],
)  # fmt: skip
def test_what_is_live_for_a_person(source, flags, served, monkeypatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    given = {"serve": None, "no_serve": False, "as_json": False, "quiet": False}
    found = page_of({**given, "sources": ("clip.avi", source), **flags})
    assert (found is not None) == served


def test_the_token_of_the_environment_has_to_be_long(monkeypatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "0123456789abcdef")
    config = asked("--serve", "0.0.0.0:1")
    assert config is not None and config.token == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(config)
    for bad in ("0123456789abcde", "a b" * 8, "é" * 20, "a\nb" * 8):
        monkeypatch.setenv(TOKEN_VARIABLE, bad)
        with pytest.raises(UsageError, match=TOKEN_VARIABLE) as caught:
            asked("--serve")
        assert bad not in caught.value.message


def test_quiet_says_only_what_nobody_could_guess(capsys) -> None:
    show_page("page: http://127.0.0.1:8080/", quiet=True)
    show_page("page: http://10.0.0.7:8080/?token=abc", quiet=True)
    show_page("page: http://127.0.0.1:8080/", quiet=False)
    assert capsys.readouterr().err.splitlines() == [
        "page: http://10.0.0.7:8080/?token=abc",
        "page: http://127.0.0.1:8080/",
    ]


def test_a_taken_port_is_said_where_it_was_asked_for_and_passed_by_elsewhere() -> None:
    from edgecnn.camera.page.addresses import listen
    from tests.camera.page.served import served

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"127.0.0.1:{port}: ") as caught:
            listen("127.0.0.1", port)
        assert "--serve" in caught.value.hint
    with pytest.raises(UsageError, match="not known here"):
        listen("no-such-host.invalid", 0)
    with pytest.raises(UsageError, match="cannot be served on 192.0.2.7"):
        listen("192.0.2.7", 0)
    with served("localhost") as site:
        assert site.page.line == f"page: http://localhost:{site.port}/"


def test_unasked_the_next_free_port_is_taken(monkeypatch) -> None:
    from edgecnn.camera.notices import Notices
    from edgecnn.camera.page import open as opening
    from edgecnn.camera.page.live import CameraFacts
    from edgecnn.camera.page.routes import PageFacts

    facts = PageFacts(b"", "", "1", {})
    cameras = [CameraFacts("", "x", True)]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = PageConfig(port=port, asked=False)
        page = opening.open_page(config, facts, cameras, Notices())
        assert page is not None and f":{port}/" not in page.line
        page.close("the test is over")
        monkeypatch.setattr(opening, "_TRIED", 1)
        assert opening.open_page(config, facts, cameras, Notices()) is None
