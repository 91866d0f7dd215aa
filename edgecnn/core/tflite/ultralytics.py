"""What ultralytics and YOLOv5 write about a model into its .tflite.

The exporters put a dictionary into the archive behind the model, in three forms: YOLOv5, YOLOv7 and
YOLOv9 as ``meta.txt`` (``str`` of ``stride`` and ``names``; some forks write JSON), ultralytics up
to 8.3 as ``temp_meta.txt`` (``str`` of the whole dictionary), later ones as ``metadata.json``,
where the class numbers have become text. Sources: ``add_tflite_metadata`` of YOLOv5's
export.py, ``Exporter._add_tflite_metadata`` and ``torch2litert`` of ultralytics, and the readers in
its ``nn/autobackend.py``.
"""

from __future__ import annotations

import ast
import json
import warnings
from dataclasses import dataclass
from typing import Any

from edgecnn.core.tflite.walker import printable

_MAX_TEXT = 1 << 18
_MAX_NAMES = 1 << 16
_MAX_NAME = 200
_MAX_ARGS = 64
Scalar = bool | int | float | str


@dataclass(frozen=True)
class Ultralytics:
    """The exporter's dictionary.

    Attributes:
        task: ``detect``, ``segment``, ``pose``, ``obb``, ``classify``; empty where YOLOv5 wrote it.
        names: the classes, in the order of their numbers; a number without a name is its digits.
        stride: the coarsest level's, pixels; 0 where it is not said.
        image_hw: height and width of the input, pixels; None where they are not said.
        keypoint_shape: (key points, numbers of each: 2 or 3) of a pose model, else None.
        keypoint_names: of the first class that has some.
        end2end: the model itself suppresses overlapping boxes: a head without suppression as
            YOLOv10's, whose output is a list of finished boxes.
        nms: the export added the suppression (``nms=True``), with the same list as output.
        head: the class of the head (``Detect``, ``Segment26``); written from 8.4 on.
        channels: of the input image; 3 where it is not said.
        version: of ultralytics.
        description: one line, which names the model.
        args: the other arguments of the export (``int8``, ``half``, ``quantize`` …).
    """

    task: str = ""
    names: tuple[str, ...] = ()
    stride: int = 0
    image_hw: tuple[int, int] | None = None
    keypoint_shape: tuple[int, int] | None = None
    keypoint_names: tuple[str, ...] = ()
    end2end: bool = False
    nms: bool = False
    head: str = ""
    channels: int = 3
    version: str = ""
    description: str = ""
    args: tuple[tuple[str, Scalar], ...] = ()


def read_ultralytics(text: str) -> Ultralytics | None:
    """The dictionary that an exporter wrote.

    Args:
        text: a file of the archive, or an associated file; never trusted.

    Returns:
        None where the text is something else, for example a list of labels.

    Raises:
        ValueError: it begins like such a dictionary and cannot be read; the message says why.
    """
    text = text.strip()
    if not text.startswith("{"):
        return None
    if len(text) > _MAX_TEXT:
        raise ValueError(f"its text has over {_MAX_TEXT} characters")
    values = _values(text)
    if not isinstance(values, dict) or not {"names", "stride"} & set(values):
        return None
    args = values.get("args")
    args = args if isinstance(args, dict) else {}
    return Ultralytics(
        task=_word(values.get("task")),
        names=_names(values.get("names")),
        stride=_whole(values.get("stride"), 1 << 12),
        image_hw=_pair(values.get("imgsz")),
        keypoint_shape=_pair(values.get("kpt_shape")),
        keypoint_names=_keypoint_names(values.get("kpt_names")),
        end2end=values.get("end2end") is True,
        nms=args.get("nms") is True or values.get("nms") is True,
        head=_word(values.get("head")),
        channels=_whole(values.get("channels"), 64) or 3,
        version=_word(values.get("version")),
        description=_word(values.get("description")),
        args=tuple(
            (_word(key), _word(value) if isinstance(value, str) else value)
            for key, value in list(args.items())[:_MAX_ARGS]
            if isinstance(value, (bool, int, float, str))
        ),
    )


def _values(text: str) -> Any:
    """JSON, or what ``str`` makes of a dictionary; read as literals, never run."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes that Python does not know
            return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("it is neither JSON nor a Python dictionary") from error


def _word(value: object) -> str:
    return printable(value[:_MAX_NAME]) if isinstance(value, str) else ""


def _whole(value: object, limit: int) -> int:
    """A whole number from 1 to the limit, else 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0
    return int(value) if 1 <= value <= limit and value == int(value) else 0


def _pair(value: object) -> tuple[int, int] | None:
    """Two whole numbers; one stands for both."""
    items = value if isinstance(value, (list, tuple)) else (value, value)
    if len(items) != 2:
        return None
    first, second = (_whole(item, 1 << 14) for item in items)
    return (first, second) if first and second else None


def _names(value: object) -> tuple[str, ...]:
    """Class names of ``{0: 'person', …}``, ``{'0': 'person', …}`` or a list."""
    if isinstance(value, (list, tuple)):
        return tuple(_word(item) or str(k) for k, item in enumerate(value[:_MAX_NAMES]))
    if not isinstance(value, dict):
        return ()
    found = {}
    for key, item in value.items():
        number = str(key)
        if number.isascii() and number.isdigit() and len(number) <= 5 and int(number) < _MAX_NAMES:
            found[int(number)] = _word(item)
    # A number far above the count is no class: it would make a list of empty names.
    if not found or max(found) >= 2 * len(found) + 16:
        return ()
    return tuple(found.get(k) or str(k) for k in range(max(found) + 1))


def _keypoint_names(value: object) -> tuple[str, ...]:
    if isinstance(value, dict):
        value = next(iter(value.values()), ())
    return _names(value) if isinstance(value, (list, tuple)) else ()
