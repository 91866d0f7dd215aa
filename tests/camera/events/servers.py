"""A real MQTT broker and a real web server, to be stopped and started again; certificates."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_SBIN = ":/usr/sbin:/usr/local/sbin"  # where Debian keeps mosquitto; not on every user's PATH


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SBIN.removeprefix(":"))


needs_mosquitto = pytest.mark.skipif(
    program("mosquitto") is None, reason="mosquitto is not installed (apt install mosquitto)"
)
needs_openssl = pytest.mark.skipif(
    program("openssl") is None, reason="openssl is not installed (apt install openssl)"
)


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *(program("openssl") or "", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


class Broker:
    """mosquitto on a port of this machine; what it has acknowledged outlives a restart."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                [
                    "user root",
                    "persistence true",
                    f"persistence_location {folder}/",
                    "max_queued_messages 0",
                    f"listener {self.port} 127.0.0.1",
                    *(lines or ["allow_anonymous true"]),
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Broker:
        self._process = subprocess.Popen(
            [program("mosquitto") or "", "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._listens, "mosquitto listens")
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "mosquitto ended"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Hears everything on a broker, also what came while the broker or its line was down."""

    def __init__(self, port: int, user: str | None = None, password: str | None = None) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, bytes, bool]] = []
        self._subscribed = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set(user, password)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, data, message: self.heard.append(
            (message.topic, message.payload, message.retain)
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(30)

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for where, payload, _ in list(self.heard) if where == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Hook:
    """A web server that answers posts as told; ``answer`` gets the handler and its number."""

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.answer: Callable[[Any, int], None] = lambda handler, number: reply(handler, 204)
        self.context = context
        self.port = port
        self._server: ThreadingHTTPServer | None = None
        self.start()

    def start(self) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                hook.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.bodies.append(body)
                hook.paths.append(self.path)
                hook.headers.append(dict(self.headers))
                hook.answer(self, len(hook.bodies))

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        if self.context is not None:
            self._server.socket = self.context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def reply(handler: Any, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    if status != 204:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
