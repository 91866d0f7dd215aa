"""How to answer a web server that wants a user and a password: Basic and Digest."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote
from urllib.request import (
    AbstractDigestAuthHandler,
    HTTPPasswordMgr,
    Request,
    parse_http_list,
    parse_keqv_list,
)


@dataclass(frozen=True)
class Login:
    """A user and a password; both are kept out of ``repr``."""

    user: str = field(repr=False)
    password: str = field(repr=False)


def login_of(url: SplitResult) -> Login | None:
    """What stands before the host, percent-decoded; None: nothing does."""
    if url.username is None:
        return None
    return Login(unquote(url.username), unquote(url.password or ""))


def authorization(login: Login, url: str, challenges: Sequence[str]) -> str | None:
    """The header ``Authorization``; None: there is no way that both sides know.

    Digest is preferred: with Basic everybody on the way can read the password.

    Args:
        login: who asks.
        url: what is asked for, without user and password.
        challenges: the server's headers ``WWW-Authenticate``.
    """
    by_scheme: dict[str, str] = {}
    for challenge in challenges:
        scheme, _, rest = challenge.strip().partition(" ")
        by_scheme.setdefault(scheme.lower(), rest)
    if "digest" in by_scheme:
        answer = _digest(login, url, by_scheme["digest"])
        if answer is not None:
            return answer
    if "basic" in by_scheme:
        pair = f"{login.user}:{login.password}".encode()
        return "Basic " + base64.b64encode(pair).decode("ascii")
    return None


def _digest(login: Login, url: str, challenge: str) -> str | None:
    try:
        wanted = parse_keqv_list([item for item in parse_http_list(challenge) if "=" in item])
        passwords = HTTPPasswordMgr()
        passwords.add_password(wanted.get("realm", ""), url, login.user, login.password)
        answer = AbstractDigestAuthHandler(passwords).get_authorization(Request(url), wanted)
    except (ValueError, IndexError, KeyError):
        return None  # an algorithm that Python does not know, or no challenge at all
    return f"Digest {answer}" if answer else None
