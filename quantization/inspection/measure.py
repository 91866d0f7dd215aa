"""What every layer does on real data: values, codes, errors; streaming, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, QuantizationError
from edgecnn.core.progress import Progress, SilentProgress
from edgecnn.core.runtime import LiteRTPredictor, TensorInfo, tensor_infos
from edgecnn.core.tflite.model import DType, TfModel, TfTensor
from edgecnn.core.tflite.reader import read_model
from quantization.calibration.histogram import Scratch
from quantization.inspection.accumulate import Coding, Errors, Layer, Values
from quantization.inspection.cut import LayerReference
from quantization.inspection.pairing import (
    REAL,
    LayerPair,
    is_coded,
    match_inputs,
    match_layers,
)
from quantization.types import SampleDict


@dataclass(frozen=True)
class LayerMeasure:
    """One op's output, or one input of the model, over all samples.

    Attributes:
        index: op index in the inspected model; None for an input.
        op: op code, or ``input``.
        name: the layer's.
        dtype: of the output in the inspected model.
        values: real values: of the float model where there is one, else the model's own.
        coding: how the output's codes were used; None for float outputs.
        total: error against the float model, with everything that came before; None without one.
        added: error that this layer alone makes: against the float layer on the same inputs.
    """

    index: int | None
    op: str
    name: str
    dtype: str
    values: Values = field(compare=False)
    coding: Coding | None = None
    total: Errors | None = None
    added: Errors | None = None


@dataclass(frozen=True)
class Measurement:
    """What a model did on ``samples`` samples; see :func:`measure`."""

    samples: int
    inputs: tuple[LayerMeasure, ...]
    layers: tuple[LayerMeasure, ...]


def measure(
    model: bytes,
    reference: bytes | None,
    samples: Iterable[SampleDict],
    progress: Progress | None = None,
) -> Measurement:
    """Runs a model, its float model and the float model cut into layers on the same samples.

    All run on LiteRT's optimised kernels without delegates, which keep every tensor. The total
    error of a layer holds everything that came before it; the added one is what is left when the
    float layer is given the (dequantized) inputs that the quantized layer got, so it is the sum of
    rounded weights, rounded and clipped output and integer arithmetic of that layer alone.

    Args:
        model: the model to inspect, quantized or float.
        reference: its float model; None: only values and codes are measured.
        samples: real values by input name of either model.
        progress: one step per sample.

    Raises:
        QuantizationError: the files are not of one model.
        DataError: no samples, or one that does not fit.
        ModelError: a file does not run.
    """
    progress = progress or SilentProgress()
    run = _Run(model, reference)
    count = 0
    for sample in samples:
        run.add(sample)
        count += 1
        progress.advance()
    if not count:
        raise DataError("there are no samples to inspect", hint="give at least one")
    inputs, layers = run.result()
    return Measurement(count, inputs, layers)


@dataclass
class _Slot:
    """A tensor that is watched."""

    tensor: TfTensor
    pair: LayerPair | None
    reference: TfTensor | None
    layer: Layer


class _Run:
    def __init__(self, model: bytes, reference: bytes | None) -> None:
        self._model = read_model(model)
        self._float = None if reference is None else read_model(reference)
        self._runner = LiteRTPredictor(model, resolver="builtin", preserve_all=True)
        self._reference = (
            None
            if reference is None
            else LiteRTPredictor(reference, resolver="builtin", preserve_all=True)
        )
        self._pairs = _pairs(self._model, self._float)
        if not self._pairs:
            raise QuantizationError(
                "layers cannot be compared: no op of the model is in the float model",
                hint="give the float file that the model was made from",
            )
        scratch = Scratch()
        self._inputs = self._input_slots(scratch)
        self._slots = [
            _Slot(pair.quantized, pair, self._twin(pair), Layer(pair.quantized, scratch))
            for pair in self._pairs
            if pair.op.code != "DEQUANTIZE"
        ]
        self._read = self._what_is_read()
        self._layers = None if self._float is None else LayerReference(self._float, [*self._read])

    def add(self, sample: SampleDict) -> None:
        """Runs one sample."""
        given = named_inputs(sample, self._runner.inputs, self._aliases())
        raw = {info.name: info.quantize(given[info.name]) for info in self._runner.inputs}
        self._runner.predict(raw)
        for slot, info in zip(self._inputs, self._runner.inputs, strict=True):
            if slot is not None:
                slot.layer.add(given[info.name], raw[info.name], given[info.name])
        if self._reference is not None:
            names = dict(zip(self._reference_names(), given.values(), strict=True))
            self._reference.predict(
                {info.name: info.quantize(names[info.name]) for info in self._reference.inputs}
            )
        expected = self._expected(given)
        for slot in self._slots:
            raw_value = self._runner.tensor(slot.tensor.index)
            real = None
            if slot.reference is not None and self._reference is not None:
                real = self._reference.tensor(slot.reference.index)
            slot.layer.add(real, raw_value, self._own(slot, expected))

    def result(self) -> tuple[tuple[LayerMeasure, ...], tuple[LayerMeasure, ...]]:
        """Inputs and layers."""
        inputs = tuple(
            _measured(slot, None, "input", info.name)
            for slot, info in zip(self._inputs, self._runner.inputs, strict=True)
            if slot is not None
        )
        layers = tuple(
            _measured(slot, slot.pair.op.index, slot.pair.op.display_code, slot.pair.name)
            for slot in self._slots
            if slot.pair is not None
        )
        return inputs, layers

    def _twin(self, pair: LayerPair) -> TfTensor | None:
        return None if self._float is None else pair.reference

    def _input_slots(self, scratch: Scratch) -> list[_Slot | None]:
        tensors = (self._model.main.tensors[index] for index in self._model.main.inputs)
        return [
            _Slot(tensor, None, None, Layer(tensor, scratch)) if tensor.dtype in REAL else None
            for tensor in tensors
        ]

    def _what_is_read(self) -> dict[int, TfTensor]:
        """Float tensor → the tensor of the inspected model that stands for it where it is read."""
        if self._float is None:
            return {}
        found = {
            tensor.index: self._model.main.tensors[index]
            for index, tensor in match_inputs(self._float, self._model).items()
        }
        for pair in self._pairs:
            found[pair.reference.index] = pair.quantized
        return found

    def _aliases(self) -> tuple[str, ...]:
        if self._float is None:
            return tuple(info.name for info in self._runner.inputs)
        return self._reference_names()

    def _reference_names(self) -> tuple[str, ...]:
        """The float model's names of the inputs, in the order of the inspected model's."""
        if self._float is None:
            return ()
        infos, _ = tensor_infos(self._float)
        names = {i: info.name for i, info in zip(self._float.main.inputs, infos, strict=True)}
        matched = match_inputs(self._float, self._model)
        return tuple(names[matched[index].index] for index in self._model.main.inputs)

    def _expected(self, given: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[np.float32]]:
        """What each float layer makes of the inputs that the inspected model's layer got."""
        if self._layers is None or self._float is None:
            return {}
        values: dict[int, NDArray[Any]] = {
            index: real_values(tensor, self._runner.tensor(tensor.index))
            for index, tensor in self._read.items()
        }
        return self._layers.run(values)

    def _own(self, slot: _Slot, expected: Mapping[int, NDArray[np.float32]]) -> NDArray[Any] | None:
        if slot.pair is None or self._float is None:
            return None
        if slot.pair.op.code == "QUANTIZE":
            source = self._model.main.tensors[slot.pair.op.inputs[0]]
            return real_values(source, self._runner.tensor(source.index))
        return expected.get(slot.pair.reference.index)


def real_values(tensor: TfTensor, raw: NDArray[Any]) -> NDArray[Any]:
    """What a tensor's raw value means: float64, or as it is where the tensor has no scale."""
    found = tensor.quantization
    if found is None or not is_coded(tensor):
        return raw
    return (raw.astype(np.float64) - found.zero_point[0]) * found.scale[0]


def _pairs(model: TfModel, reference: TfModel | None) -> tuple[LayerPair, ...]:
    if reference is not None:
        return match_layers(reference, model, floats=True, crossings=True)
    graph = model.main
    outputs = ((op, graph.tensors[op.outputs[0]]) for op in graph.operators if op.outputs)
    return tuple(
        LayerPair(op, graph.op_name(op), output, output)
        for op, output in outputs
        if is_coded(output) or output.dtype is DType.FLOAT32
    )


def named_inputs(
    sample: SampleDict, infos: tuple[TensorInfo, ...], aliases: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """The sample's real values by the model's own names, checked.

    Args:
        sample: by the model's names or by ``aliases``.
        infos: the model's inputs.
        aliases: other names of them, in their order.

    Raises:
        DataError: an input is missing, of the wrong shape, or not finite.
    """
    given = {}
    for info, alias in zip(infos, aliases, strict=True):
        name = info.name if info.name in sample else alias
        if name not in sample:
            raise DataError(
                f"a sample has inputs {sorted(sample)}, the model takes"
                f" {[item.name for item in infos]}",
                hint="give one array per input, by its name",
            )
        value = np.asarray(sample[name])
        if value.shape != info.shape:
            raise DataError(
                f"a sample's '{name}' is {list(value.shape)}, the model takes {list(info.shape)}",
                hint="preprocess the data with the model's own preprocess spec",
            )
        if not np.isfinite(value).all():
            raise DataError(
                f"a sample's '{name}' holds NaN or infinity",
                hint="remove the sample or fix its preprocessing",
            )
        given[info.name] = value
    return given


def _measured(slot: _Slot, index: int | None, op: str, name: str) -> LayerMeasure:
    layer = slot.layer
    return LayerMeasure(
        index,
        op,
        name,
        slot.tensor.dtype.value,
        layer.values(),
        layer.coding(),
        layer.total(),
        layer.added(),
    )
