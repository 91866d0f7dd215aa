"""What ``--source test`` is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edgecnn.core.errors import UsageError

_SMALLEST, _LARGEST = 48, 8192
_DEFAULTS = {"size": "1280x720", "rate": "30", "seconds": "", "seed": "1"}
_HINT = "for example --source test,size=1280x720,rate=30,seconds=10,seed=1"


@dataclass(frozen=True)
class PatternOptions:
    """What is said behind ``test``.

    Attributes:
        width, height: of the picture, pixels.
        rate: frames per second.
        seconds: when it ends; None: never.
        seed: which ways the shapes take.
    """

    width: int = 1280
    height: int = 720
    rate: float = 30.0
    seconds: float | None = None
    seed: int = 1


def pattern_options(text: str) -> PatternOptions | None:
    """What stands behind ``test``; None: it names something else. A file is ``./test``.

    >>> pattern_options("test,size=640x480,seconds=2").seconds
    2.0

    Raises:
        UsageError: an unknown option, or a value that cannot be meant.
    """
    name, *parts = (part.strip() for part in text.split(","))
    if name != "test":
        return None
    given: dict[str, str] = {}
    for part in parts:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in _DEFAULTS or not equals or key in given:
            raise UsageError(
                f"--source test has '{part}', expected size, rate, seconds or seed, each once and"
                " with a value",
                hint=_HINT,
            )
        given[key] = value
    width, height = _size(given.get("size", _DEFAULTS["size"]))
    rate = _number("rate", given, 0.1, 1000, "0.1 to 1000 frames per second")
    seconds = _number("seconds", given, 1e-3, 1e9, "over 0") if "seconds" in given else None
    seed = _number("seed", given, 0, 2**53, "a whole number from 0")
    if not seed.is_integer():
        raise _refused("seed", given["seed"], "a whole number from 0")
    return PatternOptions(width, height, rate, seconds, int(seed))


def _size(text: str) -> tuple[int, int]:
    sides = [int(side) for side in text.lower().split("x") if side.isascii() and side.isdigit()]
    if len(sides) != 2 or not all(_SMALLEST <= side <= _LARGEST for side in sides):
        expected = f"WIDTHxHEIGHT, {_SMALLEST} to {_LARGEST} pixels each"
        raise _refused("size", text, expected)
    return sides[0], sides[1]


def _number(key: str, given: dict[str, str], least: float, most: float, expected: str) -> float:
    text = given.get(key, _DEFAULTS[key])
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise _refused(key, text, expected)
    return value


def _refused(key: str, text: str, expected: str) -> UsageError:
    return UsageError(f"--source test has {key}={text}, expected {expected}", hint=_HINT)
