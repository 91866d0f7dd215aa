"""Contract 2: what the outputs mean. Frozen specs with a JSON form.

:mod:`edgecnn.core.decode` is the only decoder in Python and reads these.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NoReturn, get_args

from edgecnn.core.errors import BundleError

SCHEMA = "edgecnn.postprocess/1"
Activation = Literal["none", "softmax", "sigmoid"]
Task = Literal["classify", "detect"]
BoxCoding = Literal["ltrb", "center-size", "cxcywh", "xyxy"]
_ON_CELLS = ("ltrb", "center-size")
_MOST_CANDIDATES = 1 << 22
_HINT = "make the bundle again, or use the edgecnn version that wrote it"


@dataclass(frozen=True)
class ClassifySpec:
    """One score per class.

    Attributes:
        scores: name of the output, (1, classes).
        labels: one per class.
        activation: what the decoder applies to the real values to get probabilities.
    """

    scores: str
    labels: tuple[str, ...]
    activation: Activation = "none"
    kind: Literal["classify"] = "classify"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _one_of("activation", self.activation, get_args(Activation))
        _strings("labels", self.labels)
        _strings("scores", (self.scores,))

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "classify"


@dataclass(frozen=True)
class GridLevel:
    """One feature map of a dense detector: ``rows × cols`` cells, ``stride`` input pixels each.

    Anchors, if any, are (width, height) pairs in input pixels, cell-major then anchor-minor; an
    anchor-free level has none and one candidate a cell.
    """

    rows: int
    cols: int
    stride: int
    anchors: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        for key in ("rows", "cols", "stride"):
            value = getattr(self, key)
            if not isinstance(value, int) or not 1 <= value <= 8192:
                _bad(f"levels.{key}", value, "1 to 8192")
        for anchor in self.anchors:
            _numbers("levels.anchors", anchor, 2)


@dataclass(frozen=True)
class DetectSpec:
    """A dense one-stage detector.

    Attributes:
        scores: name of the output (1, candidates, classes) or (1, rows, cols, classes).
        boxes: name of the output (1, candidates, 4) or (1, rows, cols, 4).
        labels: one per class (no background class).
        levels: feature maps, in the order in which the candidates are laid out; none for boxes
            that are decoded already, ``cxcywh`` and ``xyxy``.
        coding: ``ltrb``: distances from the cell's centre to left, top, right, bottom, in units of
            ``box_scale`` × stride; ``center-size``: dy, dx, dh, dw against the anchor with
            ``variances`` (SSD, Liu et al. 2016); ``cxcywh``: centre x, y, width, height and
            ``xyxy``: x1, y1, x2, y2, in ``box_units``.
        activation: applied to the scores' real values, and to the objectness.
        score_threshold: the lowest score that counts, for all classes.
        thresholds: instead of it one per class; a candidate is judged by its best class's.
        max_candidates: if more candidates pass, the best ones stay (of equal scores the first).
        nms_iou, max_detections: of greedy per-class NMS.
        objectness: name of an output (1, candidates, 1) whose probability is multiplied with each
            class's; empty: none.
        score_column, box_column, objectness_column: where each starts among the values of a
            candidate; for outputs that share one tensor.
        transposed: the outputs are (1, values, candidates).
        box_units: input pixels (x, y) that 1.0 of a decoded box stands for: (1, 1) for pixels, the
            input's (width, height) for boxes from 0 to 1.
        decoded_boxes: how many candidates a model without levels has.
    """

    scores: str
    boxes: str
    labels: tuple[str, ...]
    levels: tuple[GridLevel, ...]
    coding: BoxCoding = "ltrb"
    box_scale: float = 1.0
    variances: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    activation: Activation = "sigmoid"
    score_threshold: float = 0.3
    nms_iou: float = 0.5
    max_detections: int = 100
    thresholds: tuple[float, ...] = ()
    max_candidates: int = 4096
    objectness: str = ""
    score_column: int = 0
    box_column: int = 0
    objectness_column: int = 0
    transposed: bool = False
    box_units: tuple[float, float] = (1.0, 1.0)
    decoded_boxes: int = 0
    kind: Literal["detect"] = "detect"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _one_of("activation", self.activation, get_args(Activation))
        _one_of("coding", self.coding, get_args(BoxCoding))
        _strings("labels", self.labels)
        _strings("scores, boxes", (self.scores, self.boxes))
        _strings("objectness", (self.objectness,))
        _numbers("box_scale", (self.box_scale,), 1)
        _numbers("variances", self.variances, 4)
        _numbers("box_units", self.box_units, 2)
        self._check_layout()
        for key in ("score_threshold", "nms_iou"):
            value = getattr(self, key)
            if not 0 <= value <= 1:
                _bad(key, value, "0 to 1")
        for key in ("max_detections", "max_candidates"):
            value = getattr(self, key)
            if not isinstance(value, int) or value < 1:
                _bad(key, value, "1 or more")
        _per_label("thresholds", self.thresholds, self.labels)

    def _check_layout(self) -> None:
        """Candidates and columns; raises BundleError."""
        if self.coding in _ON_CELLS:
            if not self.levels:
                _bad("levels", self.levels, "at least one feature map")
            _whole("decoded_boxes", self.decoded_boxes, 0, 0)
        else:
            if self.levels:
                _bad("levels", "feature maps", f"none for {self.coding} coding")
            _whole("decoded_boxes", self.decoded_boxes, 1, _MOST_CANDIDATES)
        if self.coding == "center-size" and not all(level.anchors for level in self.levels):
            _bad("levels", "a level without anchors", "anchors for center-size coding")
        for key in ("score_column", "box_column", "objectness_column"):
            _whole(key, getattr(self, key), 0, 65535)
        if not isinstance(self.transposed, bool):
            _bad("transposed", self.transposed, "true or false")

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    @property
    def candidates(self) -> int:
        """How many boxes the model proposes."""
        return self.decoded_boxes + sum(
            lv.rows * lv.cols * max(1, len(lv.anchors)) for lv in self.levels
        )

    def with_threshold(self, score: float) -> DetectSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())


@dataclass(frozen=True)
class CentroidSpec:
    """A grid of class scores that says where objects are, not how large (FOMO, Edge Impulse 2022).

    Attributes:
        scores: name of the output (1, rows, cols, classes), the background first if there is one.
        labels: one per class, without the background.
        level: the grid, without anchors.
        background: whether the first column stands for the background.
        activation: applied to the scores' real values; ``softmax`` with the background.
        score_threshold: the lowest score of a cell that counts, for all classes.
        thresholds: instead of it one per class; a cell is judged by its best class's.
        max_detections: the best so many objects are reported.
    """

    scores: str
    labels: tuple[str, ...]
    level: GridLevel
    background: bool = False
    activation: Activation = "sigmoid"
    score_threshold: float = 0.5
    max_detections: int = 100
    thresholds: tuple[float, ...] = ()
    kind: Literal["centroids"] = "centroids"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _one_of("activation", self.activation, get_args(Activation))
        _strings("labels", self.labels)
        _strings("scores", (self.scores,))
        if not isinstance(self.level, GridLevel) or self.level.anchors:
            _bad("level", self.level, "one feature map without anchors")
        if not isinstance(self.background, bool):
            _bad("background", self.background, "true or false")
        if not 0 <= self.score_threshold <= 1:
            _bad("score_threshold", self.score_threshold, "0 to 1")
        _whole("max_detections", self.max_detections, 1, _MOST_CANDIDATES)
        _per_label("thresholds", self.thresholds, self.labels)

    @property
    def task(self) -> Task:
        """What data it is trained and judged on."""
        return "detect"

    def with_threshold(self, score: float) -> CentroidSpec:
        """The same spec with one threshold for all classes."""
        return replace(self, score_threshold=score, thresholds=())


PostprocessSpec = ClassifySpec | DetectSpec | CentroidSpec


def to_json(spec: PostprocessSpec) -> dict[str, Any]:
    """Plain JSON values."""
    return {"schema": SCHEMA, **asdict(spec)}


def from_json(data: Any) -> PostprocessSpec:
    """Reads :func:`to_json`'s form.

    Raises:
        BundleError: wrong schema, kind, key or value.
    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        _bad("schema", data.get("schema") if isinstance(data, dict) else data, SCHEMA)
    fields = {key: _tuples(value) for key, value in data.items() if key != "schema"}
    try:
        if fields.get("kind") == "classify":
            return ClassifySpec(**fields)
        if fields.get("kind") == "detect":
            fields["levels"] = tuple(
                GridLevel(**{k: _tuples(v) for k, v in level.items()}) for level in data["levels"]
            )
            return DetectSpec(**fields)
        if fields.get("kind") == "centroids":
            level = {key: _tuples(value) for key, value in data["level"].items()}
            return CentroidSpec(**{**fields, "level": GridLevel(**level)})
    except (TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"the postprocess spec cannot be read: {error}", hint=_HINT) from error
    _bad("kind", fields.get("kind"), "classify, detect or centroids")


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _one_of(key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        _bad(key, value, " | ".join(allowed))


def _strings(key: str, value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        _bad(key, value, "a list of strings")


def _numbers(key: str, value: object, count: int) -> None:
    good = isinstance(value, tuple) and len(value) == count
    if not good or not all(isinstance(v, (int, float)) and 0 < v < 1e9 for v in value):  # type: ignore[attr-defined]
        _bad(key, value, f"{count} positive numbers")


def _per_label(key: str, given: tuple[float, ...], labels: tuple[str, ...]) -> None:
    if not isinstance(given, tuple) or not all(0 <= value <= 1 for value in given):
        _bad(key, given, "a list of numbers from 0 to 1")
    if given and len(given) != len(labels):
        _bad(key, given, f"none, or {len(labels)}: one per label")


def _whole(key: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _bad(key, value, str(low) if low == high else f"{low} to {high}")


def _bad(key: str, value: object, expected: object) -> NoReturn:
    raise BundleError(f"postprocess spec: {key} = {value!r}, expected {expected}", hint=_HINT)
