"""Which tensor of the float model a tensor of the quantized model stands for.

Quantizers keep most names, but not all: a fused op takes the name of its last part, QUANTIZE and
DEQUANTIZE stand where types change, an output may be named after the DEQUANTIZE behind the op, and
files of other makers may have other names altogether.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecnn.core.errors import QuantizationError
from edgecnn.core.runtime import tensor_infos
from edgecnn.core.tflite.model import DType, TfModel, TfOperator, TfSubgraph, TfTensor

QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT16})
REAL = frozenset({DType.FLOAT32, *QUANTIZED})
CROSSINGS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True)
class LayerPair:
    """A quantized model's op and the float tensor that its output stands for."""

    op: TfOperator
    name: str
    quantized: TfTensor
    reference: TfTensor


def match_layers(
    float_model: TfModel, int8_model: TfModel, *, floats: bool = False, crossings: bool = False
) -> tuple[LayerPair, ...]:
    """Pairs each op of a quantized model with the float tensor that its output stands for.

    By the name of the output tensor, or of what a DEQUANTIZE or QUANTIZE makes of it; where the
    quantizer gave it a new name, by being the next op of that kind and shape which no name claimed.

    Args:
        float_model: the float model.
        int8_model: the quantized one.
        floats: also ops that stayed float.
        crossings: also QUANTIZE and DEQUANTIZE ops behind a paired tensor.
    """
    matcher = _Matcher(float_model.main, int8_model.main)
    pairs: list[LayerPair] = []
    known: dict[int, TfTensor] = dict(match_inputs(float_model, int8_model))
    graph = int8_model.main
    for op in graph.operators:
        if not op.outputs:
            continue
        output = graph.tensors[op.outputs[0]]
        crossing = op.code in CROSSINGS
        if crossing:
            source = graph.tensors[op.inputs[0]]
            found = None if source.data is not None else known.get(op.inputs[0])
        else:
            found = matcher.find(op, output)
        if found is None or found.shape != output.shape:
            continue
        known[output.index] = found
        wanted = is_coded(output) or (floats and output.dtype is DType.FLOAT32)
        if wanted and (crossings or not crossing):
            pairs.append(LayerPair(op, graph.op_name(op), output, found))
    return tuple(pairs)


def match_inputs(float_model: TfModel, other: TfModel) -> Mapping[int, TfTensor]:
    """The other model's input index → the float model's input tensor.

    By the names that users see (signature or tensor); where those differ, by position.

    Raises:
        QuantizationError: the two take different inputs.
    """
    left, right = input_names(float_model), input_names(other)
    tensors = float_model.main.tensors
    by_name = {name: tensors[index] for index, name in left.items()}
    if set(left.values()) == set(right.values()):
        pairs = {index: by_name[name] for index, name in right.items()}
    else:
        pairs = {b: tensors[a] for a, b in zip(left, right, strict=False)}
    shapes = [other.main.tensors[index].shape for index in right]
    if len(left) != len(right) or [item.shape for item in pairs.values()] != shapes:
        raise QuantizationError(
            f"the two models take different inputs: {_inputs(float_model)} and {_inputs(other)}",
            hint="give two files of one model",
        )
    return pairs


def input_names(model: TfModel) -> dict[int, str]:
    """Tensor index → name of each input, in order, as :func:`tensor_infos` names them."""
    infos, _ = tensor_infos(model)
    return {index: info.name for index, info in zip(model.main.inputs, infos, strict=True)}


def is_coded(tensor: TfTensor) -> bool:
    """Whether the tensor holds integers with a scale for the whole tensor."""
    found = tensor.quantization
    return tensor.dtype in QUANTIZED and found is not None and found.per_tensor


class _Matcher:
    def __init__(self, reference: TfSubgraph, quantized: TfSubgraph) -> None:
        self._reference = reference
        self._by_name = {
            reference.op_name(op): reference.tensors[op.outputs[0]]
            for op in reference.operators
            if op.outputs
        }
        self._behind = _names_behind(quantized)
        claimed = {quantized.op_name(op) for op in quantized.operators if op.outputs}
        self._spare: list[TfOperator] = [
            op for op in reference.operators if reference.op_name(op) not in claimed and op.outputs
        ]

    def find(self, op: TfOperator, output: TfTensor) -> TfTensor | None:
        for name in (output.name, *self._behind.get(output.index, ())):
            found = self._by_name.get(name)
            if found is not None:
                return found
        for candidate in self._spare:
            tensor = self._reference.tensors[candidate.outputs[0]]
            if candidate.code == op.code and tensor.shape == output.shape:
                self._spare.remove(candidate)
                return tensor
        return None


def _names_behind(graph: TfSubgraph) -> dict[int, Sequence[str]]:
    """Tensor → names of what QUANTIZE and DEQUANTIZE ops make of it, the nearest first."""
    names: dict[int, list[str]] = {}
    for op in reversed(graph.operators):
        if op.code in CROSSINGS and op.outputs:
            output = op.outputs[0]
            further = names.get(output, [])
            names.setdefault(op.inputs[0], []).extend([graph.tensors[output].name, *further])
    return {index: tuple(found) for index, found in names.items()}


def _inputs(model: TfModel) -> str:
    tensors = (model.main.tensors[index] for index in model.main.inputs)
    return ", ".join(f"{item.name} {list(item.shape)}" for item in tensors) or "none"
