"""Events to a real web server: down and back, refusing, failing, hanging, dripping, redirecting."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from edgecnn.camera.events.address import read_address
from edgecnn.camera.events.channel import DeliveryError
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.deliveries import open_deliveries
from edgecnn.camera.events.delivery import Deliveries, Delivery, Patience
from edgecnn.camera.events.webhook import WebhookChannel, webhook_channel
from edgecnn.camera.notices import Notices
from edgecnn.core.errors import UsageError
from tests.camera.events.doubles import an_event, said
from tests.camera.events.servers import (
    Hook,
    certificate,
    free_port,
    needs_openssl,
    reply,
    until,
)

QUICK = Patience(pause_s=0.02, longest_pause_s=0.05)


@pytest.fixture
def hook() -> Iterator[Hook]:
    found = Hook()
    yield found
    found.stop()


def to(hook: Hook, path: str = "/hook/secret", **environ: str) -> WebhookChannel:
    return webhook_channel(f"http://127.0.0.1:{hook.port}{path}", environ)


def hurried(port: int, total_s: float = 0.1) -> WebhookChannel:
    address = read_address(f"http://127.0.0.1:{port}/", "--webhook", {"http": 80})
    return WebhookChannel(address, None, None, total_s)


def counts(sink: Deliveries) -> dict[str, int]:
    return sink.summary()["deliveries"]["webhook"]  # type: ignore[index,no-any-return]


def test_each_event_is_posted_as_json_on_one_connection(hook: Hook) -> None:
    sink = open_deliveries(
        EventConfig(webhook=f"http://127.0.0.1:{hook.port}/hook?key=ä"), Notices()
    )
    assert sink is not None
    for number in range(1, 21):
        sink.tell(an_event(number))
    sink.finish()
    assert counts(sink) == {"delivered": 20, "dropped": 0, "waiting": 0}
    assert [json.loads(body) for body in hook.bodies] == [
        an_event(number).to_json() for number in range(1, 21)
    ]
    assert hook.headers[0]["Content-Type"] == "application/json"
    assert hook.paths[0] == "/hook?key=%C3%A4"
    assert hook.connections == 1


def test_a_server_that_goes_down_and_comes_back_gets_every_event(hook: Hook) -> None:
    notices = Notices()
    sink = Deliveries([Delivery(to(hook), notices, QUICK)])
    for number in range(1, 6):
        sink.tell(an_event(number))
    until(lambda: counts(sink)["delivered"] == 5, "the first are delivered")
    hook.answer = lambda handler, number: handler.connection.shutdown(2)
    hook.stop()
    for number in range(6, 11):
        sink.tell(an_event(number))
    heard: list[tuple[str, str]] = []
    until(lambda: heard.extend(said(notices)) or heard, "the outage is said")
    hook.answer = lambda handler, number: reply(handler, 200, b"thanks")
    hook.start()
    until(lambda: counts(sink)["delivered"] == 10, "all are delivered")
    sink.finish()
    heard += said(notices)
    assert [kind for kind, _ in heard] == ["delivery_failing", "delivery_resumed"]
    assert "secret" not in str(heard)
    got = [json.loads(body)["number"] for body in hook.bodies]
    assert list(dict.fromkeys(got)) == list(range(1, 11))


def test_server_errors_are_tried_again_and_refusals_are_not(hook: Hook) -> None:
    statuses = {1: 500, 2: 503, 3: 429, 4: 408, 5: 200, 6: 400, 7: 404, 8: 201, 9: 302}
    hook.answer = lambda handler, number: reply(handler, statuses.get(number, 204))
    notices = Notices()
    sink = Deliveries([Delivery(to(hook), notices, QUICK)])
    for number in range(1, 7):
        sink.tell(an_event(number))
    until(lambda: sum(counts(sink).values()) - counts(sink)["waiting"] == 6, "all are settled")
    sink.finish()
    assert counts(sink) == {"delivered": 3, "dropped": 3, "waiting": 0}
    assert [json.loads(body)["number"] for body in hook.bodies] == [1, 1, 1, 1, 1, 2, 3, 4, 5, 6]
    texts = [text.partition("…: ")[2] for _, text in said(notices)]
    assert texts[0].startswith("HTTP 500 Internal Server Error; events wait")
    assert texts[2:] == [
        "HTTP 400 Bad Request; such events are dropped",
        "HTTP 404 Not Found; such events are dropped",
        "HTTP 302 Found: the server wants another path; give that URL; such events are dropped",
    ]


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("99999999999999999999", 600, 600),
        ("-5", 0, 0),
        ("soon", 0, 0),
        ("9" * 5000, 0, 0),
        (formatdate(time.time() + 300_000, usegmt=True), 600, 600),
        (formatdate(time.time() - 60, usegmt=True), 0, 0),
    ],
)
def test_a_server_may_ask_for_a_pause_within_bounds(
    hook: Hook, header: str, least: float, most: float
) -> None:
    hook.answer = lambda handler, number: reply(handler, 503, Retry_After=header)
    with pytest.raises(DeliveryError, match="HTTP 503") as caught:
        to(hook).send(b"{}", an_event(1))
    assert least <= caught.value.wait_s <= most


def test_redirections_are_named_and_not_followed(hook: Hook) -> None:
    where = "https://me:pw@else.where/secret?x=1"
    hook.answer = lambda handler, number: reply(handler, 308, Location=where)
    with pytest.raises(DeliveryError) as caught:
        to(hook, EDGECNN_WEBHOOK_TOKEN="abc").send(b"{}", an_event(1))
    assert caught.value.permanent
    assert caught.value.cause == (
        "HTTP 308 Permanent Redirect: the server wants https://else.where/…; give that URL"
    )


def test_a_server_that_closes_idle_connections_loses_nothing(hook: Hook) -> None:
    """The answer says that the connection stays; it does not."""

    def leave(handler: Any, number: int) -> None:
        reply(handler, 204)
        handler.close_connection = True

    hook.answer = leave
    channel = to(hook)
    for number in range(1, 6):
        channel.send(b"{}", an_event(number))
    assert len(hook.bodies) == 5
    assert hook.connections == 5


def test_long_and_dripping_bodies_of_an_answer_are_not_waited_for(
    hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.camera.events.webhook._BODY_S", 0.05)
    over = threading.Event()

    def drip(handler: Any, number: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000000")
        handler.end_headers()
        while not over.wait(0.01):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    hook.answer = drip
    channel = to(hook)
    channel.send(b"{}", an_event(1))
    hook.answer = lambda handler, number: reply(handler, 200, b"x" * 200_000)
    channel.send(b"{}", an_event(2))
    channel.close()
    over.set()
    assert len(hook.bodies) == 2


def test_a_server_that_hangs_or_drips_its_headers_is_left_in_time(hook: Hook) -> None:
    over = threading.Event()

    def drip(handler: Any, number: int) -> None:
        if number == 1:
            over.wait(30)
            return
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not over.wait(0.01):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    hook.answer = drip
    channel = hurried(hook.port)
    for number in (1, 2):
        with pytest.raises(DeliveryError, match=r"no whole answer within 0\.1 s") as caught:
            channel.send(b"{}", an_event(number))
        assert caught.value.answered
    over.set()


@pytest.mark.parametrize(
    "words", [b"", b"hello\r\n", b"\x00\xff" * 50, b"HTTP/1.1 xyz\r\n\r\n", b"HTTP/9.9 200\r\n\r\n"]
)
def test_what_is_no_web_server_is_said(words: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(65536)
            connection.sendall(words)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    channel = hurried(server.getsockname()[1], 20)
    for _ in range(2):
        with pytest.raises(DeliveryError, match="without an answer|no HTTP|cannot be read"):
            channel.send(b"{}", an_event(1))
    server.close()


def test_a_port_or_a_name_that_is_not_there_is_said() -> None:
    with pytest.raises(DeliveryError, match="refused"):
        hurried(free_port(), 10).send(b"{}", an_event(1))
    with pytest.raises(DeliveryError):
        webhook_channel("http://no-such-host.invalid/", {}).send(b"{}", an_event(1))
    with pytest.raises(DeliveryError):
        webhook_channel(f"http://{'a' * 70}.invalid/", {}).send(b"{}", an_event(1))


@needs_openssl
def test_https_is_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    hook = Hook(context=context)
    with pytest.raises(DeliveryError, match="certificate is not trusted: self.signed"):
        webhook_channel(f"https://localhost:{hook.port}/", {}).send(b"{}", an_event(1))
    address = read_address(f"https://localhost:{hook.port}/", "--webhook", {"https": 443})
    trusting = ssl.create_default_context(cafile=str(cert))
    channel = WebhookChannel(address, None, trusting)
    for number in (1, 2):
        channel.send(b"{}", an_event(number))
    assert len(hook.bodies) == 2
    assert hook.headers[0]["Host"] == f"localhost:{hook.port}"
    channel.close()
    hook.stop()


def test_a_token_or_a_user_is_sent_and_never_shown(hook: Hook) -> None:
    channel = to(hook, EDGECNN_WEBHOOK_TOKEN="abc.def")
    channel.send(b"{}", an_event(1))
    assert hook.headers[-1]["Authorization"] == "Bearer abc.def"
    channel = webhook_channel(
        f"http://me:p%3A%C3%BC@127.0.0.1:{hook.port}/secret", {"EDGECNN_WEBHOOK_TOKEN": "x"}
    )
    channel.send(b"{}", an_event(1))
    assert hook.headers[-1]["Authorization"] == "Basic bWU6cDrDvA=="
    assert channel.address == f"http://127.0.0.1:{hook.port}/…"


@pytest.mark.parametrize(
    ("url", "token", "message"),
    [
        ("ftp://host/x", "", "scheme 'ftp', expected https:// or http://"),
        ("host/x", "", "scheme '', expected"),
        ("https:///x", "", "names no host"),
        ("https://me:secret/x@host/", "", "no valid URL"),
        ("https://host/x\n", "", "no valid URL"),
        ("https://host/#secret", "", "has a '#'"),
        ("https://host/", "Bearer secret", "EDGECNN_WEBHOOK_TOKEN holds white space"),
        ("https://host/", "sec\x01ret", "EDGECNN_WEBHOOK_TOKEN holds white space"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_secrets(
    url: str, token: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        webhook_channel(url, {"EDGECNN_WEBHOOK_TOKEN": token})
    assert "secret" not in caught.value.message + caught.value.hint
