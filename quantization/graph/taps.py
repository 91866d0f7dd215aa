"""Looking into a model: other tensors as outputs, and which tensors calibration must see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edgecnn.core.tflite.model import NO_TENSOR, DType, Signature, TfModel
from quantization.graph.edit import producers, with_main
from quantization.graph.rules import rule


def with_outputs(model: TfModel, tensors: Sequence[int]) -> TfModel:
    """The same model with these tensors as its outputs, in this order.

    Nothing is removed or renumbered, so that indices of ``model`` stay valid. Outputs are named
    ``t<index>`` in the one signature; inputs keep the names by which
    :func:`edgecnn.core.runtime.tensor_infos` knows them only where the model has a signature.

    Args:
        model: the model.
        tensors: indices in the main subgraph, without repeats.
    """
    graph = replace(model.main, outputs=tuple(tensors))
    named = [item for item in model.signatures if item.subgraph == 0]
    if len(model.signatures) == 1 and named and _names_all_inputs(model, named[0]):
        key, inputs = named[0].key, named[0].inputs
        outputs = tuple((f"t{index}", index) for index in tensors)
        return replace(with_main(model, graph), signatures=(Signature(key, inputs, outputs),))
    return replace(with_main(model, graph), signatures=())


def calibrated_tensors(model: TfModel) -> tuple[int, ...]:
    """Float32 activations whose ranges emit needs, in the order in which they are computed.

    Not among them: constants, outputs whose scale the op fixes (SOFTMAX), and outputs that only
    hold values of the op's one input (RESHAPE, MAX_POOL_2D), which share its scale.
    """
    graph = model.main
    writers = producers(graph)
    read = {index for op in graph.operators for index in op.inputs if index != NO_TENSOR}
    order = list(dict.fromkeys((*graph.inputs, *(t for op in graph.operators for t in op.outputs))))
    found = []
    for index in order:
        tensor = graph.tensors[index]
        if tensor.dtype is not DType.FLOAT32 or tensor.data is not None:
            continue
        if index not in read and index not in writers:
            continue
        writer = writers.get(index)
        row = rule(writer.code) if writer else None
        if row is None or not (row.fixed or row.moves):
            found.append(index)
    return tuple(found)


def _names_all_inputs(model: TfModel, signature: Signature) -> bool:
    return {index for _, index in signature.inputs} == set(model.main.inputs)
