"""Which images a path, a folder, a pattern or a list names."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from edgecnn.core.errors import CameraError

SUFFIXES = frozenset(
    (".bmp", ".dib", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
    + (".pbm", ".pgm", ".pnm", ".ppm")
)
_LIST_SUFFIX = ".txt"
_LIST_AT_MOST = 64 << 20
_LIST_FORM = (
    "a list is a UTF-8 text file with the path of one image per line, relative to the list's own"
    " folder; what stands behind a # at a line's start is a comment"
)


def find_images(text: str) -> tuple[Path, ...] | None:
    """The images that a ``--source`` names; None: it names none, but perhaps a video.

    Args:
        text: an image file, a folder, a pattern such as ``photos/*.jpg`` (``**`` goes into
            folders), or a list (.txt).

    Returns:
        Files in natural order (img2 before img10); those of a list in its own order.

    Raises:
        CameraError: a folder, pattern or list without images.
    """
    path = Path(text)
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.is_file():
            if path.suffix.lower() == _LIST_SUFFIX:
                return _listed(path)
            return (path,) if path.suffix.lower() in SUFFIXES else None
    except (OSError, ValueError):
        return None
    return _matching(text) if glob.has_magic(text) else None


def natural_key(path: Path) -> list[tuple[tuple[int, int, str], ...]]:
    """Sorts numbers inside names by their value, and the files of a folder together."""
    return [
        (*(_piece(piece) for piece in re.split(r"(\d+)", part.casefold())), (2, 0, part))
        for part in path.parts
    ]


def _piece(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


def _in_folder(folder: Path) -> tuple[Path, ...]:
    try:
        files = [path for path in folder.iterdir() if path.is_file()]
    except OSError as error:
        raise CameraError(
            f"cannot read the folder '{folder}': {error.strerror}", hint="check its permissions"
        ) from error
    images = _images_of(files)
    if not images:
        deeper = any(folder.glob("*/*"))
        raise CameraError(
            f"the folder '{folder}' has no images: {_what(files)}",
            hint=f"for the images of its folders give '{folder / '**' / '*.jpg'}', in quotes"
            if deeper
            else f"images are {', '.join(sorted(SUFFIXES))}; a video is given by its own name",
        )
    return images


def _matching(pattern: str) -> tuple[Path, ...]:
    """The images that match; links that lead back into the same folders give each file once."""
    # Path.glob takes no absolute pattern, and shows hidden files.
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)  # noqa: PTH207
    files = [Path(name) for name in found if Path(name).is_file()]
    if "**" in pattern:
        files = list({os.path.realpath(path): path for path in reversed(files)}.values())
    images = _images_of(files)
    if not images:
        raise CameraError(
            f"no image matches '{pattern}': {_what(files)}",
            hint="check the pattern: * stands for a part of a name, ** for folders within folders",
        )
    return images


def _listed(path: Path) -> tuple[Path, ...]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_LIST_AT_MOST + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise CameraError(
            f"cannot read the list '{path}': {error.strerror}", hint=_LIST_FORM
        ) from error
    except UnicodeDecodeError as error:
        raise CameraError(f"the list '{path}' is no UTF-8 text", hint=_LIST_FORM) from error
    if len(raw) > _LIST_AT_MOST:
        raise CameraError(f"the list '{path}' is larger than 64 MiB", hint=_LIST_FORM)
    lines = [line.strip() for line in text.splitlines()]
    names = [line for line in lines if line and not line.startswith("#") and "\0" not in line]
    files = tuple(path.parent / name for name in names)
    if not files:
        raise CameraError(f"the list '{path}' names no image", hint=_LIST_FORM)
    if not any(_is_file(file) for file in files):
        raise CameraError(
            f"the list '{path}' names {len(files)} files, and none is there: the first is"
            f" '{files[0]}'",
            hint=_LIST_FORM,
        )
    return files


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # for example a line far too long to be a name
        return False


def _images_of(files: Iterable[Path]) -> tuple[Path, ...]:
    """Hidden files are left out, some systems keep thumbnails in them."""
    images = [
        path for path in files if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    return tuple(sorted(images, key=natural_key))


def _what(files: Iterable[Path]) -> str:
    """What was found instead, for people."""
    kinds = Counter(path.suffix.lower() or "no suffix" for path in files)
    if not kinds:
        return "no file at all was found"
    shown = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common(5))
    return f"found {shown}" + (" and others" if len(kinds) > 5 else "")
