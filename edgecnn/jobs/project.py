"""edgecnn.toml: the project file, validated key by key against one table.

A message names the key, its value, what is allowed and the line. Flags of the command line override
what the file says.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ProjectError
from edgecnn.data.table import SOURCES
from edgecnn.models.table import WITH_BODY, model_info, model_names
from quantization.recipe import recipe_names

FILE_NAME = "edgecnn.toml"
IMAGENET = "imagenet"  # weights that Keras downloads
SCHEMA = 1


_KIND_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "true | false",
    "ints": "a list of two integers",
    "strs": "a list of strings",
}


@dataclass(frozen=True)
class Key:
    """One allowed key.

    Attributes:
        kind: ``str``, ``int``, ``float``, ``bool``, ``ints`` (list of two integers) or ``strs``.
        default: by task where it is a mapping.
        help: comment that ``edgecnn new`` writes beside it.
        choices: allowed values, or () for any.
        low, high: limits of numbers.
        unset: a value outside the limits that leaves the choice to the data; None: there is none.
    """

    kind: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unset: Any = None

    def default_for(self, task: str) -> Any:
        """The default for a task."""
        return self.default[task] if isinstance(self.default, Mapping) else self.default

    def allowed(self) -> str:
        """What may stand here, in words."""
        if self.choices:
            return " | ".join(self.choices)
        words = _KIND_WORDS[self.kind]
        if self.low is not None and self.high is not None:
            words = f"{words} from {self.low:g} to {self.high:g}"
        elif self.low is not None:
            words = f"{words} ≥ {self.low:g}"
        return words if self.unset is None else f"{words}, or {self.unset}"


#: section → key → row. The order is the file's.
KEYS: dict[str, dict[str, Key]] = {
    "": {
        "schema": Key("int", SCHEMA, "version of this file's layout", low=SCHEMA, high=SCHEMA),
        "name": Key("str", "model", "name of the project; prefix of the generated C symbols"),
        "task": Key("str", "classify", "what the model does", ("classify", "detect")),
        "seed": Key("int", 42, "seed of splits, augmentation and training", low=0, high=2**31 - 1),
        "bundle": Key("str", "bundle", "folder that train writes and the other commands read"),
    },
    "data": {
        "source": Key(
            "str",
            {"classify": "digits", "detect": "scenes"},
            "digits | scenes | a folder of images, a folder per class or with boxes | an archive;"
            " relative paths count from this file",
        ),
    },
    "model": {
        "name": Key("str", {"classify": "resnet8", "detect": "detector"},
                    "see edgecnn models"),
        "input_size": Key("ints", [96, 96], "height, width; 0, 0: what suits the photos' boxes",
                          low=8, high=1024, unset=[0, 0]),
        "colour": Key("str", "rgb", "channels of the input", ("rgb", "bgr", "gray")),
        "input_range": Key("str", "auto", "what bytes 0 and 255 are to the model, such as -1..1;"
                           " auto: -1..1, or what the weights that it starts from take"),
        "width": Key("float", 1.0, "multiplier of all channels", low=0.05, high=4.0),
        "fit": Key("str", {"classify": "stretch", "detect": "letterbox"},
                   "how an image is brought to the input's shape",
                   ("stretch", "letterbox", "crop")),
    },
    "train": {
        "epochs": Key("int", {"classify": 30, "detect": 8},
                      "passes over the data; 0: what suits their number",
                      low=1, high=10000, unset=0),
        "batch_size": Key("int", 32, "images per step", low=1, high=4096),
        "learning_rate": Key("float", {"classify": 0.002, "detect": 0.02},
                             "peak of the cosine schedule", low=1e-6, high=10.0),
        "weight_decay": Key("float", 0.0001, "of AdamW", low=0.0, high=1.0),
        "patience": Key("int", {"classify": 15, "detect": 30},
                        "epochs without improvement before training stops", low=1, high=10000),
        "max_minutes": Key("float", 0.0, "time budget; the schedule shortens itself; 0: none",
                           low=0.0, high=100000.0),
        "augment": Key("bool", True, "augment the training images"),
        "flip": Key("str", "auto", "mirror images; auto: not where classes are single signs",
                    ("auto", "yes", "no")),
        "with_val": Key("bool", False, "detect: learn from the validation photos too, and keep the"
                        " last epoch"),
        "weights": Key("str", "", "what to start from: a bundle, .keras, .h5 or .tflite, seen from"
                       " this file, or imagenet"),
    },
    "quantize": {
        "recipe": Key("str", "int8", "name of the recipe",
                      recipe_names()),
        "calibration_samples": Key("int", 200, "training images that set the ranges",
                                   low=1, high=100000),
        "max_drop": Key("float", 1.0, "gate: points that int8 may lose", low=0.0, high=100.0),
    },
    "targets": {
        "names": Key("strs", ["host", "cortex-m4"], "targets of check, compile, bench and report"),
    },
}  # fmt: skip


#: What suits the embedded digits: 8×8 gray images of single signs.
_FOR_DIGITS: dict[tuple[str, str], Any] = {
    ("model", "input_size"): [16, 16],
    ("model", "colour"): "gray",
    ("model", "width"): 0.5,
    ("train", "epochs"): 40,
    ("train", "weight_decay"): 0.01,
}


#: What suits photos with boxes of one's own and a model whose backbone starts from weights.
_FOR_BOXED_PHOTOS: dict[tuple[str, str], Any] = {
    ("model", "input_size"): [0, 0],
    ("train", "epochs"): 0,
    ("train", "batch_size"): 16,
    ("train", "learning_rate"): 0.002,
}


#: The same for the models with one grid, which start from random weights: no pixel is left empty.
_FOR_PHOTOS_ON_A_GRID: dict[tuple[str, str], Any] = {
    ("model", "fit"): "stretch",
    ("train", "epochs"): 0,
}


@dataclass(frozen=True)
class Project:
    """A validated project: section → key → value, every key present."""

    root: Path
    values: Mapping[str, Mapping[str, Any]]

    def get(self, section: str, key: str) -> Any:
        """A value; ``section`` is "" for the top level."""
        return self.values[section][key]

    @property
    def task(self) -> str:
        """``classify`` or ``detect``."""
        return str(self.get("", "task"))

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.get("", "seed"))

    @property
    def bundle_dir(self) -> Path:
        """The bundle's folder."""
        return self.root / str(self.get("", "bundle"))

    @property
    def data_source(self) -> str:
        """A built-in source's name, or the path of one's own data."""
        source = str(self.get("data", "source"))
        return source if source in SOURCES else str(self.path(source))

    def path(self, given: str) -> Path:
        """A path that the project names: a relative one counts from the project's folder."""
        return self.root / Path(given).expanduser()

    def from_here(self, given: str | None) -> str | None:
        """A path of the command line, which counts from the current folder, as the project has it.

        Names of built-in sources stay what they are.
        """
        if given is None or given in (*SOURCES, IMAGENET) or not self.root.parts:
            return given
        return str(Path(given).expanduser().absolute())

    def override(self, **flags: Any) -> Project:
        """A copy with flags put over it; ``section__key=value``, None leaves the file's value.

        Raises:
            ProjectError: a flag's value is not allowed.
        """
        values = {section: dict(keys) for section, keys in self.values.items()}
        for flag, value in flags.items():
            if value is not None:
                section, _, key = flag.rpartition("__")
                values[section][key] = _checked(section, key, value, "the command line")
        return replace(self, values=values)


def default_project(
    task: str, root: Path = Path(), *, source: str | None = None, model: str | None = None
) -> Project:
    """A project with every default of ``task``, its data and its model.

    The model's input has the zoo's size for it; the embedded digits get a small gray net that
    reaches 99 % with under a million multiplications.
    """
    values = {
        section: {key: row.default_for(task) for key, row in keys.items()}
        for section, keys in KEYS.items()
    }
    values[""]["task"] = task
    values["data"]["source"] = source or values["data"]["source"]
    photos = task == "detect" and values["data"]["source"] not in SOURCES
    name = model or ("nano" if photos else values["model"]["name"])
    values["model"]["name"] = name
    if name in model_names(task):
        values["model"]["input_size"] = list(model_info(name).size)
    if photos:
        own = _FOR_BOXED_PHOTOS if name in WITH_BODY else _FOR_PHOTOS_ON_A_GRID
        for (section, key), value in own.items():
            values[section][key] = value
    if task == "classify" and values["data"]["source"] == "digits":
        for (section, key), value in _FOR_DIGITS.items():
            values[section][key] = value
    return Project(root, values)


def load_project(path: Path) -> Project:
    """Reads and validates edgecnn.toml.

    Raises:
        ProjectError: missing, not TOML, an unknown key, or a value that is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"cannot read the project file '{path}': {getattr(error, 'strerror', None) or error}",
            hint="run edgecnn new NAME, or give a model or bundle on the command line",
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(
            f"'{path}' is not valid TOML: {error}", hint="mend the line named above"
        ) from error
    task = _checked("", "task", data.get("task", "classify"), _place(path, text, "", "task"))
    defaults = default_project(
        task, source=_named(data, "data", "source"), model=_named(data, "model", "name")
    )
    values = {section: dict(keys) for section, keys in defaults.values.items()}
    for section, key, value in _flatten(data):
        place = _place(path, text, section, key)
        if section not in KEYS or key not in KEYS[section]:
            raise _unknown(section, key, value, place)
        values[section][key] = _checked(section, key, value, place)
    return Project(path.parent, values)


def project_text(project: Project) -> str:
    """The file that ``edgecnn new`` writes: every key with its meaning and what is allowed."""
    lines = ["# SPDX-License-Identifier: 0BSD"]
    lines += ["# edgecnn project file: https://toml.io. Flags on the command line override it."]
    for section, keys in KEYS.items():
        if section:
            lines += ["", f"[{section}]"]
        for key, row in keys.items():
            note = row.help + (f" ({' | '.join(row.choices)})" if row.choices else "")
            lines.append(f"{key} = {_toml(project.get(section, key))}  # {note}")
    return "\n".join(lines) + "\n"


def _named(data: Mapping[str, Any], section: str, key: str) -> str | None:
    inner = data.get(section)
    value = inner.get(key) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else None


def _flatten(data: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    rows = []
    for key, value in data.items():
        if isinstance(value, dict) and key in KEYS:
            rows += [(key, inner, item) for inner, item in value.items()]
        else:
            rows.append(("", key, value))
    return rows


def _unknown(section: str, key: str, value: Any, place: str) -> ProjectError:
    known = list(KEYS.get(section, {})) if section else [*KEYS[""], *(s for s in KEYS if s)]
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    where = f" in [{section}]" if section else ""
    return ProjectError(
        f"{place}: unknown key '{key}' = {value!r}{where}, allowed: {', '.join(known)}",
        hint=f"did you mean '{near[0]}'?" if near else "remove it or spell it as listed",
    )


def _checked(section: str, key: str, value: Any, place: str) -> Any:
    row = KEYS[section][key]
    dotted = f"{section}.{key}" if section else key
    left_open = row.unset is not None and type(value) is type(row.unset) and value == row.unset
    if left_open or _fits(row, value):
        return value
    raise ProjectError(
        f"{place}: {dotted} = {value!r}, allowed: {row.allowed()}",
        hint=f"set {dotted} to an allowed value",
    )


def _fits(row: Key, value: Any) -> bool:
    def number(item: Any, kinds: tuple[type[int], ...] | tuple[type[int], type[float]]) -> bool:
        return (
            isinstance(item, kinds)
            and not isinstance(item, bool)
            and (row.low is None or item >= row.low)
            and (row.high is None or item <= row.high)
        )

    if row.kind == "str":
        return isinstance(value, str) and (not row.choices or value in row.choices)
    if row.kind == "bool":
        return isinstance(value, bool)
    if row.kind == "strs":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if row.kind == "ints":
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(number(item, (int,)) for item in value)
        )
    return number(value, (int,) if row.kind == "int" else (int, float))


def _place(path: Path, text: str, section: str, key: str) -> str:
    """``edgecnn.toml, line 12``; tomllib keeps no positions, so the line is looked up."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if bare.startswith("["):
            current = bare.strip("[]").split("#")[0].strip(" ]")
            if not section and current.split(".")[0] == key:
                return f"{path}, line {number}"
        elif current == section and bare.split("=")[0].strip().strip("\"'") == key:
            return f"{path}, line {number}"
    return str(path)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's; TOML wants DEL escaped too.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
