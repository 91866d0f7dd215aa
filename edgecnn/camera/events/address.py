"""The URL that events are sent to: what it must be, and how messages may show it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from edgecnn.core.errors import UsageError

_ESCAPES = "in a user or password write / as %2F, # as %23, ? as %3F, @ as %40, : as %3A"


@dataclass(frozen=True)
class Address:
    """Where to, and as whom.

    Attributes:
        scheme: as in the URL, lower case.
        host: name or number.
        port: 1 to 65535.
        user, password: unescaped; None where the URL has none.
        path, query: escaped, as in the URL.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port for messages; nothing that could be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def read_address(text: str, option: str, ports: dict[str, int]) -> Address:
    """Takes a URL apart.

    Args:
        text: as given.
        option: for messages.
        ports: the schemes that may be, with the port that each of them means.

    Raises:
        UsageError: it cannot be meant. Its message repeats nothing that may be part of a password.
    """
    expected = " or ".join(f"{scheme}://" for scheme in ports)
    parts, port = _split(text, option)
    if parts.scheme not in ports:
        raise UsageError(
            f"{option} has the URL scheme '{parts.scheme}', expected {expected}",
            hint=f"for example {option} {next(iter(ports))}://host/path",
        )
    if not parts.hostname:
        raise UsageError(
            f"{option} names no host, expected {expected}host/path", hint="give the whole URL"
        )
    if parts.fragment:
        raise UsageError(f"{option} has a '#', which no address has", hint=_ESCAPES)
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or ports[parts.scheme],
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        path=parts.path,
        query=parts.query,
    )


def _split(text: str, option: str) -> tuple[SplitResult, int | None]:
    try:
        if any(letter <= " " or letter == "\x7f" for letter in text):
            raise ValueError("white space")
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError:
        raise UsageError(
            f"{option} is no valid URL, expected scheme://host[:port]/path",
            hint=f"a port is a number up to 65535, white space is not allowed; {_ESCAPES}",
        ) from None
