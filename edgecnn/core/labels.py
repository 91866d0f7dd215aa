"""Label files: one class name a line."""

from __future__ import annotations

from pathlib import Path

from edgecnn.core.errors import DataError

_MAX_BYTES = 1 << 20


def read_labels(path: Path, expected: int | None = None) -> tuple[str, ...]:
    """The class names of a text file, one a line; blank lines at the end are dropped.

    Raises:
        DataError: unreadable, empty, or not ``expected`` lines.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise DataError(
                f"the label file '{path}' is over {_MAX_BYTES} bytes",
                hint="give a text file with one class name a line",
            )
        text = raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the label file '{path}': {getattr(error, 'strerror', None) or error}",
            hint="give a UTF-8 text file with one class name a line",
        ) from error
    labels = tuple(line.strip() for line in text.rstrip().splitlines())
    if not labels:
        raise DataError(f"the label file '{path}' is empty", hint="write one class name a line")
    if expected is not None and len(labels) != expected:
        raise DataError(
            f"the label file '{path}' has {len(labels)} lines, the model has {expected} classes",
            hint=f"write exactly {expected} lines, one class name each, in the model's order",
        )
    return labels
