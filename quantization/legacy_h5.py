"""The .h5 format of Keras 1 to 3: an architecture as JSON and weights, in one HDF5 file.

HDF5 can point outside the file (external links and storage), at itself, and can declare huge
arrays in a few bytes. So nothing of the file reaches Keras but what is copied here, checked: the
architecture, adapted to Keras 3 (:mod:`quantization.legacy_config`), and plain arrays. The
optimizer's state stays behind.
"""

from __future__ import annotations

import importlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import MissingExtraError, ModelError
from quantization.keras_safety import damaged, parse_config, refuse_code
from quantization.legacy_config import adapt_model

MAX_BYTES = 4 << 30
MAX_LAYERS = 1 << 15
_FLOOR_BYTES = 64 << 20
_MAX_RATIO = 1000
_NAMES_PER_ATTRIBUTE = 2000  # an attribute holds 64 KiB
_HINT = "save it with model.save('model.keras')"
# State that Keras 3 keeps elsewhere or not at all: never needed to infer.
_DROPPED = re.compile(r"(^|/)(renorm_\w+|StateVar|seed_generator_state)(_\d+)?(:\d+)?$")


@dataclass(frozen=True)
class LayerWeights:
    """One layer's arrays in the file's order."""

    name: str
    arrays: tuple[NDArray[Any], ...]


def load_h5(keras: Any, path: Path, *, unsafe: bool = False) -> Any:
    """The model, uncompiled.

    Args:
        keras: the module.
        path: an existing file.
        unsafe: load Lambda layers, which runs code from the file.

    Raises:
        ModelError: damaged, weights alone, or with code in it.
        ValueError, TypeError: Keras cannot build it.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            config, version = _architecture(path, file)
            own = frozenset(keras.saving.get_custom_objects())
            refuse_code(path, config, own, unsafe=unsafe)
            layers = list(_weights(h5py, path, file))
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(path) from error
    if not version.startswith("3."):
        config = adapt_model(keras, config, source=str(path), unsafe=unsafe)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        clean = Path(scratch) / "model.h5"
        _write(h5py, clean, config, version, layers)
        return keras.saving.load_model(clean, compile=False, safe_mode=not unsafe)


def _architecture(path: Path, file: Any) -> tuple[Any, str]:
    raw = file.attrs.get("model_config")
    if raw is None:
        weights = "layer_names" in file.attrs or "layer_names0" in file.attrs
        what = "weights, but no architecture" if weights or "layers" in file else "no Keras model"
        raise ModelError(
            f"'{path}' holds {what}",
            hint="save the whole model: model.save(), not model.save_weights()",
        )
    version = _text(file.attrs.get("keras_version", "1"))
    return parse_config(path, raw if isinstance(raw, bytes) else str(raw).encode()), version


def _weights(h5py: Any, path: Path, file: Any) -> Iterator[LayerWeights]:
    group = _child(h5py, path, file, "model_weights", h5py.Group)
    left = MAX_BYTES
    names = _names(path, group, "layer_names")
    for name in names:
        layer = _child(h5py, path, group, name, h5py.Group)
        arrays = []
        for key in _names(path, layer, "weight_names"):
            if _DROPPED.search(key):
                continue
            array = _array(h5py, path, layer, key)
            left -= array.nbytes
            if left < 0:
                raise _refused(path, f"over {MAX_BYTES >> 30} GiB of weights")
            arrays.append(array)
        yield LayerWeights(name, tuple(arrays))


def _array(h5py: Any, path: Path, group: Any, key: str) -> NDArray[Any]:
    data = _child(h5py, path, group, key, h5py.Dataset)
    if data.external or data.is_virtual:
        raise _refused(path, f"'{key}' stored in another file")
    if data.shape is None or data.dtype.kind not in "fiub":
        raise _refused(path, f"'{key}' of type {data.dtype}")
    declared = int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
    bomb = declared > _FLOOR_BYTES and declared > _MAX_RATIO * data.id.get_storage_size()
    if bomb or declared > MAX_BYTES:
        raise _refused(path, f"'{key}' that would unpack to {declared >> 20} MiB")
    return np.asarray(data[()])


def _child(h5py: Any, path: Path, group: Any, key: str, kind: Any) -> Any:
    """Follows hard links only, one step at a time; a member must be of ``kind``."""
    item = group
    for part in key.split("/"):
        link = item.get(part, getlink=True) if part and isinstance(item, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            what = "a link" if link is not None else "no hard link"
            raise _refused(path, f"{what} where '{key[:80]}' should be")
        item = item[part]
    if not isinstance(item, kind):
        raise _refused(path, f"something else where '{key[:80]}' should be")
    return item


def _names(path: Path, group: Any, key: str) -> list[str]:
    """A list of names, which Keras cuts into ``key0``, ``key1`` … where it is long."""
    parts = [group.attrs[key]] if key in group.attrs else []
    while not parts or f"{key}{len(parts)}" in group.attrs:
        if f"{key}{len(parts)}" not in group.attrs:
            break
        parts.append(group.attrs[f"{key}{len(parts)}"])
    names = [_text(name) for part in parts for name in np.atleast_1d(part)]
    if len(names) > MAX_LAYERS:
        raise _refused(path, f"{len(names)} {key}")
    return names


def _write(h5py: Any, path: Path, config: Any, version: str, layers: list[LayerWeights]) -> None:
    """A fresh file as Keras writes them; Keras goes by order, so that short names will do."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        group = file.create_group("model_weights")
        group.attrs["keras_version"] = version
        names = []
        for number, layer in enumerate(layers):
            if layer.name == "top_level_model_weights" and not layer.arrays:
                continue
            names.append(f"l{number}")
            here = group.create_group(names[-1])
            for k, array in enumerate(layer.arrays):
                here.create_dataset(f"w{k}", data=array)
            _write_names(here, "weight_names", [f"w{k}" for k in range(len(layer.arrays))])
        _write_names(group, "layer_names", names)


def _write_names(group: Any, key: str, names: list[str]) -> None:
    if len(names) <= _NAMES_PER_ATTRIBUTE:
        group.attrs[key] = np.array(names, dtype="S12")
        return
    for number, start in enumerate(range(0, len(names), _NAMES_PER_ATTRIBUTE)):
        part = names[start : start + _NAMES_PER_ATTRIBUTE]
        group.attrs[f"{key}{number}"] = np.array(part, dtype="S12")


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _refused(path: Path, what: str) -> ModelError:
    return ModelError(f"the Keras model '{path}' is refused: it holds {what}", hint=_HINT)


def _h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise MissingExtraError("reading .h5 models", "h5py", "train") from error
