"""One benchmark's result with what it was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgecnn import __version__
from edgecnn.core.files import write_json

RESULTS = Path(__file__).parent / "results"
_PARTS = ("numpy", "ai-edge-litert", "tensorflow-cpu", "keras", "ziglang", "unicorn")


@dataclass(frozen=True)
class Record:
    """A subject's table.

    Attributes:
        subject: name of the benchmark and of its result file.
        columns, rows: the table as printed; cells are text or numbers.
        note: how it was measured, and where a peer's figures come from.
        whole: whether all that the table should hold was measured; a part is not written.
    """

    subject: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str
    conditions: dict[str, Any] = field(default_factory=dict)
    whole: bool = True

    def save(self) -> Path:
        """Writes ``results/<subject>.json``."""
        path = RESULTS / f"{self.subject}.json"
        values = asdict(self)
        del values["whole"]
        write_json(path, values)
        return path


def conditions() -> dict[str, Any]:
    """Machine and versions."""
    versions = {"edgecnn": __version__, "python": platform.python_version()}
    for name in _PARTS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"machine": platform.machine(), "cores": os.cpu_count(), "versions": versions}


def shared() -> Path | None:
    """The folder of real models (EDGECNN_SHARED, default ../shared), or None."""
    folder = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[2] / "shared"))
    return folder if folder.is_dir() else None
