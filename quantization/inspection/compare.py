"""Any two models side by side: what they are made of, and what they give on the same inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import QuantizationError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo, tensor_infos
from edgecnn.core.tflite.model import TfModel, TfTensor
from edgecnn.core.tflite.reader import read_model
from quantization.inspection.accumulate import Sums
from quantization.inspection.measure import named_inputs, real_values
from quantization.inspection.pairing import REAL, match_inputs
from quantization.inspection.table import layer_table
from quantization.types import SampleDict

RANDOM_SAMPLES = 8
RANDOM_SEED = 1


@dataclass(frozen=True)
class Side:
    """One model in figures.

    Attributes:
        sha256, nbytes: of the file.
        ops, macs, weight_bytes, precisions: see the layer table.
        inputs, outputs: ``name dtype [shape] scale zero-point``, one line each.
    """

    sha256: str
    nbytes: int
    ops: int
    macs: int
    weight_bytes: int
    precisions: Mapping[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class OpDifference:
    """A place where the op lists differ: ops of A from ``a`` on against ops of B from ``b`` on."""

    a: int
    b: int
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]


@dataclass(frozen=True)
class TensorDifference:
    """A tensor of one name that is stored differently: ``int8 scale 0.02 zero point -3``."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class OutputDifference:
    """What one output differs by, over all samples; A counts as right.

    Attributes:
        a, b: names.
        max_abs, mean_abs: real values.
        max_lsb: ``max_abs`` in steps of the coarser of the two; None if both are float.
        sqnr_db, cosine: of B against A.
        top1: share of samples with the same largest value; None for outputs that are no scores.
    """

    a: str
    b: str
    max_abs: float
    mean_abs: float
    max_lsb: float | None
    sqnr_db: float
    cosine: float
    top1: float | None


@dataclass(frozen=True)
class LayerDifference:
    """A layer that both have by name: position in B, error of B against A."""

    index: int
    op: str
    name: str
    sqnr_db: float
    cosine: float


@dataclass(frozen=True)
class Comparison:
    """Two models; see :func:`compare`.

    Attributes:
        identical: the files are equal byte for byte.
        constants: how many constants of one name, dtype and shape hold other values.
        notes: what could not be compared, and why.
        samples: how many inputs both were run on; 0: not run.
        random: whether these were random.
    """

    a: Side
    b: Side
    identical: bool
    ops: tuple[OpDifference, ...]
    tensors: tuple[TensorDifference, ...]
    constants: int = 0
    outputs: tuple[OutputDifference, ...] = ()
    layers: tuple[LayerDifference, ...] = ()
    samples: int = 0
    random: bool = False
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """``edgecnn.compare/1``."""
        return {"schema": "edgecnn.compare/1", **asdict(self)}


def compare(
    a: bytes,
    b: bytes,
    samples: Sequence[SampleDict] = (),
    progress: Progress | None = None,
) -> Comparison:
    """Compares two .tflite files.

    Args:
        a: counts as right.
        b: the other one.
        samples: real values by A's input names; empty: random values in the range that the inputs'
            scales reach (−1 to 1 where both are float), from a fixed seed.
        progress: one step per sample.

    Raises:
        ModelError: a file is damaged or does not run.
        DataError: samples that do not fit.
    """
    left, right = read_model(a), read_model(b)
    static = Comparison(
        _side(a, left),
        _side(b, right),
        a == b,
        _ops(left, right),
        _tensors(left, right),
        _constants(left, right),
    )
    try:
        matched = match_inputs(left, right)
    except QuantizationError as error:
        note = f"outputs are not compared: {error.message}"
        return replace(static, notes=(note,))
    random = not samples
    given = list(samples) or list(random_samples(left, right, RANDOM_SAMPLES))
    run = _Both(a, b, left, right, {k: tensor.index for k, tensor in matched.items()})
    progress = progress or SilentProgress()
    progress.stage("compare", len(given))
    for sample in given:
        run.add(sample)
        progress.advance()
    outputs, notes = run.outputs()
    return replace(
        static,
        outputs=outputs,
        layers=run.layers(),
        samples=len(given),
        random=random,
        notes=notes,
    )


def random_samples(left: TfModel, right: TfModel, count: int) -> Iterator[SampleDict]:
    """Real values by the left model's input names, uniform over what both models can take."""
    rng = np.random.default_rng(RANDOM_SEED)
    infos, _ = tensor_infos(left)
    others, _ = tensor_infos(right)
    for number in range(count):
        values: dict[str, NDArray[Any]] = {}
        for info, other in zip(infos, others, strict=True):
            if not info.dtype.startswith("float") and info.scale is None:
                values[info.name] = lcg_inputs([info], seed=number + 1)[info.name]
                continue
            low, high = _reach(info) or _reach(other) or (-1.0, 1.0)
            values[info.name] = rng.uniform(low, high, info.shape).astype(np.float32)
        yield values


def _reach(info: TensorInfo) -> tuple[float, float] | None:
    if info.scale is None or info.zero_point is None:
        return None
    limits = np.iinfo(info.dtype)
    low, high = int(limits.min) - info.zero_point, int(limits.max) - info.zero_point
    return low * info.scale, high * info.scale


class _Both:
    """Runs both models on the same real values."""

    def __init__(
        self, a: bytes, b: bytes, left: TfModel, right: TfModel, inputs: Mapping[int, int]
    ) -> None:
        self._models = left, right
        self._runners = tuple(
            LiteRTPredictor(data, resolver="builtin", preserve_all=True) for data in (a, b)
        )
        names = dict(zip(left.main.inputs, (i.name for i in self._runners[0].inputs), strict=True))
        self._aliases = tuple(names[inputs[index]] for index in right.main.inputs)
        outputs = zip(left.main.outputs, right.main.outputs, strict=False)
        self._outputs = [_Output(left.main.tensors[p], right.main.tensors[q]) for p, q in outputs]
        self._layers = _named_layers(left, right)
        self._sums = [Sums(q.shape[-1] if q.shape else 1) for _, q in self._layers]

    def add(self, sample: SampleDict) -> None:
        own, other = self._runners
        given = named_inputs(sample, own.inputs, tuple(info.name for info in own.inputs))
        own.predict({info.name: info.quantize(given[info.name]) for info in own.inputs})
        renamed = named_inputs(given, other.inputs, self._aliases)
        other.predict({info.name: info.quantize(renamed[info.name]) for info in other.inputs})
        for output in self._outputs:
            output.add(own.tensor(output.a.index), other.tensor(output.b.index))
        for sums, (p, q) in zip(self._sums, self._layers, strict=True):
            pair = (real_values(p, own.tensor(p.index)), real_values(q, other.tensor(q.index)))
            want, got = (np.asarray(v, np.float64).reshape(-1, sums.channels) for v in pair)
            sums.add(want, got)

    def outputs(self) -> tuple[tuple[OutputDifference, ...], tuple[str, ...]]:
        found, notes = [], []
        left, right = (len(model.main.outputs) for model in self._models)
        if left != right:
            notes.append(f"A has {left} outputs, B {right}: the first {min(left, right)} compared")
        names = zip(self._runners[0].outputs, self._runners[1].outputs, strict=False)
        for output, (one, other) in zip(self._outputs, names, strict=True):
            if output.comparable:
                found.append(output.result(one.name, other.name))
            else:
                notes.append(
                    f"output {one.name} {list(one.shape)} cannot be compared with"
                    f" {other.name} {list(other.shape)}"
                )
        return tuple(found), tuple(notes)

    def layers(self) -> tuple[LayerDifference, ...]:
        graph = self._models[1].main
        made = {op.outputs[0]: op for op in graph.operators if op.outputs}
        found = []
        for sums, (_, tensor) in zip(self._sums, self._layers, strict=True):
            errors, op = sums.result(), made[tensor.index]
            if errors is not None:
                found.append(
                    LayerDifference(
                        op.index, op.display_code, tensor.name, errors.sqnr_db, errors.cosine
                    )
                )
        return tuple(found)


class _Output:
    """Sums over one pair of outputs."""

    def __init__(self, a: TfTensor, b: TfTensor) -> None:
        self.a, self.b = a, b
        self.comparable = a.shape == b.shape and a.elements > 0
        self._sums = Sums(1)
        self._most = self._sum = 0.0
        self._count = self._samples = self._same = 0

    def add(self, left: NDArray[Any], right: NDArray[Any]) -> None:
        if not self.comparable:
            return
        want = np.asarray(real_values(self.a, left), np.float64).reshape(-1, 1)
        got = np.asarray(real_values(self.b, right), np.float64).reshape(-1, 1)
        away = np.abs(want - got)
        self._most = max(self._most, float(away.max()))
        self._sum += float(away.sum())
        self._count += away.size
        self._samples += 1
        self._same += int(want.argmax() == got.argmax())
        self._sums.add(want, got)

    def result(self, a: str, b: str) -> OutputDifference:
        scales = [
            tensor.quantization.scale[0]
            for tensor in (self.a, self.b)
            if tensor.quantization is not None and tensor.quantization.scale
        ]
        errors = self._sums.result()
        scores = self.a.elements == (self.a.shape[-1] if self.a.shape else 1) > 1
        return OutputDifference(
            a,
            b,
            self._most,
            self._sum / max(1, self._count),
            self._most / max(scales) if scales and max(scales) > 0 else None,
            errors.sqnr_db if errors else 0.0,
            errors.cosine if errors else 0.0,
            self._same / self._samples if scores and self._samples else None,
        )


def _named_layers(left: TfModel, right: TfModel) -> list[tuple[TfTensor, TfTensor]]:
    """Op outputs that both have by name, in B's order."""
    names = {
        left.main.op_name(op): left.main.tensors[op.outputs[0]]
        for op in left.main.operators
        if op.outputs
    }
    found = []
    for op in right.main.operators:
        if not op.outputs:
            continue
        one, other = names.get(right.main.op_name(op)), right.main.tensors[op.outputs[0]]
        if one is not None and one.shape == other.shape and {one.dtype, other.dtype} <= REAL:
            found.append((one, other))
    return found


def _ops(left: TfModel, right: TfModel) -> tuple[OpDifference, ...]:
    a = [op.display_code for op in left.main.operators]
    b = [op.display_code for op in right.main.operators]
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return tuple(
        OpDifference(i1, j1, tuple(a[i1:i2]), tuple(b[j1:j2]))
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    )


def _tensors(left: TfModel, right: TfModel) -> tuple[TensorDifference, ...]:
    known = {tensor.name: tensor for tensor in left.main.tensors}
    found = []
    for tensor in right.main.tensors:
        other = known.get(tensor.name)
        if other is not None and tensor.name:
            a, b = _stored(other), _stored(tensor)
            if a != b:
                found.append(TensorDifference(tensor.name, a, b))
    return tuple(found)


def _constants(left: TfModel, right: TfModel) -> int:
    known = {tensor.name: tensor.data for tensor in left.main.tensors if tensor.name}
    pairs = [(known.get(tensor.name), tensor.data) for tensor in right.main.tensors]
    return sum(
        one is not None
        and other is not None
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.tobytes() != other.tobytes()
        for one, other in pairs
    )


def _stored(tensor: TfTensor) -> str:
    found = tensor.quantization
    if found is None or not found.scale:
        return tensor.dtype.value
    if found.per_tensor:
        return f"{tensor.dtype.value} scale {found.scale[0]:.6g} zero point {found.zero_point[0]}"
    low, high = min(found.scale), max(found.scale)
    return f"{tensor.dtype.value} {len(found.scale)} scales {low:.6g} to {high:.6g}"


def _side(data: bytes, model: TfModel) -> Side:
    table = layer_table(model)
    inputs, outputs = tensor_infos(model)
    return Side(
        hashlib.sha256(data).hexdigest(),
        len(data),
        len(table.rows),
        table.macs,
        table.weight_bytes,
        table.precisions,
        tuple(_line(info) for info in inputs),
        tuple(_line(info) for info in outputs),
    )


def _line(info: TensorInfo) -> str:
    scale = "" if info.scale is None else f" scale {info.scale:.6g} zero point {info.zero_point}"
    return f"{info.name} {info.dtype} {list(info.shape)}{scale}"
