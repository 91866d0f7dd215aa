"""A reader of systemd's syntax, written from its manual pages for the tests alone.

``systemd.syntax(7)`` "Quoting", ``systemd.unit(5)`` "Specifiers", ``systemd.service(5)`` "Command
lines", ``systemd.exec(5)`` "EnvironmentFile".
"""

from __future__ import annotations

_C_ESCAPES = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\",
    '"': '"', "'": "'", "s": " ",
}  # fmt: skip

#: Arguments that are easily read as something else.
NASTY = (
    "", " ", "a b", "it's", '"', "\\", "\\\\x41", "%h", "100 %", "%%", "$HOME", "${HOME}", "$$",
    ";", "a;b", "#", "-", "@", "ä ✓ 日本", "a\tb", "\\n", "*", "~", "'", "x=y", "=", "&&", "|",
    "`id`", " a", "a ", "{}", "%", "$", '\\"', "rtsp://me@h/1?a=%20&b=$c", "a\u2028b",
)  # fmt: skip


def settings(text: str, section: str) -> list[tuple[str, str]]:
    """Keys and values of a section, in order; comments and continued lines as the manual has it."""
    found, now, held = [], "", ""
    for line in text.split("\n"):
        if not held and line.lstrip()[:1] in ("#", ";"):
            continue
        whole = held + line
        if whole.endswith("\\"):
            held = whole[:-1] + " "
            continue
        held = ""
        if whole.startswith("["):
            now = whole.strip()[1:-1]
        elif "=" in whole and now == section:
            key, _, value = whole.partition("=")
            found.append((key.strip(), value.strip()))
    return found


def words(value: str) -> list[str]:
    """The words of a value, with quotes and escapes undone."""
    found: list[str] = []
    place, size = 0, len(value)
    while place < size:
        if value[place] in " \t\n\r":
            place += 1
            continue
        word, quote = "", ""
        while place < size and (quote or value[place] not in " \t\n\r"):
            sign = value[place]
            if sign == "\\":
                sign = value[place + 1]
                assert sign in _C_ESCAPES, f"\\{sign} is not understood"
                word += _C_ESCAPES[sign]
                place += 2
                continue
            if quote:
                quote, word = ("", word) if sign == quote else (quote, word + sign)
            elif sign in "\"'" and not word:
                quote = sign
            else:
                word += sign
            place += 1
        assert not quote, "a quote that nobody ends"
        found.append(word)
    return found


def specifiers(text: str) -> str:
    """``%%`` is a percent sign; the units of the tests use no other specifier."""
    return _doubled(text, "%")


def variables(text: str) -> str:
    """``$$`` is a dollar sign; likewise."""
    return _doubled(text, "$")


def exec_start(text: str) -> list[str]:
    """The program and its arguments, as the program gets them."""
    (value,) = [value for key, value in settings(text, "Service") if key == "ExecStart"]
    assert value[:1] not in ("@", "-", ":", "+", "!", "|")
    program, *arguments = words(value)
    return [specifiers(program), *(variables(specifiers(word)) for word in arguments)]


def environment_file(text: str) -> dict[str, str]:
    """What is in double quotes: a backslash keeps only what a shell would keep it for."""
    found = {}
    for line in text.split("\n"):
        if line[:1] in ("#", ";", ""):
            continue
        key, _, rest = line.partition("=")
        assert rest[0] == rest[-1] == '"'
        value, place, inside = "", 0, rest[1:-1]
        while place < len(inside):
            if inside[place] == "\\":
                place += 1
                value += inside[place] if inside[place] in '"\\`$' else "\\" + inside[place]
            else:
                assert inside[place] != '"'
                value += inside[place]
            place += 1
        found[key] = value
    return found


def _doubled(text: str, sign: str) -> str:
    plain, place = "", 0
    while place < len(text):
        if text[place] == sign:
            assert text[place : place + 2] == 2 * sign, f"{sign} means something in {text!r}"
            place += 1
        plain += text[place]
        place += 1
    return plain
