"""What a Keras file's architecture holds beside Keras' own parts; read without Keras."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError

MAX_CONFIG_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 8 << 30
_SMALL_BYTES = 256 << 20
_MAX_RATIO = 200  # trained weights hardly compress; a run of zeros gives 1000
_HINT = "save it with model.save('model.keras')"
_REBUILD = "rebuild that part from Keras' own layers and save the model again, or add --unsafe"
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_SHOWN = 6
_LAMBDAS = ("Lambda", "__lambda__")


@dataclass(frozen=True)
class ForeignPart:
    """A class or function of an architecture that is not Keras' own.

    Attributes:
        name: the class, or the function.
        module: where it was defined when the model was saved; "" where the file does not say.
        registered: the name under which Keras asks for it, for example ``my_package>Scale``.
        layer: name of the layer that it is; "" for other parts.
    """

    name: str
    module: str
    registered: str
    layer: str

    @property
    def is_lambda(self) -> bool:
        """Whether its code is in the file."""
        return self.name in _LAMBDAS

    @property
    def text(self) -> str:
        """``Scale of my_layers (layer 'scale_1')``."""
        asked = (
            f", registered as '{self.registered}'" if self.registered not in ("", self.name) else ""
        )
        where = f" of {self.module}" if self.module else ""
        layer = f" (layer '{self.layer}')" if self.layer else ""
        return f"{self.name}{where}{asked}{layer}"


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


def refuse_code(
    path: Path, config: Any, registered: Collection[str] = (), *, unsafe: bool = False
) -> None:
    """Lambda layers and classes that nobody has defined here stay out.

    Args:
        path: for messages.
        config: the architecture, :func:`read_zip_config`'s.
        registered: names that this process gave to Keras: those of files that the user named, and
            the caller's own (``keras.saving.register_keras_serializable``).
        unsafe: let Lambda layers in, and classes of modules that can be imported.

    Raises:
        ModelError: naming all such classes, or else the Lambda layers.
    """
    parts = foreign_parts(config)
    unknown = [
        part
        for part in parts
        if not part.is_lambda
        and not {part.name, part.registered} & set(registered)
        and not (unsafe and _importable(part.module))
    ]
    if unknown:
        texts = list({part.name: part.text for part in reversed(unknown)}.values())[::-1]
        raise unknown_classes(path, texts, list(dict.fromkeys(p.name for p in unknown)), registered)
    lambdas = [part.layer for part in parts if part.name == "Lambda"]
    lambdas = lambdas or [part.layer for part in parts if part.is_lambda]
    if lambdas and not unsafe:
        named = ", ".join(f"'{layer}'" for layer in lambdas[:_SHOWN] if layer)
        what = "a Lambda layer" if len(lambdas) == 1 else f"{len(lambdas)} Lambda layers"
        raise ModelError(
            f"the Keras model '{path}' holds {what}{f' {named}' if named else ''}, whose code"
            " would run on loading",
            hint=_REBUILD,
        )


def unknown_classes(
    path: Path, texts: Sequence[str], names: Sequence[str], registered: Collection[str] = ()
) -> ModelError:
    """The error for classes that nobody has defined here.

    Args:
        path: for the message.
        texts: what to say of each.
        names: the classes and functions.
        registered: names that are defined here.
    """
    shown = ", ".join(texts[:_SHOWN])
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    own = sorted(registered)
    known = f" (the files given define {', '.join(own[:_SHOWN])})" if own else ""
    return ModelError(
        f"the Keras model '{path}' is built with parts that are not Keras' own: {shown}{more}",
        hint=f"add --import FILE.py, the Python file that defines {', '.join(names[:_SHOWN])}"
        f"{known}; it is run in this process",
    )


def has_own_layers(path: Path) -> bool:
    """Whether a .keras file needs classes or functions that are not Keras' own.

    Raises:
        ModelError: damaged, or no .keras file.
    """
    return any(not part.is_lambda for part in foreign_parts(read_zip_config(path)))


def foreign_parts(config: Any) -> list[ForeignPart]:
    """Every class and function of an architecture that is not Keras' own, each once, in order.

    Losses, metrics and the optimizer do not count: models are loaded uncompiled.
    """
    found: dict[ForeignPart, None] = {}
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, list):
            pending += reversed(item)
        elif isinstance(item, dict):
            part = _foreign_item(item)
            if part is not None:
                found.setdefault(part)
            pending += [value for key, value in reversed(item.items()) if key != "compile_config"]
    return list(found)


def damaged(path: Path) -> ModelError:
    """The error for a file that holds no Keras model; names what it is where that is plain."""
    kind = "a .keras" if path.suffix == ".keras" else "a Keras .h5"
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_HDF5))
    except OSError:
        head = b""
    for magic, what, suffix in ((_HDF5, "an HDF5 file", ".h5"), (_ZIP, "a zip archive", ".keras")):
        if head.startswith(magic) and path.suffix.lower() not in (suffix, ".hdf5"):
            return ModelError(
                f"the Keras model '{path}' is {what}, not {kind} file",
                hint=f"rename it to {path.stem}{suffix}",
            )
    return ModelError(
        f"the Keras model '{path}' cannot be loaded: it is damaged or not {kind} file", hint=_HINT
    )


def _foreign_item(item: dict[str, Any]) -> ForeignPart | None:
    kind, module = item.get("class_name"), item.get("module")
    if not isinstance(kind, str):
        return None
    inner = item.get("config")
    name = inner.get("name") if isinstance(inner, dict) else None
    layer = name if isinstance(name, str) else ""
    if kind in _LAMBDAS:
        return ForeignPart(kind, "", "", layer)
    if not isinstance(module, str) or module.split(".")[0] == "keras":
        return None
    registered = item.get("registered_name")
    asked = registered if isinstance(registered, str) else ""
    if kind == "function" and isinstance(inner, str):  # Keras writes its own by name alone
        return ForeignPart(inner, "" if module == "builtins" else module, asked, layer)
    return None if module == "builtins" else ForeignPart(kind, module, asked, layer)


def _importable(module: str) -> bool:
    root = module.split(".")[0]
    try:
        return bool(root) and root != "__main__" and find_spec(root) is not None
    except (ImportError, ValueError):
        return False
