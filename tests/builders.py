"""Tiny .tflite models built in code, with the ``tflite`` schema package (not with our own tables).

    build = ModelBuilder()
    x = build.tensor((1, 8, 8, 3), "int8", scale=0.05, zero_point=3)
    w = build.tensor((4, 3, 3, 3), "int8", scale=[0.1] * 4, data=weights)      # per channel, axis 0
    b = build.tensor((4,), "int32", scale=[0.005] * 4, data=bias)
    y = build.tensor((1, 8, 8, 4), "int8", scale=0.1, zero_point=-5)
    build.op("CONV_2D", [x, w, b], [y], padding="SAME", stride_w=1, stride_h=1)
    data = build.build([x], [y])

Options have the schema's field names in snake case; enums are given by name. Strides default to 1,
SOFTMAX's beta to 1, everything else to the schema's defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

TYPES = {
    "float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "uint8": "UINT8",
    "int64": "INT64", "bool": "BOOL", "int16": "INT16", "int8": "INT8", "float64": "FLOAT64",
    "uint32": "UINT32", "uint16": "UINT16", "uint64": "UINT64", "string": "STRING",
    "int4": "INT4",
}  # fmt: skip
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D")
_REDUCERS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REDUCE_ANY", "REDUCE_ALL")
_CLASSES = {
    **dict.fromkeys(_POOLS, "Pool2DOptions"),
    **dict.fromkeys(_REDUCERS, "ReducerOptions"),
    "MAXIMUM": "MaximumMinimumOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNNOptions",
    "CONV_3D_TRANSPOSE": "Conv3DOptions",
    **dict.fromkeys(("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"), "RandomOptions"),
}
_DEFAULTS = {"stride_w": 1, "stride_h": 1, "stride_d": 1, "depth_multiplier": 1, "beta": 1.0}
_ENUMS = {
    "padding": "Padding",
    "fused_activation_function": "ActivationFunctionType",
    "mode": "MirrorPadMode",
    "kernel_type": "LSTMKernelType",
    "weights_format": "FullyConnectedOptionsWeightsFormat",
    **dict.fromkeys(
        ("in_data_type", "out_data_type", "output_type", "out_type", "quantized_bias_type"),
        "TensorType",
    ),
}


@dataclass
class _Tensor:
    shape: tuple[int, ...]
    dtype: str
    scale: list[float]
    zero_point: list[int]
    axis: int
    buffer: int
    name: str
    variable: bool
    signature: tuple[int, ...] | None


@dataclass
class _Op:
    code: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: dict[str, Any]
    custom_code: str
    custom_options: bytes
    version: int
    intermediates: Sequence[int] = ()


@dataclass
class ModelBuilder:
    """Collects tensors and ops of one subgraph, then writes the file."""

    description: str = "built by tests"
    tensors: list[_Tensor] = field(default_factory=list)
    ops: list[_Op] = field(default_factory=list)
    buffers: list[bytes] = field(default_factory=lambda: [b""])
    metadata_items: list[tuple[str, int]] = field(default_factory=list)
    signatures: list[tuple[str, Mapping[str, int], Mapping[str, int]]] = field(default_factory=list)
    others: list[tuple[ModelBuilder, Sequence[int], Sequence[int]]] = field(default_factory=list)

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        data: Any = None,
        *,
        axis: int = 0,
        name: str | None = None,
        variable: bool = False,
        signature: Sequence[int] | None = None,
    ) -> int:
        """Adds a tensor; a list of scales is per channel along ``axis``. Returns its index.

        ``data`` is an array-like of ``shape`` (cast to ``dtype``), or raw bytes.
        """
        scales = [] if scale is None else np.atleast_1d(np.asarray(scale, np.float64)).tolist()
        zeros = np.broadcast_to(np.asarray(zero_point, np.int64), (len(scales),)).tolist()
        buffer = 0
        if data is not None:
            if not isinstance(data, bytes):
                array = np.asarray(data)
                if array.shape != tuple(shape):
                    array = np.broadcast_to(array, tuple(shape))
                data = np.ascontiguousarray(array.astype(np.dtype(dtype))).tobytes()
            buffer = self._buffer(data)
        index = len(self.tensors)
        self.tensors.append(
            _Tensor(
                tuple(shape), dtype, scales, zeros, axis, buffer,
                f"t{index}" if name is None else name, variable,
                None if signature is None else tuple(signature),
            )
        )  # fmt: skip
        return index

    def op(
        self,
        code: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        custom_code: str = "",
        custom_options: bytes = b"",
        version: int = 1,
        intermediates: Sequence[int] = (),
        **options: Any,
    ) -> int:
        """Adds an operator; ``-1`` is an absent optional input. Returns its index."""
        self.ops.append(
            _Op(
                code, inputs, outputs, options, custom_code, custom_options, version, intermediates
            )
        )  # fmt: skip
        return len(self.ops) - 1

    def metadata(self, name: str, data: bytes) -> None:
        """Adds a metadata entry."""
        self.metadata_items.append((name, self._buffer(data)))

    def signature(self, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        """Adds a signature: names → tensor indices."""
        self.signatures.append((key, inputs, outputs))

    def subgraph(self) -> ModelBuilder:
        """A builder for another subgraph of this file; see :meth:`add_subgraph`."""
        return ModelBuilder(buffers=self.buffers)

    def add_subgraph(
        self, build: ModelBuilder, inputs: Sequence[int], outputs: Sequence[int]
    ) -> int:
        """Adds a finished subgraph behind the main one. Returns its index."""
        self.others.append((build, inputs, outputs))
        return len(self.others)

    def build(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file's bytes."""
        fb = flatbuffers.Builder(1024 + sum(map(len, self.buffers)))
        graphs = [(self, inputs, outputs), *self.others]
        ops = [op for build, _, _ in graphs for op in build.ops]
        codes = list(dict.fromkeys((op.code, op.custom_code, op.version) for op in ops))
        buffers = _tables(fb, [self._write_buffer(fb, data) for data in self.buffers])
        opcodes = _tables(fb, [_write_code(fb, *code) for code in codes])
        subgraphs = [build._write_graph(fb, codes, *sides) for build, *sides in graphs]
        fields: dict[str, Any] = {
            "Version": 3,
            "OperatorCodes": opcodes,
            "Subgraphs": _tables(fb, subgraphs),
            "Description": fb.CreateString(self.description),
            "Buffers": buffers,
        }
        if self.metadata_items:
            rows = [
                _table(fb, "Metadata", Name=fb.CreateString(name), Buffer=buffer)
                for name, buffer in self.metadata_items
            ]
            fields["Metadata"] = _tables(fb, rows)
        if self.signatures:
            fields["SignatureDefs"] = _tables(
                fb, [_write_signature(fb, *signature) for signature in self.signatures]
            )
        fb.Finish(_table(fb, "Model", **fields), b"TFL3")
        return bytes(fb.Output())

    def _write_graph(
        self,
        fb: flatbuffers.Builder,
        codes: list[tuple[str, str, int]],
        inputs: Sequence[int],
        outputs: Sequence[int],
    ) -> int:
        tensors = _tables(fb, [self._write_tensor(fb, tensor) for tensor in self.tensors])
        operators = _tables(fb, [self._write_op(fb, op, codes) for op in self.ops])
        return _table(
            fb, "SubGraph", Tensors=tensors, Inputs=_ints(fb, inputs), Outputs=_ints(fb, outputs),
            Operators=operators, Name=fb.CreateString("main"),
        )  # fmt: skip

    def _buffer(self, data: bytes) -> int:
        self.buffers.append(data)
        return len(self.buffers) - 1

    @staticmethod
    def _write_buffer(fb: flatbuffers.Builder, data: bytes) -> int:
        return _table(fb, "Buffer", Data=_bytes(fb, data)) if data else _table(fb, "Buffer")

    @staticmethod
    def _write_tensor(fb: flatbuffers.Builder, tensor: _Tensor) -> int:
        fields: dict[str, Any] = {
            "Shape": _ints(fb, tensor.shape),
            "Type": getattr(tflite.TensorType, TYPES[tensor.dtype]),
            "Buffer": tensor.buffer,
            "Name": fb.CreateString(tensor.name),
            "IsVariable": tensor.variable,
        }
        if tensor.scale:
            scale = fb.CreateNumpyVector(np.asarray(tensor.scale, np.float32))
            zero = fb.CreateNumpyVector(np.asarray(tensor.zero_point, np.int64))
            fields["Quantization"] = _table(
                fb, "QuantizationParameters", Scale=scale, ZeroPoint=zero,
                QuantizedDimension=tensor.axis,
            )  # fmt: skip
        if tensor.signature is not None:
            fields["ShapeSignature"] = _ints(fb, tensor.signature)
        return _table(fb, "Tensor", **fields)

    @staticmethod
    def _write_op(fb: flatbuffers.Builder, op: _Op, codes: list[tuple[str, str, int]]) -> int:
        fields: dict[str, Any] = {
            "OpcodeIndex": codes.index((op.code, op.custom_code, op.version)),
            "Inputs": _ints(fb, op.inputs),
            "Outputs": _ints(fb, op.outputs),
        }
        name = _options_class(op.code)
        if name is not None:
            fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, name)
            fields["BuiltinOptions"] = _write_options(fb, name, op.options)
        elif op.options:
            raise ValueError(f"{op.code} takes no options, got {sorted(op.options)}")
        if op.custom_options:
            fields["CustomOptions"] = _bytes(fb, op.custom_options)
        if op.intermediates:
            fields["Intermediates"] = _ints(fb, op.intermediates)
        return _table(fb, "Operator", **fields)


def _table(fb: flatbuffers.Builder, name: str, **fields: Any) -> int:
    getattr(tflite, f"{name}Start")(fb)
    for key, value in fields.items():
        getattr(tflite, f"{name}Add{key}")(fb, value)
    return int(getattr(tflite, f"{name}End")(fb))


def _tables(fb: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    fb.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        fb.PrependUOffsetTRelative(offset)
    return int(fb.EndVector())


def _ints(fb: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(fb.CreateNumpyVector(np.asarray(values, np.int32)))


def _bytes(fb: flatbuffers.Builder, data: bytes) -> int:
    # As the schema's force_align asks: weights start at a multiple of 16.
    fb.StartVector(1, len(data), 16)
    fb.head -= len(data)
    fb.Bytes[fb.head : fb.head + len(data)] = data
    return int(fb.EndVector())


def _write_code(fb: flatbuffers.Builder, code: str, custom_code: str, version: int) -> int:
    number = getattr(tflite.BuiltinOperator, code)
    fields = {"DeprecatedBuiltinCode": min(number, 127), "BuiltinCode": number, "Version": version}
    if custom_code:
        fields["CustomCode"] = fb.CreateString(custom_code)
    return _table(fb, "OperatorCode", **fields)


def _write_signature(
    fb: flatbuffers.Builder, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> int:
    sides = []
    for side in (inputs, outputs):
        rows = [
            _table(fb, "TensorMap", Name=fb.CreateString(name), TensorIndex=index)
            for name, index in side.items()
        ]
        sides.append(_tables(fb, rows))
    text = fb.CreateString(key)
    return _table(
        fb, "SignatureDef", Inputs=sides[0], Outputs=sides[1], SignatureKey=text, SubgraphIndex=0
    )


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _options_class(code: str) -> str | None:
    if code in _CLASSES:
        return _CLASSES[code]
    plain = code.replace("_", "").lower() + "options"
    names = (name for name in dir(tflite.BuiltinOptions) if name.lower() == plain)
    return next(names, None)


def _write_options(fb: flatbuffers.Builder, name: str, given: Mapping[str, Any]) -> int:
    known = {
        match.group(1)
        for attribute in dir(tflite)
        if (match := re.fullmatch(rf"{name}Add(\w+)", attribute))
    }
    options = {key: value for key, value in _DEFAULTS.items() if _camel(key) in known}
    options |= given
    fields: dict[str, Any] = {}
    for key, value in options.items():
        if _camel(key) not in known:
            raise ValueError(f"{name} has no field '{key}': {sorted(known)}")
        if isinstance(value, str) and key in _ENUMS:
            value = getattr(getattr(tflite, _ENUMS[key]), value)
        elif isinstance(value, (list, tuple, np.ndarray)):
            value = _ints(fb, value)
        elif isinstance(value, str):
            value = fb.CreateString(value)
        fields[_camel(key)] = value
    return _table(fb, name, **fields)


def conv_weights(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Random int8 weights in [-127, 127]."""
    return rng.integers(-127, 128, size=tuple(shape), dtype=np.int8)


def tiny_classifier(seed: int = 0, size: int = 16, classes: int = 4) -> bytes:
    """An int8 network in the converter's layout: CONV, DEPTHWISE, POOL, RESHAPE, FC, SOFTMAX."""
    rng = np.random.default_rng(seed)
    build = ModelBuilder(description="tiny classifier")
    half = size // 2
    x = build.tensor((1, size, size, 3), "int8", 1 / 255, -128, name="image")
    w1_scale = rng.uniform(0.002, 0.01, 8)
    w1 = build.tensor((8, 3, 3, 3), "int8", w1_scale, data=conv_weights(rng, (8, 3, 3, 3)))
    b1 = build.tensor(
        (8,), "int32", w1_scale / 255, data=rng.integers(-2000, 2000, 8), name="conv/bias"
    )
    y1 = build.tensor((1, half, half, 8), "int8", 0.02, -128, name="conv/Relu6")
    build.op(
        "CONV_2D", [x, w1, b1], [y1], padding="SAME", stride_w=2, stride_h=2,
        fused_activation_function="RELU6",
    )  # fmt: skip
    w2_scale = rng.uniform(0.002, 0.01, 8)
    w2 = build.tensor((1, 3, 3, 8), "int8", w2_scale, axis=3, data=conv_weights(rng, (1, 3, 3, 8)))
    b2 = build.tensor((8,), "int32", w2_scale * 0.02, data=rng.integers(-500, 500, 8))
    y2 = build.tensor((1, half, half, 8), "int8", 0.02, -128, name="dw/Relu6")
    build.op(
        "DEPTHWISE_CONV_2D", [y1, w2, b2], [y2], padding="SAME",
        fused_activation_function="RELU6",
    )  # fmt: skip
    y3 = build.tensor((1, 1, 1, 8), "int8", 0.02, -128, name="pool")
    build.op("AVERAGE_POOL_2D", [y2], [y3], padding="VALID", filter_width=half, filter_height=half)
    shape = build.tensor((2,), "int32", data=[1, 8])
    y4 = build.tensor((1, 8), "int8", 0.02, -128, name="flat")
    build.op("RESHAPE", [y3, shape], [y4], new_shape=[1, 8])
    w5 = build.tensor((classes, 8), "int8", 0.01, data=conv_weights(rng, (classes, 8)))
    b5 = build.tensor((classes,), "int32", 0.0002, data=rng.integers(-900, 900, classes))
    y5 = build.tensor((1, classes), "int8", 0.05, 4, name="logits")
    build.op("FULLY_CONNECTED", [y4, w5, b5], [y5])
    y6 = build.tensor((1, classes), "int8", 1 / 256, -128, name="scores")
    build.op("SOFTMAX", [y5], [y6])
    build.signature("serving_default", {"image": x}, {"scores": y6})
    return build.build([x], [y6])
