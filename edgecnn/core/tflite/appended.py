"""The zip archive that may follow a model in its file: labels and other texts that belong to it.

TFLite's metadata puts the associated files there (a zip archive is read from its end, a flatbuffer
from its start, so both live in one file): https://ai.google.dev/edge/litert/models/metadata.
Everything is bounded: the size of the directory, the number of files, the bytes of each.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

MAX_FILES = 64
MAX_TEXT_BYTES = 1 << 20
_MAX_DIRECTORY = 1 << 18
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x07"
_END_BYTES = 22
_TAIL = (1 << 16) + _END_BYTES
_FAULTS = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError,
           ValueError, EOFError, OSError, OverflowError)  # fmt: skip


def appended_texts(data: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """The text files of the archive behind a model.

    Args:
        data: the whole .tflite; never trusted.

    Returns:
        ({name: text, as UTF-8 with replacement characters}, notes on what was left out). A name
        that comes twice is read once, as it comes first.
    """
    end = data.rfind(_END, max(0, len(data) - _TAIL))
    if end < 0 or end + _END_BYTES > len(data):
        return {}, ()
    (directory_bytes,) = struct.unpack_from("<I", data, end + 12)
    if data[end - 20 : end - 16] == _END64 or directory_bytes > _MAX_DIRECTORY:
        return {}, ("the archive behind the model is left out: its directory is too large",)
    # Without a comment, so that zipfile takes the very record that was looked at here.
    body = data if end + _END_BYTES == len(data) else data[: end + _END_BYTES]
    try:
        archive = zipfile.ZipFile(io.BytesIO(body))
    except _FAULTS as error:
        return {}, (f"the archive behind the model is left out: {_line(error)}",)
    found: dict[str, str] = {}
    notes = []
    for info in archive.infolist()[:MAX_FILES]:
        name = info.filename
        if name in found or info.is_dir():
            continue
        try:
            found[name] = _text(archive, info)
        except _FAULTS as error:
            notes.append(f"{name[:80]!a} of the archive is left out: {_line(error)}")
    if len(archive.infolist()) > MAX_FILES:
        notes.append(f"only {MAX_FILES} files of the archive behind the model are read")
    return found, tuple(notes)


def _text(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"compressed by method {info.compress_type}")
    with archive.open(info) as stream:
        # One byte more than allowed: what the directory says of the size is not believed.
        raw = stream.read(MAX_TEXT_BYTES + 1)
    if len(raw) > MAX_TEXT_BYTES:
        raise ValueError(f"over {MAX_TEXT_BYTES} bytes")
    return raw.decode("utf-8", "replace")


def _line(error: Exception) -> str:
    return ascii(" ".join(str(error).split()) or type(error).__name__)[1:-1][:200]
