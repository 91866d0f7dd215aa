"""Says what a file that is no .tflite seems to be, and what to give instead."""

from __future__ import annotations

import io
import zipfile

from edgecnn.core.tflite.schema import IDENTIFIER

_HINT = "give a .tflite file, such as edgecnn quantize or a TFLite converter writes"
_QUANTIZE = "give the Keras model to edgecnn quantize, which makes a .tflite of it"
_CONVERTED = "convert it to a float .tflite first ({tool} does), and give that to edgecnn quantize"
_SOURCE = "give the model that it was compiled from, as .keras or .tflite"
_HEAD = 1 << 16

#: (first bytes, what it is, what to give instead)
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image", _HINT),
    (b"\xff\xd8\xff", "a JPEG image", _HINT),
    (b"GIF8", "a GIF image", _HINT),
    (b"BM", "a BMP image", _HINT),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (an old Keras .h5 model is one)",
        f"{_QUANTIZE} (its name must end in .h5)",
    ),
    (b"\x7fELF", "an ELF program", _HINT),
    (b"UF2\n", "a UF2 firmware image", _HINT),
    (b"\x93NUMPY", "a numpy array", _HINT),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\xfd7zXZ", "an xz archive", "unpack it first"),
    (b"%PDF", "a PDF document", _HINT),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "run git lfs pull"),
    (b"<!DOCTYPE", "an HTML page", "download the file itself, not its page"),
    (b"<html", "an HTML page", "download the file itself, not its page"),
    (b"GGUF", "a GGUF language model", _HINT),
    (b"LDMK", "a .kmodel, compiled for a Kendryte chip", _SOURCE),
    (b"RKNN", "an RKNN model, compiled for a Rockchip NPU", _SOURCE),
    (b"\x01HEF", "a HEF, compiled for a Hailo accelerator", _SOURCE),
    (b"ftrt", "a TensorRT engine", _SOURCE),
    (b"ptrt", "a TensorRT engine", _SOURCE),
    (b"7767517\n", "an ncnn model", _SOURCE),
)
#: Flatbuffers of other programs, by their identifier.
_IDENTIFIERS = {
    b"ET12": ("an ExecuTorch program (.pte)", _SOURCE),
    b"ORTM": ("an ONNX Runtime model (.ort)", _CONVERTED.format(tool="onnx2tf")),
}
_ONNX = ("an ONNX model", _CONVERTED.format(tool="onnx2tf"))
_TORCH = ("a PyTorch model", _CONVERTED.format(tool="litert-torch"))
_ONNX_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
_TORCH_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def why_not_tflite(data: bytes) -> tuple[str, str] | None:
    """(what it seems to be, hint), or None when the identifier is that of a .tflite.

    >>> why_not_tflite(b"")[0]
    'it is empty'
    """
    if not data:
        return "it is empty", "convert or download it again"
    if data[4:8] == IDENTIFIER:
        return None
    found = _kind(data)
    if found is not None:
        return f"it seems to be {found[0]}", found[1]
    if len(data) < 8:
        return f"it has only {len(data)} bytes", "convert or download it again"
    if data[257:262] == b"ustar":
        return "it seems to be a tar archive", "unpack it first"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in data[:64]):
        return "it seems to be text", _HINT
    return f"its identifier is {bytes(data[4:8])!r}, expected {IDENTIFIER!r}", _HINT


def _kind(data: bytes) -> tuple[str, str] | None:
    """What the file is and what to give instead; None where it shows no sign of anything."""
    for magic, text, hint in _MAGIC:
        if data.startswith(magic):
            return text, hint
    if data.startswith(b"PK\x03\x04"):
        return _archive(data)
    other = _IDENTIFIERS.get(bytes(data[4:8]))
    if other is not None:
        return other
    return _text(data[:_HEAD]) or _message(data[:_HEAD])


def _archive(data: bytes) -> tuple[str, str]:
    """A zip archive, by the names in it."""
    try:
        names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        return "a zip archive (a .keras model is one), damaged or cut short", "download it again"
    inside = [name for name in names if name.endswith(".tflite")]
    if {"config.json", "metadata.json"} <= set(names):
        return "a .keras model", f"{_QUANTIZE} (its name must end in .keras)"
    if inside:
        return f"a zip archive that holds '{inside[0][:80]}'", "unpack it and give that .tflite"
    if any(name.endswith("saved_model.pb") for name in names):
        return "a zip archive of a SavedModel", "unpack it and give the folder"
    if any(name.endswith("data.pkl") for name in names):
        return _TORCH
    if names and all(name.endswith(".npy") for name in names):
        return "a .npz of numpy arrays", _HINT
    return "a zip archive (a .keras model is one)", _HINT


def _text(head: bytes) -> tuple[str, str] | None:
    """Models that are kept as text."""
    if head.lstrip()[:1] == b"{":
        if b'"modelTopology"' in head or b'"weightsManifest"' in head:
            return "a TensorFlow.js model", "give the Keras model that it was converted from"
        return "JSON text", _HINT
    if head.startswith(b"<?xml"):
        if b"<net " in head:
            return "an OpenVINO model", "give the model that it was converted from"
        return "XML text", _HINT
    if b"char " in head[:4096] and b"[] " in head[:4096] and b"0x" in head:
        return "C source (a model as an array, it may be)", "give the .tflite that it was made from"
    return None


def _message(head: bytes) -> tuple[str, str] | None:
    """Protocol buffers and the like, which have no identifier: by their first fields."""
    if head.startswith(b"\x08\x01\x12"):
        return "the saved_model.pb of a SavedModel", "give the folder that holds it"
    if len(head) > 2 and head[0] == 8 and 3 <= head[1] <= 32 and head[2] in _ONNX_FIELDS:
        return _ONNX
    if head[:1] == b"\x0a" and (b"Placeholder" in head or b"\x12\x05Const" in head):
        return (
            "a frozen TensorFlow graph (.pb)",
            "convert it with tf.compat.v1.lite.TFLiteConverter.from_frozen_graph, give the .tflite",
        )
    if head.startswith(_TORCH_PICKLE):
        return _TORCH
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a Python pickle", _HINT
    if head[8:10] == b'{"' and not any(head[4:8]):
        return "a safetensors file: weights without a model", "give the model itself"
    return None
