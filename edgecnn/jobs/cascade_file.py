"""``detect --stages``: networks in a row, in one TOML.

.. code-block:: toml

    [[stages]]
    model = "ssd.tflite"        # a bundle, .tflite or .keras; paths are those beside this file
    labels = "coco.txt"

    [[stages]]
    model = "breeds.tflite"     # looks at a crop of each box
    labels = "breeds.txt"
    classes = ["dog"]
    margin = 0.1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.camera.cascade import CropRule
from edgecnn.camera.choice import ClassChoice
from edgecnn.core.errors import DataError
from edgecnn.core.toml_file import read_toml
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.reference import ModelRef

_MAX_BYTES = 1 << 20
_KEYS: Mapping[str, tuple[type, ...]] = {
    "model": (str,), "labels": (str,), "spec": (str,), "input_range": (str,), "colour": (str,),
    "variant": (str,), "threshold": (int, float), "classes": (list,), "margin": (int, float),
    "most": (int,),
}  # fmt: skip
_OF_CROPS = ("classes", "margin", "most")
_HINT = "docs/detection.md shows one: two tables [[stages]], each with model = PATH"


@dataclass(frozen=True)
class NetworkStage:
    """One network, and what the user says of it.

    Attributes:
        reference: the model.
        variant: of a bundle; None: its default.
        files: its specs and labels.
        threshold: the least score that counts; None: the model's own.
        choice: which of its detections count.
        rule: on which boxes of the stage before it looks.
    """

    reference: ModelRef
    variant: str | None = None
    files: SpecFiles = field(default_factory=SpecFiles)
    threshold: float | None = None
    choice: ClassChoice = field(default_factory=ClassChoice)
    rule: CropRule = field(default_factory=CropRule)


def read_stages(path: Path, resolve: Callable[[Path], ModelRef]) -> tuple[NetworkStage, ...]:
    """Reads the file.

    Args:
        path: the TOML.
        resolve: finds a model by its path.

    Raises:
        DataError: it cannot be read, or holds other keys or values.
        UsageError, ModelError, BundleError: a model that is not there, a limit that cannot be.
    """
    data = read_toml(path, "the stages file", _HINT, _MAX_BYTES)
    stages = data.get("stages")
    if set(data) != {"stages"} or not isinstance(stages, list) or len(stages) != 2:
        raise DataError(
            f"the stages file '{path}' has {sorted(data) or 'nothing in it'},"
            " expected two tables [[stages]]",
            hint=_HINT,
        )
    return tuple(_stage(path, number, stage, resolve) for number, stage in enumerate(stages, 1))


def _stage(
    path: Path, number: int, stage: Any, resolve: Callable[[Path], ModelRef]
) -> NetworkStage:
    where = f"the stages file '{path}', stage {number}"
    if not isinstance(stage, dict) or "model" not in stage:
        raise DataError(f"{where} has no model", hint=_HINT)
    for key, value in stage.items():
        kinds = _KEYS.get(key)
        if kinds is None or (key in _OF_CROPS and number == 1):
            fitting = [name for name in _KEYS if number > 1 or name not in _OF_CROPS]
            raise DataError(f"{where}: {key} = {value!r}, expected one of the keys"
                            f" {', '.join(fitting)}", hint=_HINT)  # fmt: skip
        good = isinstance(value, kinds) and not isinstance(value, bool)
        if not good or (key == "classes" and not all(isinstance(name, str) for name in value)):
            names = " or ".join(kind.__name__ for kind in kinds)
            raise DataError(f"{where}: {key} = {value!r}, expected {names}", hint=_HINT)

    def beside(key: str) -> Path | None:
        return path.parent / stage[key] if key in stage else None

    files = SpecFiles(
        labels=beside("labels"),
        both=beside("spec"),
        input=RangeOptions(stage.get("input_range"), stage.get("colour")),
    )
    rule = CropRule(
        tuple(stage.get("classes", ())), float(stage.get("margin", 0.0)), stage.get("most", 10)
    )
    reference = resolve(path.parent / stage["model"])
    return NetworkStage(reference, stage.get("variant"), files, stage.get("threshold"), rule=rule)
