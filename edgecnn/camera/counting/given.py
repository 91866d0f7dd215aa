"""Lines and zones from the command line, and from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecnn.camera.corners import coordinate, flat, is_file, read_places
from edgecnn.camera.counting.places import CountedPlace, place_hint
from edgecnn.camera.following import PlaceKind
from edgecnn.camera.geometry import Point
from edgecnn.core.errors import DataError, UsageError

_MOST_PLACES = 100
_TABLES: dict[PlaceKind, tuple[str, ...]] = {"line": ("lines",), "zone": ("zones", "regions")}
_SHAPES: dict[PlaceKind, tuple[str, ...]] = {
    "line": ("line", "linestrip"),
    "zone": ("polygon", "rectangle"),
}


def given_places(lines: Sequence[str], zones: Sequence[str]) -> tuple[CountedPlace, ...]:
    """Reads what ``--line`` and ``--zone`` give; what has no name is called by its number.

    >>> given_places(["0,240,640,240"], ["shop=10%,10%,50%,90%"])[0].name
    'line 1'

    Args:
        lines: each ``[NAME=]X,Y,X,Y``, or the path of a TOML or JSON file.
        zones: each ``[NAME=]X,Y,X,Y,…``, or such a path.

    Raises:
        UsageError: nothing can be counted at one of them, or two have one name.
        DataError: a file cannot be read.
    """
    places: list[CountedPlace] = []
    given: tuple[tuple[PlaceKind, Sequence[str]], ...] = (("line", lines), ("zone", zones))
    for kind, texts in given:
        found: list[CountedPlace] = []
        for text in texts:
            if is_file(text):
                found += read_place_file(Path(text), kind)
            else:
                found.append(_place(text, kind, f"{kind} {len(found) + 1}"))
        places += found
    _check_many(len(places))
    names = [place.name for place in places]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"there are two lines or zones '{twice}'", hint="give each a name: --line NAME=X,Y,X,Y"
        )
    return tuple(places)


def _check_many(count: int) -> None:
    if count > _MOST_PLACES:
        raise UsageError(
            f"there are {count} lines and zones, expected at most {_MOST_PLACES}",
            hint="leave out what need not be counted",
        )


def _place(text: str, kind: PlaceKind, name: str) -> CountedPlace:
    """One that is said on the command line; ``name`` where none is given."""
    hint = place_hint(kind)
    given, equals, corners = text.rpartition("=")
    name = given.strip() if equals else name
    found = [coordinate(f"{kind} '{name}'", word, hint) for word in corners.split(",")]
    shares = any(percent for _, percent in found)
    if shares and any(value and not percent for value, percent in found):
        raise UsageError(
            f"{kind} '{name}' has percentages and pixels: '{corners}'",
            hint="give all coordinates as one or the other",
        )
    return _of_numbers(kind, name, [value for value, _ in found], shares=shares)


def _of_numbers(
    kind: PlaceKind, name: str, numbers: Sequence[float], *, shares: bool = False
) -> CountedPlace:
    """One of coordinates x, y, x, y …: shares where none of them is beyond 0 to 1.

    Raises:
        UsageError: nothing can be counted at it.
    """
    if len(numbers) % 2:
        raise UsageError(
            f"{kind} '{name}' has {len(numbers)} coordinates, expected x,y of each point",
            hint=place_hint(kind),
        )
    pixels = not (shares or all(0 <= value <= 1 for value in numbers))
    return CountedPlace(name, kind, _pairs(numbers), pixels)


def _pairs(numbers: Sequence[float]) -> tuple[Point, ...]:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def read_place_file(path: Path, kind: PlaceKind) -> tuple[CountedPlace, ...]:
    """Reads a file of lines or zones.

    .. code-block:: toml

        [lines]
        door = [0, 240, 640, 240]                      # pixels
        [zones]
        shop = [[0.1, 0.2], [0.5, 0.2], [0.3, 0.9]]    # shares of the frame

    JSON has the same keys; ``regions`` may stand for ``zones``, and a file may have both lines and
    zones. A list of corners alone is a zone (or line) with the file's name. Of LabelMe's files the
    polygons, rectangles and lines are read; their pixels become shares of the image that the file
    gives the size of.

    Args:
        path: of the file; never trusted.
        kind: which of the two is wanted.

    Raises:
        DataError: it cannot be read, or holds something else.
        UsageError: nothing can be counted at one of them.
    """
    what = f"the file of {kind}s"
    hint = f"[{kind}s] with a line NAME = [x, y, x, y, …] for each {kind}; JSON has the same keys"
    data = read_places(path, what, hint)
    if isinstance(data, dict) and isinstance(data.get("shapes"), list):
        found = list(_shapes(data, path, kind))
    else:
        found = [
            _of_value(name, value, path, kind) for name, value in _named(data, path, kind).items()
        ]
    if not found:
        raise DataError(f"{what} '{path}' has no {kind}s", hint=hint)
    return tuple(found)


def _named(data: Any, path: Path, kind: PlaceKind) -> dict[str, Any]:
    """Points by name; {} where the data hold something else."""
    if isinstance(data, list):
        return {path.stem: data} if data else {}
    tables = _TABLES[kind]
    if not isinstance(data, dict) or not set(data) <= {"lines", "zones", "regions"}:
        return {}
    named: dict[str, Any] = {}
    for table in (data[key] for key in tables if key in data):
        if isinstance(table, dict):
            named |= table
    _check_many(len(named))
    return named


def _of_value(name: str, value: Any, path: Path, kind: PlaceKind) -> CountedPlace:
    numbers = flat(value)
    if numbers is None:
        raise DataError(
            f"the file of {kind}s '{path}': '{name[:200]}' is no list of points x, y",
            hint=f"NAME = [x, y, x, y, …] for each {kind}, in pixels or as shares of the frame",
        )
    return _of_numbers(kind, name, numbers)


def _shapes(data: dict[str, Any], path: Path, kind: PlaceKind) -> Iterator[CountedPlace]:
    """The polygons and rectangles, or the lines, of a file of LabelMe."""
    size = _side(data.get("imageWidth")), _side(data.get("imageHeight"))
    names: set[str] = set()
    for shape in data["shapes"]:
        form = shape.get("shape_type", "polygon") if isinstance(shape, dict) else None
        if form not in _SHAPES[kind]:
            continue
        _check_many(len(names) + 1)
        label = str(shape.get("label") or kind)
        name, number = label, 1
        while name in names:  # one label may mark several places
            number += 1
            name = f"{label} {number}"
        names.add(name)
        place = _of_value(name, shape.get("points"), path, kind)
        width, height = size
        if width and height and place.pixels:
            shares = tuple(
                (min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))
                for x, y in place.points
            )
            place = CountedPlace(name, kind, shares)
        yield place


def _side(value: Any) -> float:
    """A width or height; 0 where it is none."""
    return float(value) if type(value) in (int, float) and 0 < value <= 100_000 else 0.0
