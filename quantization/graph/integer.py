"""Writes the integer graph: versions of tensors, conversions between them, weights, borders."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import QuantizationError
from edgecnn.core.tflite.model import (
    NO_TENSOR,
    DType,
    Quantization,
    Signature,
    TfModel,
    TfOperator,
    TfSubgraph,
    TfTensor,
    frozen_array,
)
from quantization.graph.compose import COMPOSED
from quantization.graph.edit import (
    drop_unused,
    producers,
    unique_name,
    with_main,
    with_names,
    with_operators,
)
from quantization.graph.params import Integer, activation_codes
from quantization.graph.precision import SHAPE_ONLY, precisions
from quantization.graph.rules import WeightRule, data_slots, rule
from quantization.graph.scales import SHARED, Scales, Version, assign
from quantization.graph.weights import Layer, quantize_layer
from quantization.recipe import Interface, Precision
from quantization.work import Plan

_DEQUANTIZE_VERSIONS = {"uint8": 1, "int8": 2, "int16": 3}
_UINT8_SHIFT = 128


def emit_integer(model: TfModel, plan: Plan) -> TfModel:
    """The model with integer activations that ``plan`` describes."""
    graph = model.main
    found = precisions(graph, plan)
    extra = _border_versions(graph, plan.recipe.io)
    scales = assign(graph, found, plan.ranges, extra)
    return _Builder(model, plan, found, scales).run()


def _border_versions(graph: TfSubgraph, io: Interface) -> list[Version]:
    if io == "float32":
        return []
    precision: Precision = "int16" if io == "int16" else "int8"
    return [
        Version(index, precision)
        for index in dict.fromkeys((*graph.inputs, *graph.outputs))
        if graph.tensors[index].dtype is DType.FLOAT32 and graph.tensors[index].data is None
    ]


class _Builder:
    """The new graph in the making. A tensor's home version keeps its index and name."""

    def __init__(
        self, model: TfModel, plan: Plan, precision: dict[int, Precision], scales: Scales
    ) -> None:
        self._model = model
        self._plan = plan
        self._precision = precision
        self._scales = scales
        self._graph = model.main
        self._writers = producers(model.main)
        self._tensors = list(model.main.tensors)
        self._names = {tensor.name for tensor in self._tensors}
        self._operators: list[TfOperator] = []
        self._at: dict[tuple[int, str, int], int] = {}
        self._weights: dict[tuple[int, bytes], int] = {}
        self._originals: dict[str, str] = {}

    def run(self) -> TfModel:
        graph, io = self._graph, self._plan.recipe.io
        for index in graph.inputs:
            if self._is_activation(index):
                self._settle(index, io)
        for op in graph.operators:
            self._operator(op)
        outputs = {index: self._output(index) for index in graph.outputs}
        main = replace(
            graph,
            tensors=tuple(self._tensors),
            outputs=tuple(outputs[index] for index in graph.outputs),
        )
        model = with_main(self._model, with_operators(main, self._operators))
        model = replace(model, signatures=self._signatures(outputs))
        model = drop_unused(model)
        return with_main(model, with_names(model.main, self._originals))

    # Operators.

    def _operator(self, op: TfOperator) -> None:
        precision = self._precision.get(op.index)
        if precision is None or op.code in SHAPE_ONLY:
            self._operators.append(op)
            return
        if precision == "float32":
            inputs = tuple(
                self._version(Version(i, "float32")) if self._is_activation(i) else i
                for i in op.inputs
            )
            self._operators.append(replace(op, inputs=inputs))
            return
        inputs = self._integer_inputs(op)
        for index in op.outputs:
            if self._is_activation(index):
                self._settle(index, precision)
        if precision == "int16" and op.code in COMPOSED:
            operands = [self._tensors[index] for index in inputs]
            out = self._tensors[op.outputs[0]]
            self._operators += COMPOSED[op.code](operands, out, self._add)
            return
        row = rule(op.code)
        version = max(op.version, row.versions[precision]) if row else op.version
        options = op.options
        if precision == "int16" and options.get("pot_scale_int16"):
            options = MappingProxyType({**options, "pot_scale_int16": False})
        self._operators.append(replace(op, inputs=inputs, version=version, options=options))

    def _integer_inputs(self, op: TfOperator) -> tuple[int, ...]:
        inputs = list(op.inputs)
        for slot in data_slots(self._graph, op):
            inputs[slot] = self._version(self._scales.operands[op.index, slot])
        row = rule(op.code)
        if row is not None and row.weights is not None:
            place = row.weights
            weights, bias = self._layer(op, inputs, place)
            inputs[place.slot] = weights
            if bias is not None:
                inputs[place.bias] = bias
        return tuple(inputs)

    def _layer(
        self, op: TfOperator, inputs: list[int], place: WeightRule
    ) -> tuple[int, int | None]:
        weights = self._graph.tensors[op.inputs[place.slot]]
        bias_index = op.inputs[place.bias] if len(op.inputs) > place.bias else NO_TENSOR
        bias = self._graph.tensors[bias_index] if bias_index != NO_TENSOR else None
        name = self._graph.op_name(op)
        _require_finite(op, name, weights, bias)
        granularity = self._plan.recipe.granularity_of(name, dense=place.dense)
        data = next(slot for slot in data_slots(self._graph, op))
        entry = self._tensors[inputs[data]]
        done = quantize_layer(
            Layer(
                _array(weights),
                None if bias is None else _array(bias),
                place.axis,
                granularity == "per-channel",
                _scale(entry),
                self._precision[op.index] == "int16",
                self._plan.weights.get(weights.index),
            )
        )
        key = (weights.index, done.scale.tobytes())
        if key not in self._weights:
            params = _params(done.scale, place.axis)
            self._weights[key] = self._constant(weights, done.codes, DType.INT8, params)
        if bias is None or done.bias is None:
            return self._weights[key], None
        dtype = DType(done.bias.dtype.name)
        return self._weights[key], self._constant(
            bias, done.bias, dtype, _params(done.bias_scale, 0)
        )

    # Tensors.

    def _is_activation(self, index: int) -> bool:
        if index == NO_TENSOR:
            return False
        tensor = self._graph.tensors[index]
        return tensor.dtype is DType.FLOAT32 and tensor.data is None

    def _settle(self, index: int, dtype: Interface) -> None:
        """Makes ``dtype`` the home of a tensor: what its op writes, or the caller gives."""
        self._at[index, dtype, SHARED] = index
        if dtype != "float32":
            params = self._params_of(Version(index, "int16" if dtype == "int16" else "int8"))
            if dtype == "uint8":
                params = _shifted(params)
            self._tensors[index] = replace(
                self._tensors[index], dtype=DType(dtype), quantization=params
            )

    def _version(self, version: Version) -> int:
        """The new index of a version; makes it where nobody needed it so far."""
        index, precision, reader = version
        tensor = self._graph.tensors[index]
        if tensor.data is not None:
            if precision == "float32":
                return index
            return self._data_constant(version)
        self._home(index)
        key = (index, precision, reader)
        if key not in self._at:
            self._at[key] = self._converted(version)
        return self._at[key]

    def _converted(self, version: Version) -> int:
        index, precision, reader = version
        if reader != SHARED:
            source = self._version(Version(index, version.precision))
            if self._tensors[source].quantization == self._params_of(version):
                return source
        else:
            source = self._home(index)
            direct = self._tensors[source].dtype
            if direct is DType.UINT8 and precision != "int8":
                source = self._version(Version(index, "int8"))
        params = None if precision == "float32" else self._params_of(version)
        return self._convert(source, index, DType(precision), params)

    def _home(self, index: int) -> int:
        for dtype in ("float32", "int8", "int16", "uint8"):
            if self._at.get((index, dtype, SHARED)) == index:
                return index
        # Written by an op that knows nothing of float32 versions: it is float32 itself.
        self._at[index, "float32", SHARED] = index
        return index

    def _convert(self, source: int, index: int, dtype: DType, params: Quantization | None) -> int:
        """A QUANTIZE or DEQUANTIZE and the tensor that it writes."""
        origin = self._tensors[source]
        target = replace(
            self._graph.tensors[index],
            name=f"{self._graph.tensors[index].name}/{dtype.value}",
            dtype=dtype,
            quantization=params,
            is_variable=False,
        )
        new = self._add(target)
        if dtype is DType.FLOAT32:
            code, version = "DEQUANTIZE", _DEQUANTIZE_VERSIONS[origin.dtype.value]
        else:
            code, version = "QUANTIZE", 2 if dtype is DType.INT16 else 1
        self._operators.append(TfOperator(0, code, (source,), (new,), version))
        return new

    def _data_constant(self, version: Version) -> int:
        key = (version.tensor, version.precision, version.reader)
        if key not in self._at:
            params = self._params_of(version)
            dtype: Integer = "int16" if version.precision == "int16" else "int8"
            tensor = self._graph.tensors[version.tensor]
            codes = activation_codes(_array(tensor), params, dtype)
            self._at[key] = self._constant(tensor, codes, DType(dtype), params)
        return self._at[key]

    def _params_of(self, version: Version) -> Quantization:
        return self._scales.params[version]

    def _constant(
        self, tensor: TfTensor, data: NDArray[Any], dtype: DType, params: Quantization
    ) -> int:
        data = frozen_array(np.ascontiguousarray(data))
        new = self._add(
            replace(
                tensor,
                name=f"{tensor.name}/{dtype.value}",
                dtype=dtype,
                quantization=params,
                data=data,
            )
        )
        self._originals[self._tensors[new].name] = tensor.name
        return new

    def _add(self, tensor: TfTensor) -> int:
        index = len(self._tensors)
        name = unique_name(tensor.name, self._names)
        self._names.add(name)
        self._tensors.append(replace(tensor, index=index, name=name))
        return index

    # Borders.

    def _output(self, index: int) -> int:
        if not self._is_activation(index):
            return index
        io = self._plan.recipe.io
        if io != "uint8":
            return self._version(Version(index, io))
        if self._at.get((index, "uint8", SHARED)) is None:
            source = self._version(Version(index, "int8"))
            params = _shifted(self._params_of(Version(index, "int8")))
            self._at[index, "uint8", SHARED] = self._convert(source, index, DType.UINT8, params)
        return self._at[index, "uint8", SHARED]

    def _signatures(self, outputs: dict[int, int]) -> tuple[Signature, ...]:
        graph = self._graph
        moved = any(old != new for old, new in outputs.items())
        if not self._model.signatures and moved:
            # Outputs are known by their tensors' names, which converted ones do not have.
            names = [
                tuple((graph.tensors[i].name, i) for i in side)
                for side in (graph.inputs, graph.outputs)
            ]
            made = Signature("serving_default", names[0], names[1])
            signatures: tuple[Signature, ...] = (made,)
        else:
            signatures = self._model.signatures
        return tuple(
            replace(item, outputs=tuple((n, outputs.get(i, i)) for n, i in item.outputs))
            if item.subgraph == 0
            else item
            for item in signatures
        )


def _array(tensor: TfTensor) -> NDArray[Any]:
    if tensor.data is None:
        raise ValueError(f"'{tensor.name}' is no constant")
    return tensor.data


def _require_finite(op: TfOperator, name: str, *constants: TfTensor | None) -> None:
    for tensor in constants:
        if tensor is not None and not np.isfinite(_array(tensor)).all():
            raise QuantizationError(
                f"op #{op.index} {op.code} '{name}': its constant '{tensor.name}' holds NaN or"
                " infinity",
                hint="the training diverged: train again with a smaller learning rate",
            )


def _scale(tensor: TfTensor) -> float:
    if tensor.quantization is None:
        raise ValueError(f"'{tensor.name}' has no scale")
    return tensor.quantization.scale[0]


def _params(scale: NDArray[np.float32], axis: int) -> Quantization:
    zeros = (0,) * scale.size
    return Quantization(tuple(map(float, scale)), zeros, axis if scale.size > 1 else 0)


def _shifted(params: Quantization) -> Quantization:
    """int8's parameters for the same values as uint8."""
    return Quantization(params.scale, (params.zero_point[0] + _UINT8_SHIFT,))
