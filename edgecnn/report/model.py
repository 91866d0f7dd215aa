"""What a report shows, read from a bundle's JSON files once and then frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from edgecnn.core.bundle import Bundle
from edgecnn.core.files import sha256_file
from edgecnn.report.text import is_number

Json = Mapping[str, Any]
_RESULTS = ("check.json", "bench.json", "memory.json", "eval.json")
_MOST_PICTURES = 60
_NOT_CURVES = ("epoch", "seconds", "resumed")


@dataclass(frozen=True)
class Variant:
    """One recipe's model.

    Attributes:
        name: the recipe's name.
        size_bytes, sha256: of its model.tflite; None where it has none.
        quantize: its metrics.json (``edgecnn.quantize/1``), or None.
        gallery: a detector's mistakes: what is in the picture (``edgecnn.gallery/1``), JPEG bytes.
    """

    name: str
    size_bytes: int | None = None
    sha256: str | None = None
    quantize: Json | None = None
    gallery: tuple[tuple[Json, bytes], ...] = ()

    @property
    def metrics(self) -> Json:
        """``float``, ``float_tflite``, ``quantized`` → metric object or None."""
        return dig_map(self.quantize, "metrics")

    def metric(self, name: str) -> Json | None:
        """One of :attr:`metrics`, or None when it was not measured."""
        found = self.metrics.get(name)
        return found if isinstance(found, Mapping) and is_number(found.get("value")) else None

    @property
    def layers(self) -> tuple[Json, ...]:
        """Per-layer errors, lowest SQNR first."""
        rows = [row for row in dig_list(self.quantize, "layers") if isinstance(row, Mapping)]
        return tuple(sorted(rows, key=_by_sqnr))


@dataclass(frozen=True)
class TargetResult:
    """What one target said about one recipe.

    Attributes:
        check, bench, memory: ``edgecnn.check/1``, ``edgecnn.bench/1``, ``edgecnn.memory/1``, or
            None.
        evaluated: ``edgecnn.eval/1`` with its ``compared``, or None.
    """

    target: str
    recipe: str
    check: Json | None = None
    bench: Json | None = None
    memory: Json | None = None
    evaluated: Json | None = None

    @property
    def findings(self) -> tuple[Json, ...]:
        """Ops that do not run there."""
        rows = [row for row in dig_list(self.check, "ops") if isinstance(row, Mapping)]
        return tuple(row for row in rows if row.get("mapped") is False)

    def bench_value(self, *keys: str) -> Any:
        """A value inside bench.json, or None."""
        return dig(self.bench, *keys)


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows; see :func:`collect`.

    Attributes:
        curves: training history: figure → one value an epoch.
        images: (caption, PNG or JPEG bytes) of sample results.
        files: POSIX path → SHA-256.
    """

    name: str
    task: str
    labels: tuple[str, ...]
    seed: int
    default_variant: str
    versions: Json = field(default_factory=dict)
    data: Json = field(default_factory=dict)
    training: Json = field(default_factory=dict)
    curves: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    targets: tuple[TargetResult, ...] = ()
    preprocess: Json | None = None
    postprocess: Json | None = None
    images: tuple[tuple[str, bytes], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def measured(self) -> Variant | None:
        """The variant that the verdict is about: the default one, else int8, else any measured."""
        order = [self.default_variant, "int8", *(variant.name for variant in self.variants)]
        by_name = {variant.name: variant for variant in self.variants}
        for name in order:
            variant = by_name.get(name)
            if variant is not None and variant.metric("quantized"):
                return variant
        return next((variant for variant in self.variants if variant.quantize), None)

    def variant(self, name: str) -> Variant | None:
        """The variant of this name."""
        return next((variant for variant in self.variants if variant.name == name), None)

    def result(self, target: str, recipe: str) -> TargetResult | None:
        """What ``target`` said about ``recipe``."""
        rows = (row for row in self.targets if (row.target, row.recipe) == (target, recipe))
        return next(rows, None)


def collect(bundle: Bundle, extra_images: Mapping[str, bytes] | None = None) -> ReportData:
    """Reads what the report shows; whatever the bundle lacks stays empty.

    Args:
        bundle: loaded.
        extra_images: caption → PNG or JPEG bytes, before the bundle's ``report/samples/*.png``.

    Raises:
        BundleError: a JSON file of the bundle cannot be read.
    """
    manifest = bundle.manifest
    return ReportData(
        name=manifest.name,
        task=manifest.task,
        labels=manifest.labels,
        seed=manifest.seed,
        default_variant=manifest.default_variant,
        versions=manifest.versions,
        data=manifest.data,
        training={k: v for k, v in manifest.training.items() if k not in ("history", "curves")},
        curves=curves(manifest.training.get("history", manifest.training.get("curves"))),
        variants=tuple(_variant(bundle, name) for name in bundle.variants),
        targets=_targets(bundle),
        preprocess=_object(bundle, "preprocess.json"),
        postprocess=_object(bundle, "postprocess.json"),
        images=(*(extra_images or {}).items(), *_samples(bundle)),
        files=manifest.files,
    )


def curves(history: Any) -> dict[str, tuple[Any, ...]]:
    """Figure → one value an epoch, from rows (one an epoch) or from lists.

    >>> curves([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.4}])
    {'loss': (0.5, 0.4)}
    """
    if isinstance(history, Mapping):
        columns = {str(k): tuple(v) for k, v in history.items() if isinstance(v, list | tuple)}
    elif isinstance(history, list | tuple):
        rows = [row for row in history if isinstance(row, Mapping)]
        names = dict.fromkeys(str(key) for row in rows for key in row)
        columns = {name: tuple(row.get(name) for row in rows) for name in names}
    else:
        return {}
    return {
        name: values
        for name, values in columns.items()
        if name not in _NOT_CURVES and any(is_number(value) for value in values)
    }


def dig(data: Any, *keys: str) -> Any:
    """The value at a path of keys; None where anything on the way is missing."""
    for key in keys:
        if not isinstance(data, Mapping):
            return None
        data = data.get(key)
    return data


def dig_list(data: Any, *keys: str) -> Sequence[Any]:
    """The list at a path of keys, or an empty one."""
    found = dig(data, *keys)
    return found if isinstance(found, list) else []


def dig_map(data: Any, *keys: str) -> Json:
    """The object at a path of keys, or an empty one."""
    found = dig(data, *keys)
    return found if isinstance(found, Mapping) else {}


def _by_sqnr(row: Json) -> float:
    value = row.get("sqnr_db")
    return float(value) if is_number(value) else float("inf")


def _object(bundle: Bundle, path: str) -> Json | None:
    data = bundle.read_json(path) if bundle.has(path) else None
    return data if isinstance(data, Mapping) else None


def _variant(bundle: Bundle, name: str) -> Variant:
    model = f"variants/{name}/model.tflite"
    path = bundle.root / model
    there = bundle.has(model) and path.is_file()
    return Variant(
        name,
        path.stat().st_size if there else None,
        bundle.manifest.files.get(model) or (sha256_file(path) if there else None),
        _object(bundle, f"variants/{name}/metrics.json"),
        _gallery(bundle, f"variants/{name}/gallery"),
    )


def _gallery(bundle: Bundle, folder: str) -> tuple[tuple[Json, bytes], ...]:
    """The pictures that the gallery's index names and the bundle has."""
    index = _object(bundle, f"{folder}/gallery.json")
    found = []
    for item in dig_list(index, "items")[:_MOST_PICTURES]:
        path = f"{folder}/{dig(item, 'file')}"
        if isinstance(item, Mapping) and bundle.has(path) and bundle.path(path).is_file():
            found.append((item, bundle.path(path).read_bytes()))
    return tuple(found)


def _targets(bundle: Bundle) -> tuple[TargetResult, ...]:
    places = dict.fromkeys(
        (parts[1], parts[2])
        for parts in (PurePosixPath(path).parts for path in sorted(bundle.manifest.files))
        if len(parts) == 4 and parts[0] == "targets" and parts[3] in _RESULTS
    )
    return tuple(
        TargetResult(
            target,
            recipe,
            _object(bundle, f"targets/{target}/{recipe}/check.json"),
            _object(bundle, f"targets/{target}/{recipe}/bench.json"),
            _object(bundle, f"targets/{target}/{recipe}/memory.json"),
            _object(bundle, f"targets/{target}/{recipe}/eval.json"),
        )
        for target, recipe in places
    )


def _samples(bundle: Bundle) -> list[tuple[str, bytes]]:
    paths = [PurePosixPath(path) for path in sorted(bundle.manifest.files)]
    return [
        (path.stem.replace("_", " "), bundle.path(str(path)).read_bytes())
        for path in paths
        if path.parts[:2] == ("report", "samples") and path.suffix == ".png"
    ]
