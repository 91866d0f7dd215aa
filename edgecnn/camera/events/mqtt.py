"""Events to an MQTT broker: published with QoS 1, and delivered when the broker has said so."""

from __future__ import annotations

import os
import secrets
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from edgecnn.camera.events.address import Address, read_address
from edgecnn.camera.events.channel import DeliveryError, why_unreachable
from edgecnn.camera.events.event import Event
from edgecnn.core.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import MQTTProtocolVersion
    from paho.mqtt.reasoncodes import ReasonCode

PASSWORD_VARIABLE = "EDGECNN_MQTT_PASSWORD"
DEFAULT_TOPIC = "edgecnn"
#: The broker takes the connection for dead after half as long again without a sign of life; no
#: pause between attempts is longer. TLS is to be agreed on within it, too.
_KEEPALIVE_S = 30
#: What the broker has for an answer, seconds.
_ANSWER_S = 10.0
_LEAVE_S = 0.8
#: The protocol counts a topic's bytes in 16 bits; "/status" is added to it.
_MOST_TOPIC_BYTES = 65000

_UNSUPPORTED_PROTOCOL = 0x84
_WRONG_PASSWORD, _NOT_AUTHORIZED = 0x86, 0x87
#: Not authorized, topic invalid, packet too large, payload invalid: it stays so for this event.
_FOR_GOOD = (_NOT_AUTHORIZED, 0x90, 0x95, 0x99)


@dataclass(frozen=True)
class MqttAddress:
    """Where to publish, and as whom.

    Attributes:
        to: the URL.
        topic: events go there, and ``online`` or ``offline`` to ``status`` below it.
        password: of the URL or of the environment; None: none.
        context: how TLS is verified; None: without TLS.
    """

    to: Address
    topic: str
    password: str | None
    context: ssl.SSLContext | None

    @property
    def shown(self) -> str:
        """For messages."""
        secret = "" if self.password is None else ":***"
        user = "" if self.to.user is None else f"{self.to.user}{secret}@"
        scheme, _, place = self.to.origin.partition("://")
        return f"{scheme}://{user}{place}/{self.topic}"


@dataclass
class _Heard:
    """What the broker has said on one connection; knows nothing of the client that fills it in."""

    greeting: ReasonCode | None = None
    acknowledged: dict[int, ReasonCode] = field(default_factory=dict)
    farewell: str | None = None

    def on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, _: Any) -> None:
        self.greeting = reason

    def on_publish(self, client: Any, data: Any, mid: int, reason: ReasonCode, _: Any) -> None:
        self.acknowledged[mid] = reason

    def on_disconnect(self, client: Any, data: Any, flags: Any, reason: Any, _: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self.farewell = str(reason).lower()


class MqttChannel:
    """Publishes events to a topic, one after the other; whoever calls it runs the connection.

    ``TOPIC/status`` holds ``online`` while it is connected and ``offline`` afterwards (retained);
    the broker says so itself when the program dies. MQTT 5 is spoken, or 3.1.1 with a broker that
    does not know it. Each connection has a client object of its own: one that failed leaves nothing
    behind.

    Args:
        address: where to, and as whom.
    """

    key = "mqtt"
    tend_s: float | None = 1.0

    def __init__(self, address: MqttAddress) -> None:
        # On use: the package is optional.
        from paho.mqtt import properties
        from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

        self.address = address.shown
        self._to = address
        self._name = f"edgecnn-{secrets.token_hex(6)}"
        self._version = MQTTProtocolVersion.MQTTv5
        self._client: Client | None = None
        self._heard = _Heard()
        # What paho's reading of bytes that are no MQTT ends in, if not in this code.
        self._no_mqtt = MQTTErrorCode.MQTT_ERR_PROTOCOL
        self._nonsense = (
            ValueError, LookupError, ArithmeticError, AssertionError, TypeError, struct.error,
            properties.MQTTException,
        )  # fmt: skip

    def send(self, payload: bytes, event: Event) -> None:
        """See :class:`edgecnn.camera.events.channel.Channel`."""
        self.tend()
        reason = self._publish(self._to.topic, payload, False, _ANSWER_S)
        if reason.is_failure:
            cause = f"the broker refuses the event: {str(reason).lower()}"
            for_good = reason.value in _FOR_GOOD
            raise DeliveryError(cause, permanent=for_good, answered=not for_good)

    def tend(self) -> None:
        """See :class:`edgecnn.camera.events.channel.Channel`."""
        if self._client is not None:
            # Was it lost while nothing was sent? Perhaps a new one can be had at once.
            with suppress(DeliveryError):
                self._turn(self._client, 0.0)
        if self._client is None:
            self._connect()

    def close(self) -> None:
        """See :class:`edgecnn.camera.events.channel.Channel`."""
        client = self._client
        if client is None:
            return
        try:
            self._publish(f"{self._to.topic}/status", b"offline", True, _LEAVE_S)
        except DeliveryError:
            return
        client.disconnect()
        self._forget()

    def _connect(self) -> None:
        try:
            self._open()
        except DeliveryError:
            self._forget()
            raise
        # Nobody waits for its acknowledgement: a user may have no right to it.
        status = f"{self._to.topic}/status"
        if self._client is not None:
            self._client.publish(status, b"online", qos=1, retain=True)

    def _open(self) -> None:
        """Connects, with the older protocol if the broker does not know the newer one."""
        greeting = self._greeted()
        if greeting.value == _UNSUPPORTED_PROTOCOL:
            self._forget()
            self._change_version()
            greeting = self._greeted()
        if greeting.is_failure:
            raise DeliveryError(self._no_entry(greeting))

    def _greeted(self) -> ReasonCode:
        """Opens a connection; returns the broker's answer."""
        to, until_s = self._to.to, time.monotonic() + _ANSWER_S
        client = self._client = self._new_client()
        try:
            client.connect(to.host, to.port, _KEEPALIVE_S)
            while self._heard.greeting is None:
                self._wait(client, until_s)
        except DeliveryError:
            if self._heard.greeting is None:
                # Some old brokers close the connection where they should answer.
                self._change_version()
                raise
        except (OSError, ValueError) as error:
            raise DeliveryError(why_unreachable(error)) from error
        return self._heard.greeting

    def _new_client(self) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        heard = self._heard = _Heard()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._name,
            protocol=self._version,
            reconnect_on_failure=False,
        )
        client.on_connect, client.on_publish = heard.on_connect, heard.on_publish
        client.on_disconnect = heard.on_disconnect
        if self._to.to.user is not None:
            client.username_pw_set(self._to.to.user, self._to.password)
        if self._to.context is not None:
            client.tls_set_context(self._to.context)
        client.will_set(f"{self._to.topic}/status", b"offline", qos=1, retain=True)
        return client

    def _change_version(self) -> None:
        from paho.mqtt.enums import MQTTProtocolVersion

        newer: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
        older: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311
        self._version = older if self._version == newer else newer

    def _publish(self, topic: str, payload: bytes, retain: bool, within_s: float) -> ReasonCode:
        """Publishes and waits for the acknowledgement; returns its reason."""
        client, until_s = self._client, time.monotonic() + within_s
        if client is None:
            raise DeliveryError("not connected")
        self._heard.acknowledged.clear()
        number = client.publish(topic, payload, qos=1, retain=retain).mid
        while number not in self._heard.acknowledged:
            self._wait(client, until_s, answered=True)
        return self._heard.acknowledged.pop(number)

    def _wait(self, client: Client, until_s: float, answered: bool = False) -> None:
        """Waits for the broker's next word.

        Raises:
            DeliveryError: the time is over, or the connection was lost; it is forgotten.
        """
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            self._forget()
            raise DeliveryError("the broker does not answer", answered=answered)
        self._turn(client, min(left_s, 1.0), answered)

    def _turn(self, client: Client, timeout_s: float, answered: bool = False) -> None:
        """Reads and writes what there is."""
        try:
            code = client.loop(timeout_s)
        except self._nonsense:
            code = self._no_mqtt
        if code or client.socket() is None:
            why = self._heard.farewell
            cause = f"the broker closed the connection{f': {why}' if why else ''}"
            if code == self._no_mqtt:
                cause = "what answers there speaks no MQTT"
            self._forget()
            raise DeliveryError(cause, answered=answered)

    def _forget(self) -> None:
        """Closes the connection without a farewell: the broker says ``offline``."""
        client, self._client = self._client, None
        sock = None if client is None else client.socket()
        if sock is not None:
            sock.close()

    def _no_entry(self, greeting: ReasonCode) -> str:
        """Why the broker did not let us in."""
        user = self._to.to.user
        if greeting.value not in (_WRONG_PASSWORD, _NOT_AUTHORIZED):
            return f"the broker refuses the connection: {str(greeting).lower()}"
        if user is None:
            return f"the broker wants a user: --mqtt mqtt://USER@…, and {PASSWORD_VARIABLE}"
        secret = "the password is wrong" if self._to.password else "no password was given"
        return (
            f"the broker refuses user '{user}': {secret}, there is no such user, or it has no right"
            f" to {self._to.topic}/status"
        )


def mqtt_channel(url: str, environ: Mapping[str, str] = os.environ) -> MqttChannel:
    """The channel of ``--mqtt``.

    Args:
        url: ``mqtt://[USER[:PASSWORD]@]HOST[:1883][/TOPIC]``, or mqtts with port 8883 and, for a
            certificate that the system does not trust, ``?cafile=PATH``.
        environ: ``EDGECNN_MQTT_PASSWORD`` is the password where the URL has a user alone.

    Raises:
        UsageError: the URL cannot be meant, or the certificate cannot be read.
        MissingExtraError: the package is not installed.
    """
    address = read_address(url, "--mqtt", {"mqtt": 1883, "mqtts": 8883})
    if "@" in address.path + address.query:
        raise UsageError(
            "--mqtt has an '@' behind its host",
            hint="in a user or password write / as %2F, ? as %3F; in a topic write @ as %40",
        )
    password = address.password
    if password is None and address.user is not None:
        password = environ.get(PASSWORD_VARIABLE) or None
    if address.user is not None and not address.user.isprintable():
        raise UsageError("--mqtt has a user with control characters", hint="is it escaped rightly?")
    context = _context(address)
    try:
        import paho.mqtt.enums  # noqa: F401 - came with version 2
    except ImportError as error:
        raise MissingExtraError("--mqtt", "paho-mqtt", "mqtt") from error
    return MqttChannel(MqttAddress(address, _topic(address.path), password, context))


def _topic(path: str) -> str:
    topic = unquote(path.removeprefix("/")) or DEFAULT_TOPIC
    if set("+#") & set(topic) or not topic.isprintable():
        raise UsageError(
            f"--mqtt has the topic {topic!r}, which nobody can publish to",
            hint="a topic has no + and no #; for example mqtt://host/garden/door",
        )
    if len(topic.encode("utf-8")) > _MOST_TOPIC_BYTES:
        raise UsageError(
            f"--mqtt has a topic of {len(topic)} letters", hint="65,000 bytes are allowed"
        )
    return topic


def _context(address: Address) -> ssl.SSLContext | None:
    """How TLS is verified; None without TLS.

    Raises:
        UsageError: an unknown key, or a file without certificates.
    """
    keys = dict(parse_qsl(address.query, keep_blank_values=True))
    unknown = set(keys) - {"cafile"}
    if unknown or (keys and address.scheme == "mqtt"):
        raise UsageError(
            "--mqtt has a '?', expected ?cafile=PATH with mqtts:// or nothing",
            hint="write ? as %3F in a user or a password",
        )
    if address.scheme == "mqtt":
        return None
    cafile = keys.get("cafile")
    try:
        return ssl.create_default_context(cafile=cafile)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--mqtt: no certificates can be read from '{cafile}'",
            hint="cafile is a file of certificates as PEM text",
        ) from error
