"""The address of a stream: what it must be, and how messages may show it."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from edgecnn.core.errors import UsageError

URL_SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp")
_SECRET_IN_PATH = re.compile(r"(?i)((?:pass\w*|pwd|pw|token|key|secret|auth\w*)=).*")


def checked_url(text: str) -> str:
    """The URL as messages may show it: without password, query and fragment.

    Some cameras want the password in the path: that is masked too.

    >>> checked_url("rtsp://door.local/user=me&password=secret&channel=1")
    'rtsp://door.local/user=me&password=***'

    Raises:
        UsageError: it is none, or of a scheme that no source has. Its message repeats nothing that
            could be a part of a password.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        # The exception's own text may have a piece of the password: "a:b/c@host" has the port "b".
        raise UsageError(
            "--source is no valid URL, expected scheme://host[:port]/path",
            hint="a port is a number up to 65535; in a user or password write / as %2F, # as %23,"
            " ? as %3F, @ as %40, : as %3A",
        ) from None
    if parts.scheme not in URL_SCHEMES:
        raise UsageError(
            f"--source has the URL scheme '{parts.scheme}', expected {', '.join(URL_SCHEMES)}",
            hint="a file is given by its path, without file://",
        )
    if not parts.hostname and not (parts.scheme == "udp" and port):
        raise UsageError(
            f"--source '{parts.scheme}://…' names no host",
            hint="expected scheme://host[:port]/path",
        )
    if "@" in parts.path + parts.query + parts.fragment:
        # Perhaps a password with an unescaped "/", "?" or "#": where it ends, nobody can say.
        plain = parts.netloc if not set(":@") & set(parts.netloc) else ""
        return f"{parts.scheme}://{plain and plain + '/'}***"
    host = parts.hostname or ""  # none: UDP from anybody
    host = f"[{host}]" if ":" in host else host
    host = f"{host}:{port}" if port else host
    user = f"{parts.username}:***@" if parts.password else ""
    path = _SECRET_IN_PATH.sub(r"\1***", parts.path)
    return urlunsplit((parts.scheme, user + host, path, "", ""))


def with_password(text: str, password: str | None) -> str:
    """The URL with a password, where it names a user and none.

    >>> with_password("rtsp://me@door.local/1", "a/b")
    'rtsp://me:a%2Fb@door.local/1'

    Args:
        text: a URL that :func:`checked_url` has passed.
        password: as it is, not percent-encoded; None: there is none.
    """
    parts = urlsplit(text)
    if not password or parts.username is None or parts.password is not None:
        return text
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
