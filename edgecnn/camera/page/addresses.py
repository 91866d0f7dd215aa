"""Sockets to listen on, and the addresses under which others reach them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from edgecnn.camera.page.access import to_ip
from edgecnn.core.errors import UsageError

_BACKLOG = 128
#: Addresses for documentation (RFC 5737, RFC 3849): asking for the way there sends nothing.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_EVERYWHERE = ("0.0.0.0", "::")


def listen(host: str, port: int) -> tuple[socket.socket, ...]:
    """Sockets that listen on every address of a host, all on one port.

    Args:
        host: a name or address of this machine.
        port: 0: any that is free.

    Raises:
        UsageError: the host is none of this machine, or the port cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(
            f"--serve names the host '{host}', which is not known here",
            hint="give an address of this machine, 0.0.0.0 for all of them, or the port alone",
        ) from None
    opened: list[socket.socket] = []
    failed: OSError | None = None
    for family, _, _, _, address in dict.fromkeys(found):
        taken = opened[0].getsockname()[1] if opened else port
        try:
            opened.append(_listening(family, str(address[0]), taken))
        except OSError as error:
            failed = failed or error
    if not opened:
        place = f"{bracketed(host)}:{port}"
        why = failed.strerror or str(failed) if failed is not None else "it has no address"
        raise UsageError(
            f"the page cannot be served on {place}: {why}",
            hint="give another port, for example --serve 8081, or --serve 0 for any that is free;"
            " a host has to be an address of this machine",
        )
    return tuple(opened)


def _listening(family: int, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" means everywhere, also for those who come by IPv4.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def is_local(sockets: Sequence[socket.socket]) -> bool:
    """Whether this machine alone can connect."""
    addresses = [to_ip(str(listener.getsockname()[0])) for listener in sockets]
    return all(address is not None and address.is_loopback for address in addresses)


def reachable(host: str) -> tuple[str, ...]:
    """Hosts to put into an address that others are told: of everywhere, this machine's own.

    >>> reachable("127.0.0.1")
    ('127.0.0.1',)
    """
    if host not in _EVERYWHERE:
        return (host,)
    families = _ELSEWHERE[:1] if host == "0.0.0.0" else _ELSEWHERE
    found = [own for family, far in families if (own := _own_address(family, far)) is not None]
    return tuple(dict.fromkeys((*found, socket.gethostname())))


def bracketed(host: str) -> str:
    """The host as it stands in a URL.

    >>> bracketed("::1")
    '[::1]'
    """
    return f"[{host}]" if ":" in host else host


def _own_address(family: int, far: str) -> str | None:
    """The address from which packets would go there; none is sent."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((far, 9))
        return str(probe.getsockname()[0])
    return None
