"""What a Keras file's architecture holds beside Keras' own parts; read without Keras."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError

MAX_CONFIG_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 8 << 30
_SMALL_BYTES = 256 << 20
_MAX_RATIO = 200  # trained weights hardly compress; a run of zeros gives 1000
_HINT = "save it with model.save('model.keras')"
_REBUILD = "rebuild that part from Keras' own layers and save the model again, or add --unsafe"


def read_zip_config(path: Path) -> Any:
    """The architecture of a .keras file.

    Raises:
        ModelError: damaged, no .keras file, or it would unpack to more than the bounds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            packed = sum(member.compress_size for member in members)
            bomb = unpacked > _SMALL_BYTES and unpacked > _MAX_RATIO * max(1, packed)
            if bomb or unpacked > MAX_UNPACKED_BYTES:
                raise ModelError(
                    f"the Keras model '{path}' would unpack to {unpacked >> 20} MiB", hint=_HINT
                )
            with archive.open("config.json") as stream:
                raw = stream.read(MAX_CONFIG_BYTES + 1)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
        raise damaged(path) from error
    except NotImplementedError as error:  # a zip method that Python does not know
        raise damaged(path) from error
    return parse_config(path, raw)


def parse_config(path: Path, raw: bytes) -> Any:
    """The JSON of an architecture.

    Raises:
        ModelError: too large, too deep, or no JSON.
    """
    if len(raw) > MAX_CONFIG_BYTES:
        raise ModelError(
            f"the Keras model '{path}' has an architecture of over {MAX_CONFIG_BYTES >> 20} MiB",
            hint=_HINT,
        )
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise damaged(path) from error


def refuse_code(path: Path, config: Any, registered: Collection[str] = ()) -> None:
    """Lambda layers and classes that are not Keras' own stay out: loading them runs code.

    Args:
        path: for messages.
        config: the architecture, :func:`read_zip_config`'s.
        registered: names that this process gave to Keras itself
            (``keras.saving.register_keras_serializable``); those are the caller's own code.

    Raises:
        ModelError: naming the first such part.
    """
    foreign = _foreign(config, registered)
    if foreign is not None:
        raise ModelError(
            f"the Keras model '{path}' holds {foreign}, which would run code from the file or"
            " needs your own module",
            hint=_REBUILD,
        )


def damaged(path: Path) -> ModelError:
    """The error for a file that holds no Keras model."""
    kind = "a .keras" if path.suffix == ".keras" else "a Keras .h5"
    return ModelError(
        f"the Keras model '{path}' cannot be loaded: it is damaged or not {kind} file", hint=_HINT
    )


def _foreign(config: Any, registered: Collection[str]) -> str | None:
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            found = _foreign_item(item, registered)
            if found is not None:
                return found
            pending += item.values()
    return None


def _foreign_item(item: dict[str, Any], registered: Collection[str]) -> str | None:
    kind, module = item.get("class_name"), item.get("module")
    if not isinstance(kind, str):
        return None
    inner = item.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    label = f" '{name}'" if isinstance(name, str) else ""
    if kind in ("Lambda", "__lambda__"):
        return f"a Lambda layer{label}"
    if not isinstance(module, str) or item.get("registered_name") in registered:
        return None
    own = module == "builtins" or module.split(".")[0] == "keras"
    return None if own else f"the custom layer{label} ({module}.{kind})"
