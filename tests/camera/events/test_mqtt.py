"""Events to a real broker: mosquitto, down, restarted, with passwords and TLS; and to impostors."""

from __future__ import annotations

import gc
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.camera.events.channel import DeliveryError
from edgecnn.camera.events.config import EventConfig
from edgecnn.camera.events.deliveries import open_deliveries
from edgecnn.camera.events.delivery import Deliveries, Delivery, Patience
from edgecnn.camera.events.mqtt import mqtt_channel
from edgecnn.camera.notices import Notices
from edgecnn.core.errors import MissingExtraError, UsageError
from tests.camera.events.doubles import an_event, said
from tests.camera.events.servers import (
    Broker,
    Subscriber,
    certificate,
    needs_mosquitto,
    needs_openssl,
    program,
    until,
)

QUICK = Patience(pause_s=0.02, longest_pause_s=0.05)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path)
    yield found
    found.stop(signal.SIGKILL)


def delivering(broker: Broker, notices: Notices, patience: Patience = QUICK) -> Deliveries:
    channel = mqtt_channel(f"mqtt://127.0.0.1:{broker.port}/garden/door")
    return Deliveries([Delivery(channel, notices, patience)])


def numbers(subscriber: Subscriber) -> list[int]:
    return [json.loads(payload)["number"] for payload in subscriber.payloads("garden/door")]


def counts(sink: Deliveries) -> dict[str, int]:
    return sink.summary()["deliveries"]["mqtt"]  # type: ignore[index,no-any-return]


@needs_mosquitto
def test_a_broker_that_is_down_at_the_start_gets_every_event_once_it_is_there(
    broker: Broker,
) -> None:
    notices = Notices()
    sink = delivering(broker, notices)
    for number in range(1, 11):
        sink.tell(an_event(number))
    failing: list[tuple[str, str]] = []
    until(lambda: failing.extend(said(notices)) or failing, "the outage is said")
    assert [kind for kind, _ in failing] == ["delivery_failing"]
    assert "refused" in failing[0][1]
    assert f"mqtt://127.0.0.1:{broker.port}/garden/door: " in failing[0][1]
    broker.start()
    subscriber = Subscriber(broker.port)
    sink.tell(an_event(11))
    until(lambda: counts(sink)["delivered"] == 11, "all are delivered")
    sink.finish()
    assert [kind for kind, _ in said(notices)] == ["delivery_resumed"]
    subscriber.close()


@needs_mosquitto
@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_fifty_events_with_a_restart_in_the_middle_arrive_at_least_once(
    broker: Broker, number: int
) -> None:
    broker.start()
    notices = Notices()
    subscriber = Subscriber(broker.port)
    sink = delivering(broker, notices)
    for made in range(1, 51):
        sink.tell(an_event(made))
        if made == 20:
            until(lambda: counts(sink)["delivered"] > 5, "some are delivered")
            broker.stop(number)
        if made == 35:
            broker.start()
        account = counts(sink)
        assert account["delivered"] + account["dropped"] + account["waiting"] == made
    until(lambda: counts(sink)["delivered"] == 50, "all are delivered")
    until(lambda: set(numbers(subscriber)) == set(range(1, 51)), "all have arrived")
    sink.finish()
    assert counts(sink) == {"delivered": 50, "dropped": 0, "waiting": 0}
    first = list(dict.fromkeys(numbers(subscriber)))
    assert first == sorted(first)
    subscriber.close()


@needs_mosquitto
def test_the_status_says_whether_the_program_is_there(broker: Broker) -> None:
    broker.start()
    subscriber = Subscriber(broker.port)
    channel = mqtt_channel(f"mqtt://127.0.0.1:{broker.port}/garden/door")
    status = lambda: subscriber.payloads("garden/door/status")  # noqa: E731
    channel.tend()
    until(lambda: status() == [b"online"], "it says that it is there")
    channel.close()
    channel.close()
    until(lambda: status() == [b"online", b"offline"], "it says that it leaves")
    late = Subscriber(broker.port)
    subscriber.close()
    until(lambda: ("garden/door/status", b"offline", True) in late.heard, "it is retained")
    late.close()


@needs_mosquitto
def test_the_broker_says_offline_when_the_program_dies(broker: Broker) -> None:
    broker.start()
    subscriber = Subscriber(broker.port)
    code = (
        "import os, sys; from edgecnn.camera.events.mqtt import mqtt_channel;"
        f"channel = mqtt_channel('mqtt://127.0.0.1:{broker.port}/garden/door'); channel.tend();"
        "channel.tend(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    heard = lambda: subscriber.payloads("garden/door/status")  # noqa: E731
    until(lambda: heard() == [b"online", b"offline"], "the last will is published")
    subscriber.close()


@needs_mosquitto
def test_an_idle_connection_comes_back_by_itself_and_keeps_nothing_of_the_old_ones(
    broker: Broker,
) -> None:
    channel = mqtt_channel(f"mqtt://127.0.0.1:{broker.port}/garden/door")

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc").exists() else 0

    gc.disable()  # what is only reachable in circles would stay for long
    try:
        before = open_files()
        for _ in range(30):
            with pytest.raises(DeliveryError, match="refused"):
                channel.tend()
        for _ in range(2):
            broker.start()
            channel.tend()
            channel.send(b"{}", an_event(1))
            broker.stop()
        with pytest.raises(DeliveryError, match="refused"):
            channel.tend()
        assert open_files() <= before + 1
    finally:
        gc.enable()


@needs_mosquitto
def test_a_wrong_password_is_named_and_the_events_wait(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    made = program("mosquitto_passwd") or ""
    subprocess.run([made, "-b", "-c", str(passwords), "me", "right"], check=True)
    passwords.chmod(0o700)
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}").start()
    place = f"127.0.0.1:{broker.port}/garden/door"
    try:
        for url, environ, expected in (
            (f"mqtt://me:wrong@{place}", {}, "refuses user 'me': the password is wrong"),
            (f"mqtt://me@{place}", {}, "refuses user 'me': no password was given"),
            (f"mqtt://{place}", {}, "the broker wants a user"),
        ):
            notices = Notices()
            sink = Deliveries([Delivery(mqtt_channel(url, environ), notices, QUICK)])
            sink.tell(an_event(1))
            heard: list[tuple[str, str]] = []
            until(lambda heard=heard, n=notices: heard.extend(said(n)) or heard, "it is said")
            assert expected in heard[0][1]
            assert "wrong@" not in heard[0][1]
            sink.finish()
            assert counts(sink) == {"delivered": 0, "dropped": 1, "waiting": 0}
        for url, environ in (
            (f"mqtt://me:right@{place}", {}),
            (f"mqtt://me@{place}", {"EDGECNN_MQTT_PASSWORD": "right"}),
        ):
            channel = mqtt_channel(url, environ)
            assert "right" not in channel.address
            channel.send(b"{}", an_event(1))
            channel.close()
    finally:
        broker.stop()


@needs_mosquitto
def test_an_event_that_the_user_may_not_publish_is_refused_for_good(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write garden/door/status\n")
    rights.chmod(0o700)
    broker = Broker(tmp_path, "allow_anonymous true", f"acl_file {rights}").start()
    try:
        channel = mqtt_channel(f"mqtt://127.0.0.1:{broker.port}/garden/door")
        with pytest.raises(DeliveryError, match="not authorized") as caught:
            channel.send(b"{}", an_event(1))
        assert caught.value.permanent
        channel.close()
    finally:
        broker.stop()


@needs_mosquitto
@needs_openssl
def test_tls_is_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    broker = Broker(tmp_path, "allow_anonymous true", f"certfile {cert}", f"keyfile {key}").start()
    try:
        channel = mqtt_channel(f"mqtts://localhost:{broker.port}/door?cafile={cert}")
        channel.send(b"{}", an_event(1))
        channel.close()
        with pytest.raises(DeliveryError, match="certificate is not trusted: self.signed"):
            mqtt_channel(f"mqtts://localhost:{broker.port}/door").tend()
        with pytest.raises(DeliveryError, match="closed the connection|no MQTT"):
            mqtt_channel(f"mqtt://localhost:{broker.port}/door").tend()
    finally:
        broker.stop()


class OldBroker:
    """Speaks 3.1.1 alone: refuses a newer client with its code 1, or just hangs up."""

    def __init__(self, answers: bool) -> None:
        self.versions: list[int] = []
        self.published: list[bytes] = []
        self._answers = answers
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._server.accept()
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        self.versions.append(connection.recv(4096)[8])
        if self.versions[-1] != 4:
            connection.sendall(b"\x20\x02\x00\x01" if self._answers else b"")
            return
        connection.sendall(b"\x20\x02\x00\x00")
        stream = connection.makefile("rb")
        while kind := stream.read(1):
            length, shift = 0, 0
            while (byte := stream.read(1)[0]) > 127:
                length, shift = length | (byte & 127) << shift, shift + 7
            body = stream.read(length | byte << shift)
            if kind[0] >> 4 == 3:
                end = 2 + body[1]
                self.published.append(body[2:end])
                connection.sendall(b"\x40\x02" + body[end : end + 2])


@pytest.mark.parametrize("answers", [True, False])
def test_a_broker_that_knows_only_the_older_protocol_is_spoken_to_in_it(answers: bool) -> None:
    pytest.importorskip("paho.mqtt.enums")
    broker = OldBroker(answers)
    notices = Notices()
    channel = mqtt_channel(f"mqtt://127.0.0.1:{broker.port}/door")
    sink = Deliveries([Delivery(channel, notices, QUICK)])
    sink.tell(an_event(1))
    sink.tell(an_event(2))
    until(lambda: counts(sink)["delivered"] == 2, "both are delivered")
    sink.finish()
    assert broker.versions == [5, 4]
    assert broker.published == [b"door/status", b"door", b"door", b"door/status"]


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x20\x7f" + b"\xff" * 127])
def test_what_is_no_broker_is_said(words: bytes) -> None:
    pytest.importorskip("paho.mqtt.enums")
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(words)

    threading.Thread(target=serve, daemon=True).start()
    channel = mqtt_channel(f"mqtt://127.0.0.1:{server.getsockname()[1]}/door")
    for _ in range(2):
        with pytest.raises(DeliveryError, match="speaks no MQTT|closed the connection"):
            channel.tend()
    server.close()


def test_a_broker_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("paho.mqtt.enums")
    monkeypatch.setattr("edgecnn.camera.events.mqtt._ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        channel = mqtt_channel(f"mqtt://127.0.0.1:{server.getsockname()[1]}/door")
        with pytest.raises(DeliveryError, match="does not answer"):
            channel.send(b"{}", an_event(1))
        channel.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://host/topic", "scheme 'http', expected mqtt:// or mqtts://"),
        ("mqtt:///topic", "names no host"),
        ("mqtt://me:secret/x@host/topic", "no valid URL"),
        ("mqtt://me:1883/secret@host/topic", "an '@' behind its host"),
        ("mqtt://me:secret#x@host/topic", "no valid URL|has a '#'"),
        ("mqtt://host:70000/topic", "no valid URL"),
        ("mqtt://host/a b", "no valid URL"),
        ("mqtt://host/a/+/b", "nobody can publish to"),
        ("mqtt://host/a%23", "nobody can publish to"),
        ("mqtt://host/a%00b", "nobody can publish to"),
        ("mqtt://host/" + "a" * 66000, "topic of 66000 letters"),
        ("mqtt://host/a?cafile=x.pem", "expected \\?cafile=PATH with mqtts"),
        ("mqtts://host/a?secret=x", "expected \\?cafile=PATH with mqtts"),
        ("mqtts://host/a?cafile=no-such.pem", "no certificates can be read from 'no-such.pem'"),
        ("mqtt://m%1be@host/a", "control characters"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_secrets(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        mqtt_channel(url, {})
    assert "secret" not in caught.value.message + caught.value.hint


def test_what_a_message_shows_has_no_password() -> None:
    pytest.importorskip("paho.mqtt.enums")
    shown = {
        url: mqtt_channel(url, {"EDGECNN_MQTT_PASSWORD": "hidden"}).address
        for url in ("mqtt://me:s%2Fcret@host", "mqtt://me@host/a%40b", "mqtts://[::1]/x/y")
    }
    assert list(shown.values()) == [
        "mqtt://me:***@host:1883/edgecnn",
        "mqtt://me:***@host:1883/a@b",
        "mqtts://[::1]:8883/x/y",
    ]


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("paho", "paho.mqtt", "paho.mqtt.enums"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError) as caught:
        open_deliveries(EventConfig(mqtt="mqtt://host"), Notices())
    assert caught.value.hint == "pip install 'edgecnn[mqtt]'"
