"""Size and orientation of an image from its header, and a thumbnail, before it is decoded whole.

A header is untrusted: one that promises more than :data:`MAX_PIXELS` refuses the image before
anything is allocated for it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.quiet import held_stderr

MAX_PIXELS = 100_000_000
MAX_IMAGE_FILE_BYTES = 256 << 20
THUMB = 16
_THREADS = 4
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class ImageHeader:
    """What stands in a header.

    Attributes:
        width, height: as stored, pixels.
        orientation: EXIF's, 1 to 8; 1 where there is none.
    """

    width: int
    height: int
    orientation: int = 1


@dataclass(frozen=True)
class ImageFacts:
    """One image, as decoding gives it: upright.

    Attributes:
        width, height: pixels, upright.
        orientation: EXIF's where decoding applied one that swaps width and height, else 1.
        thumb: float32 (16, 16), gray; for telling near-duplicates.
    """

    width: int
    height: int
    orientation: int = 1
    thumb: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((THUMB, THUMB), np.float32), repr=False, compare=False
    )


class ImageRefusedError(ValueError):
    """An image that cannot be used; the text says why."""


def image_facts(
    names: Sequence[str], read: Callable[[str], bytes]
) -> tuple[dict[str, ImageFacts], dict[str, str]]:
    """Looks at every image once, in threads.

    Args:
        names: paths.
        read: a path's bytes; OSError where it cannot be read.

    Returns:
        Path → facts of the good ones, and path → why of the others.
    """
    import cv2  # noqa: F401 - imported once, before the threads

    def look(name: str) -> ImageFacts | str:
        try:
            return _look(read(name))
        except ImageRefusedError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"

    # libpng and OpenCV write about each damaged file to stderr, and no log level stops them all.
    with held_stderr(pass_on=False), ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(look, names, chunksize=1))
    rows = list(zip(names, found, strict=True))
    good = {name: facts for name, facts in rows if isinstance(facts, ImageFacts)}
    return good, {name: why for name, why in rows if isinstance(why, str)}


def _look(data: bytes) -> ImageFacts:
    import cv2

    if not data:
        raise ImageRefusedError("the image file is empty")
    if len(data) > MAX_IMAGE_FILE_BYTES:
        raise ImageRefusedError(f"the image file is larger than {MAX_IMAGE_FILE_BYTES >> 20} MiB")
    header = read_header(data)
    if header is None:
        raise ImageRefusedError("it is no JPEG, PNG, BMP, WebP or PPM image, or it is damaged")
    width, height = header.width, header.height
    if width * height > MAX_PIXELS:
        raise ImageRefusedError(f"{width} × {height} pixels, at most {MAX_PIXELS:,} are read")
    factor, flag = _reduction(data, min(width, height))
    try:
        small = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except (cv2.error, MemoryError):
        small = None
    if small is None or not small.size:
        raise ImageRefusedError("the image is damaged")
    orientation = 1
    # Not every format's tag is applied by every OpenCV: what was decoded says.
    rows, columns = small.shape[0] * factor, small.shape[1] * factor
    if header.orientation in _TURNED and _nearer(rows, columns, header):
        width, height, orientation = height, width, header.orientation
    thumb = cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
    return ImageFacts(width, height, orientation, thumb)


def _reduction(data: bytes, side: int) -> tuple[int, int]:
    """How far an image may be reduced while it is decoded, and OpenCV's flag for it.

    Every byte is read all the same, so that a truncated file is found. JPEG alone is averaged on
    the way; other formats would be sampled, and their thumbnails no longer be those of a JPEG.
    """
    import cv2

    if data.startswith(b"\xff\xd8"):
        for factor, flag in (
            (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
            (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
            (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
        ):
            if side >= 4 * THUMB * factor:
                return factor, flag
    return 1, cv2.IMREAD_GRAYSCALE


def _nearer(rows: int, columns: int, header: ImageHeader) -> bool:
    """Whether a decoded size is nearer to the turned one than to the stored one."""
    turned = abs(rows - header.width) + abs(columns - header.height)
    return turned <= abs(rows - header.height) + abs(columns - header.width)


def read_header(data: bytes) -> ImageHeader | None:
    """Width, height and orientation of a JPEG, PNG, BMP, WebP or PNM; None: it is none of them."""
    try:
        for magic, reader in (
            (b"\xff\xd8", _jpeg),
            (b"\x89PNG\r\n\x1a\n", _png),
            (b"BM", _bmp),
            (b"RIFF", _webp),
            (b"P", _pnm),
        ):
            if data.startswith(magic):
                header = reader(data)
                return header if header and header.width > 0 and header.height > 0 else None
    except (struct.error, IndexError, ValueError):
        return None
    return None


def _jpeg(data: bytes) -> ImageHeader | None:
    place, orientation = 2, 1
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            place += 1
            continue
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            place += 2
            continue
        if marker in (0xD9, 0xDA):
            return None
        (length,) = struct.unpack_from(">H", data, place + 2)
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return ImageHeader(width, height, orientation)
        if marker == 0xE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            orientation = _exif(data[place + 10 : place + 2 + length])
        place += 2 + length
    return None


def _png(data: bytes) -> ImageHeader | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    orientation, place = 1, 8
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"eXIf":
            orientation = _exif(data[place + 8 : place + 8 + length])
        if kind in (b"IDAT", b"IEND"):
            break
        place += 12 + length
    return ImageHeader(width, height, orientation)


def _bmp(data: bytes) -> ImageHeader:
    (size,) = struct.unpack_from("<I", data, 14)
    if size == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return ImageHeader(width, abs(height))


def _webp(data: bytes) -> ImageHeader | None:
    kind = data[12:16]
    if data[8:12] != b"WEBP":
        return None
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return ImageHeader((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return ImageHeader(width, height, _webp_orientation(data))
    return None


def _webp_orientation(data: bytes) -> int:
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"EXIF":
            return _exif(data[place + 8 : place + 8 + length].removeprefix(b"Exif\0\0"))
        place += 8 + length + length % 2
    return 1


def _pnm(data: bytes) -> ImageHeader | None:
    if data[1:2] not in b"123456":
        return None
    words: list[bytes] = []
    for line in data[2:4096].split(b"\n"):
        words += line.split(b"#")[0].split()
        if len(words) >= 2:
            return ImageHeader(int(words[0]), int(words[1]))
    return None


def _exif(data: bytes) -> int:
    """The orientation of a TIFF header, 1 where there is none or it is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for number in range(min(count, 512)):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, start + 2 + 12 * number)
            if tag == 0x0112:
                return int(value) if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
