"""Says what a file that is no .tflite seems to be."""

from __future__ import annotations

from edgecnn.core.tflite.schema import IDENTIFIER

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"PK\x03\x04", "a zip archive (a .keras model is one)"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (an old Keras .h5 model is one)"),
    (b"\x7fELF", "an ELF program"),
    (b"UF2\n", "a UF2 firmware image"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"%PDF", "a PDF document"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"{", "JSON text"),
)
_HINT = "give a .tflite file, such as edgecnn quantize or a TFLite converter writes"
_HINTS = {
    b"PK\x03\x04": "give the .keras file to edgecnn quantize, which makes a .tflite of it",
    b"\x89HDF\r\n\x1a\n": "give the Keras model to edgecnn quantize, which makes a .tflite of it",
    b"version https://git-lfs": "run git lfs pull",
}


def why_not_tflite(data: bytes) -> tuple[str, str] | None:
    """(what it seems to be, hint), or None when the identifier is that of a .tflite.

    >>> why_not_tflite(b"")[0]
    'it is empty'
    """
    if not data:
        return "it is empty", "convert or download it again"
    for magic, text in _MAGIC:
        if data.startswith(magic):
            return f"it seems to be {text}", _HINTS.get(magic, _HINT)
    if data[4:8] == IDENTIFIER:
        return None
    if len(data) < 8:
        return f"it has only {len(data)} bytes", "convert or download it again"
    if data[257:262] == b"ustar":
        return "it seems to be a tar archive", _HINT
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:64]):
        return "it seems to be text", _HINT
    return f"its identifier is {bytes(data[4:8])!r}, expected {IDENTIFIER!r}", _HINT
