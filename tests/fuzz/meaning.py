"""Damage at the level of meaning: the schema's objects are changed, then written as a sound file.

What comes out is a well-formed flatbuffer whose model is wrong, strange or huge.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

HUGE = (0, 1, 2, 3, 127, 255, 1 << 10, 30_000, 46_341, 65_535, 65_536, 1 << 20, 1 << 24,
        (1 << 30) - 1, 1 << 30, (1 << 31) - 1, -1, -2, -128, -(1 << 31))  # fmt: skip
SCALES = (0.0, -0.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e-45, 1.2e-38, 3.4e38, 1e-30,
          1e30, 2.0**-31, 2.0**31, 1.0)  # fmt: skip
ZERO_POINTS = (-129, -128, 0, 127, 128, 255, 256, -32769, 1 << 31, -(1 << 31), 1 << 62, -(1 << 63))
NAMES = (
    b"", b"*/ int x; /*", b"a\\\n#error", b"../../../etc/x", b"%s%n{}{0}", b"\x00\x01\x1b[31m",
    b"\xff\xfe\xfd", "\u202e\u2028 ünï ✓ \U0001f600".encode(), b"int", b"x" * 20_000, b"??/\n??)",
    b"a/b:c;d" * 99,
)  # fmt: skip
_MAX_CODE = 210


def load(data: bytes) -> Any:
    """The model as the schema's objects."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def dump(model: Any) -> bytes:
    """The objects as a file."""
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _int(rng: random.Random) -> int:
    return rng.choice((rng.choice(HUGE), rng.randint(-9, 70), rng.randint(0, 4)))


def _vector(values: Any, kind: str = "int32") -> Any:
    wide = np.asarray(list(values), np.int64)
    return wide.astype(kind)


def _listed(values: Any) -> list[int]:
    return [] if values is None else [int(v) for v in values]


def _graph(model: Any, rng: random.Random) -> Any:
    return rng.choice(model.subgraphs)


def _tensor(model: Any, rng: random.Random) -> Any:
    return rng.choice(_graph(model, rng).tensors)


def _op(model: Any, rng: random.Random) -> Any:
    return rng.choice(_graph(model, rng).operators)


def _changed(values: list[int], rng: random.Random, value: int) -> list[int]:
    """One entry replaced, added, removed, doubled or moved."""
    kind = rng.randrange(5) if values else 1
    at = rng.randrange(len(values)) if values else 0
    if kind == 0:
        values[at] = value
    elif kind == 1:
        values.insert(at, value)
    elif kind == 2:
        del values[at]
    elif kind == 3:
        values.insert(at, values[at])
    else:
        rng.shuffle(values)
    return values


def shape(model: Any, rng: random.Random) -> None:
    tensor = _tensor(model, rng)
    dims = _changed(_listed(tensor.shape), rng, _int(rng))
    if rng.random() < 0.15:
        dims = [_int(rng) for _ in range(rng.choice((0, 1, 4, 5, 9, 17, 300)))]
    tensor.shape = _vector(dims)


def consistent_shape(model: Any, rng: random.Random) -> None:
    """One dimension grows in every tensor that has it, so that more ops still fit each other."""
    graph = _graph(model, rng)
    sizes = sorted({int(d) for t in graph.tensors for d in _listed(t.shape)})
    if not sizes:
        return
    old, new = rng.choice(sizes), _int(rng)
    for tensor in graph.tensors:
        if not (tensor.buffer and len(_listed(model.buffers[tensor.buffer].data))):
            tensor.shape = _vector(new if d == old else d for d in _listed(tensor.shape))


def signature(model: Any, rng: random.Random) -> None:
    for tensor in _graph(model, rng).tensors:
        if rng.random() < 0.5:
            dims = _listed(tensor.shape)
            tensor.shapeSignature = _vector(-1 if rng.random() < 0.5 else d for d in dims)
            if rng.random() < 0.1:
                tensor.shapeSignature = _vector(_changed(dims, rng, _int(rng)))


def dtype(model: Any, rng: random.Random) -> None:
    _tensor(model, rng).type = rng.choice((*range(0, 21), 0, 2, 3, 7, 9, -1, 99))


def all_dtypes(model: Any, rng: random.Random) -> None:
    """Every tensor of one type gets another one."""
    graph = _graph(model, rng)
    old, new = rng.choice(graph.tensors).type, rng.randrange(0, 20)
    for tensor in graph.tensors:
        if tensor.type == old:
            tensor.type = new


def quantization(model: Any, rng: random.Random) -> None:
    tensor = _tensor(model, rng)
    if rng.random() < 0.1:
        tensor.quantization = None
        return
    quant = tensor.quantization or schema.QuantizationParametersT()
    scales = [] if quant.scale is None else [float(v) for v in quant.scale]
    zeros = _listed(quant.zeroPoint)
    kind = rng.randrange(5)
    if kind == 0:
        scales = [rng.choice(SCALES) if rng.random() < 0.6 else v for v in scales or [1.0]]
    elif kind == 1:
        zeros = [rng.choice(ZERO_POINTS) for _ in zeros or [0]]
    elif kind == 2:
        scales = [rng.choice((0.1, rng.choice(SCALES))) for _ in range(rng.choice((0, 2, 3, 8)))]
    elif kind == 3:
        zeros = [0] * rng.choice((0, 1, 2, 9))
    else:
        quant.quantizedDimension = _int(rng)
    quant.scale, quant.zeroPoint = np.asarray(scales, np.float32), np.asarray(zeros, np.int64)
    tensor.quantization = quant


def op_code(model: Any, rng: random.Random) -> None:
    """One row of the list of ops becomes another op: what uses it keeps its tensors."""
    row = rng.choice(model.operatorCodes)
    code = rng.randrange(_MAX_CODE)
    row.builtinCode, row.deprecatedBuiltinCode = code, min(code, 127)


def op_code_and_options(model: Any, rng: random.Random) -> None:
    """As :func:`op_code`, without the options that would not fit."""
    op = _op(model, rng)
    row = model.operatorCodes[min(op.opcodeIndex, len(model.operatorCodes) - 1)]
    row.builtinCode = rng.randrange(_MAX_CODE)
    row.deprecatedBuiltinCode = min(row.builtinCode, 127)
    for graph in model.subgraphs:
        for other in graph.operators:
            if other.opcodeIndex == op.opcodeIndex:
                other.builtinOptionsType, other.builtinOptions = 0, None


def op_index(model: Any, rng: random.Random) -> None:
    count = len(model.operatorCodes)
    _op(model, rng).opcodeIndex = rng.choice((rng.randrange(count), count, (1 << 32) - 1))


def options(model: Any, rng: random.Random) -> None:
    op = _op(model, rng)
    if op.builtinOptions is None or rng.random() < 0.05:
        op.builtinOptionsType = rng.randrange(128)
        return
    given = op.builtinOptions
    for _ in range(rng.randint(1, 2)):
        key = rng.choice(sorted(vars(given)) or [""])
        old = getattr(given, key, None)
        if isinstance(old, bool):
            setattr(given, key, not old)
        elif isinstance(old, float):
            setattr(given, key, rng.choice(SCALES))
        elif isinstance(old, int):
            small = "ctivation" in key or key in ("padding", "mode") or "ype" in key
            setattr(given, key, rng.choice((-1, 0, 1, 2, 3, 4, 5, 127)) if small else _int(rng))
        elif isinstance(old, np.ndarray | list):
            setattr(given, key, _vector(_changed(_listed(old), rng, _int(rng))))


def op_tensors(model: Any, rng: random.Random) -> None:
    """Inputs and outputs of an op: other tensors, none, its own output, out of range."""
    graph = _graph(model, rng)
    op = rng.choice(graph.operators)
    count = len(graph.tensors)
    side = rng.choice(("inputs", "outputs"))
    own = _listed(op.outputs if side == "inputs" else op.inputs)
    value = rng.choice((rng.randrange(count), -1, count, 1 << 30, *own))
    setattr(op, side, _vector(_changed(_listed(getattr(op, side)), rng, value)))


def interface(model: Any, rng: random.Random) -> None:
    graph = _graph(model, rng)
    side = rng.choice(("inputs", "outputs"))
    count = len(graph.tensors)
    value = rng.choice((rng.randrange(count), rng.randrange(count), -1, count))
    values = _changed(_listed(getattr(graph, side)), rng, value)
    setattr(graph, side, _vector(values if rng.random() < 0.95 else []))


def cycle(model: Any, rng: random.Random) -> None:
    """Ops out of order, or a tensor that leads back to where it came from."""
    graph = _graph(model, rng)
    if rng.random() < 0.5 or len(graph.operators) < 2:
        op = rng.choice(graph.operators)
        inputs = _listed(op.inputs)
        if inputs:
            inputs[rng.randrange(len(inputs))] = _listed(op.outputs or [0])[0]
        op.inputs = _vector(inputs)
    else:
        rng.shuffle(graph.operators)


def repeat_ops(model: Any, rng: random.Random) -> None:
    """An op again: writing the same tensor, or a long chain of ops through fresh tensors."""
    graph = _graph(model, rng)
    op = rng.choice(graph.operators)
    if rng.random() < 0.5:
        graph.operators.insert(rng.randrange(len(graph.operators) + 1), copy.copy(op))
        return
    chain = copy.copy(graph.operators[-1])
    if not len(_listed(chain.inputs)) or not len(_listed(chain.outputs)):
        return
    last = int(chain.outputs[0])
    for _ in range(rng.choice((3, 40, 400, 400, 2000, 9000))):
        fresh = copy.copy(graph.tensors[last])
        step = copy.copy(chain)
        step.inputs = _vector([last, *_listed(chain.inputs)[1:]])
        last = len(graph.tensors)
        step.outputs = _vector([last])
        graph.tensors.append(fresh)
        graph.operators.append(step)
    if rng.random() < 0.7:
        graph.outputs = _vector([last])


def constant(model: Any, rng: random.Random) -> None:
    """A constant's contents: axes, sizes, paddings, shapes, weights."""
    filled = [b for b in model.buffers if b.data is not None and len(b.data)]
    if not filled:
        return
    small = [b for b in filled if len(b.data) <= 64]
    buffer = rng.choice(small if small and rng.random() < 0.8 else filled)
    raw = bytearray(np.asarray(buffer.data, np.uint8).tobytes())
    if rng.random() < 0.8 and len(raw) % 4 == 0:
        words = np.frombuffer(bytes(raw), "<i4").copy()
        for _ in range(rng.randint(1, 2)):
            words[rng.randrange(len(words))] = _int(rng)
        raw = bytearray(words.tobytes())
    elif rng.random() < 0.5:
        raw = raw[: rng.randrange(len(raw))]
    else:
        raw = bytearray(rng.choice((0, 0x7F, 0x80, 0xFF)) for _ in raw)
    buffer.data = np.frombuffer(bytes(raw), np.uint8)


def buffer_index(model: Any, rng: random.Random) -> None:
    count = len(model.buffers)
    _tensor(model, rng).buffer = rng.choice((rng.randrange(count), 0, count, (1 << 32) - 1))


def far_buffer(model: Any, rng: random.Random) -> None:
    """A buffer that claims to lie behind the flatbuffer, or in another file."""
    buffer = rng.choice(model.buffers)
    buffer.offset = rng.choice((1, 2, 8, 64, 1 << 31, 1 << 32, (1 << 64) - 1))
    buffer.size = rng.choice((0, 1, 4, 64, 1 << 31, (1 << 64) - 1))
    if rng.random() < 0.2:
        _tensor(model, rng).externalBuffer = 1


def name(model: Any, rng: random.Random) -> None:
    graph = _graph(model, rng)
    given = rng.choice(NAMES)
    for tensor in graph.tensors if rng.random() < 0.3 else [rng.choice(graph.tensors)]:
        tensor.name = given


def custom_options(model: Any, rng: random.Random) -> None:
    """The bytes that only a custom op understands."""
    held = [
        op for graph in model.subgraphs for op in graph.operators if op.customOptions is not None
    ]
    if not held:
        return
    op = rng.choice(held)
    raw = bytearray(np.asarray(op.customOptions, np.uint8).tobytes())
    for _ in range(rng.randint(1, 4)):
        if raw:
            raw[rng.randrange(len(raw))] = rng.choice(
                (0, 1, 2, 4, 0x7F, 0x80, 0xFF, rng.randrange(256))
            )
    if rng.random() < 0.2:
        raw = raw[rng.randrange(len(raw) + 1) :]
    op.customOptions = np.frombuffer(bytes(raw), np.uint8)


def variable(model: Any, rng: random.Random) -> None:
    _tensor(model, rng).isVariable = True


def sparse(model: Any, rng: random.Random) -> None:
    _tensor(model, rng).sparsity = schema.SparsityParametersT()


def subgraphs(model: Any, rng: random.Random) -> None:
    """More subgraphs, none, or ops that call subgraphs: their own, or in a circle."""
    kind = rng.randrange(4)
    if kind == 0:
        model.subgraphs = []
    elif kind == 1:
        model.subgraphs += [copy.deepcopy(model.subgraphs[0]) for _ in range(rng.choice((1, 3)))]
    elif kind == 2:
        model.subgraphs[0].operators = []
    else:
        model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
        for graph in model.subgraphs:
            _make_call(model, graph, rng)


def _make_call(model: Any, graph: Any, rng: random.Random) -> None:
    op, row = rng.choice(graph.operators), schema.OperatorCodeT()
    code, kind, made = rng.choice(
        (
            (119, schema.BuiltinOptions.WhileOptions, schema.WhileOptionsT()),
            (118, schema.BuiltinOptions.IfOptions, schema.IfOptionsT()),
            (129, schema.BuiltinOptions.CallOnceOptions, schema.CallOnceOptionsT()),
        )
    )
    for key in vars(made):
        setattr(made, key, rng.choice((0, 1, 2, -1)))
    row.builtinCode, row.deprecatedBuiltinCode = code, min(code, 127)
    op.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(row)
    op.builtinOptionsType, op.builtinOptions = kind, made


def metadata(model: Any, rng: random.Random) -> None:
    """The embedded specs: other text, none, numbers out of range."""
    rows = model.metadata or []
    if not rows:
        return
    buffer = model.buffers[rng.choice(rows).buffer]
    text = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
    for _ in range(rng.randint(1, 3)):
        old = rng.choice((b"1", b"2", b"3", b"0", b"true", b"[", b"]", b'"', b"{", b"null", b":"))
        new = rng.choice((b"-1", b"0", b"1e999", b"NaN", b"99999999999", b"[]", b"{}", b'"', b"",
                          b"null", b"[[[[", b"1e-320", b'"\\u0000*/"', b"0.5"))  # fmt: skip
        at = text.find(old, rng.randrange(max(1, len(text))))
        if at >= 0:
            text = text[:at] + new + text[at + len(old) :]
    if rng.random() < 0.05:
        text = b"[" * 100_000
    buffer.data = np.frombuffer(text, np.uint8)


def graft(model: Any, rng: random.Random, donor: Any) -> None:
    """The donor's graph behind ours: its input is our output."""
    graph, other = model.subgraphs[0], donor.subgraphs[0]
    tensors, codes, buffers = len(graph.tensors), len(model.operatorCodes), len(model.buffers)
    inputs = _listed(other.inputs)
    taken = {
        i: int(rng.choice(_listed(graph.outputs) or [0])) for i in inputs if rng.random() < 0.8
    }

    def moved(values: Any) -> Any:
        return _vector(v if v < 0 else taken.get(v, v + tensors) for v in _listed(values))

    for tensor in other.tensors:
        tensor.buffer += buffers
    for op in other.operators:
        op.opcodeIndex += codes
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
    graph.inputs = _vector(
        [*_listed(graph.inputs), *(i + tensors for i in inputs if i not in taken)]
    )
    graph.outputs = moved(other.outputs)
    graph.tensors += other.tensors
    graph.operators += other.operators
    model.operatorCodes += donor.operatorCodes
    model.buffers += donor.buffers


CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    shape, shape, consistent_shape, consistent_shape, signature, dtype, all_dtypes, quantization,
    quantization, op_code, op_code_and_options, op_index, options, options, options, op_tensors,
    op_tensors, interface, cycle, repeat_ops, constant, constant, constant, buffer_index,
    far_buffer, name, variable, sparse, subgraphs, metadata, custom_options,
)  # fmt: skip
