"""Who may ask the page for what: names in Host, where a request comes from, and the token."""

from __future__ import annotations

import hmac
import re
import socket
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

from edgecnn.camera.page.request import PageRequest, RefusedError

Ip = IPv4Address | IPv6Address

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII)
_BEARER = "bearer "


def own_names(served: str) -> frozenset[str]:
    """Names of this machine, in lower case: what it calls itself, and what ``--serve`` was given.

    >>> "door" in own_names("Door")
    True
    """
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return frozenset({served.lower(), name, short, f"{short}.local"} - {""})


def to_ip(text: str) -> Ip | None:
    """An address, an IPv4 one also where it is written as an IPv6 one; None: it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@dataclass(frozen=True)
class Access:
    """The rules; nothing that is refused costs more than this look.

    A web site that the viewer has open elsewhere can make the viewer's browser send requests here.
    It cannot make it send another Host than the site's own name (also when that name has been
    bound to this machine's address meanwhile), nor another Origin, and it cannot read a cookie.

    Attributes:
        names: of this machine, in lower case.
        token: what has to be known; None: nothing, only this machine can connect.
        cookie: the name of the cookie that keeps the token.
    """

    names: frozenset[str]
    token: str | None = field(default=None, repr=False)
    cookie: str = "edgecnn"

    def check(self, request: PageRequest, local: str) -> None:
        """Refuses what is not meant for this page, or comes from another site.

        Args:
            request: the request.
            local: the address of this machine that it came to.

        Raises:
            RefusedError: 400, 403 or 421.
        """
        host = request.headers.get("host", "")
        found = _HOST.fullmatch(host)
        if found is None:
            raise RefusedError(400, "the request has no Host that can be read")
        if not self._is_own(found[1], local):
            raise RefusedError(421, "the page is not served under this name")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in (
            f"http://{host.lower()}",
            f"https://{host.lower()}",
        ):
            raise RefusedError(403, "the request comes from another site")
        if not _same_site(request):
            raise RefusedError(403, "the request comes from another site")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and kind != "application/json":
            raise RefusedError(415, "a POST needs the Content-Type application/json")

    def login(self, request: PageRequest) -> bool:
        """Whether the request brings the token in its address, as a link does that was printed."""
        return self.token is not None and request.path == "/" and "token" in request.query

    def check_token(self, request: PageRequest) -> None:
        """Refuses who does not know the token.

        Raises:
            RefusedError: 401.
        """
        if self.token is None:
            return
        given = [request.query["token"]] if self.login(request) else []
        authorization = request.headers.get("authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given.append(authorization[len(_BEARER) :].strip())
        given += self._cookies(request)
        wanted = self.token.encode()
        same = [hmac.compare_digest(text.encode("utf-8", "replace"), wanted) for text in given]
        if not any(same):
            raise RefusedError(
                401,
                "the page wants its token: open the address that edgecnn printed when it began",
                (("WWW-Authenticate", "Bearer"),),
            )

    def cookie_header(self) -> str:
        """The Set-Cookie that keeps the token in the browser until it is closed."""
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _cookies(self, request: PageRequest) -> list[str]:
        pairs = (
            pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";")
        )
        return [value for name, _, value in pairs if name == self.cookie]

    def _is_own(self, name: str, local: str) -> bool:
        """Whether a name or address is this machine's, for a connection to that address of it."""
        name, here = name.lower(), to_ip(local)
        address = to_ip(name.strip("[]"))
        if here is None:
            return False
        if address is not None:
            same = address == here or address.is_loopback and here.is_loopback
            return same or name.strip("[]") in self.names
        return name in self.names or name == "localhost" and here.is_loopback


def _same_site(request: PageRequest) -> bool:
    """Whether a browser says that the page itself, or its user, made the request.

    A link elsewhere may open the page, and nothing else.
    """
    site = request.headers.get("sec-fetch-site", "none")
    if site in ("none", "same-origin"):
        return True
    return (
        request.method == "GET"
        and request.path == "/"
        and request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest") == "document"
    )
