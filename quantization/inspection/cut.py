"""A float model cut into its layers, to see what each layer adds by itself.

Every named tensor gets a twin that is an input of the model, and whoever read the tensor reads the
twin. Fed with what the quantized model's layer really got as input, each float layer then tells
what its output should have been: the difference to the quantized output is that layer's own error,
free of what came from before. Layers between two named tensors stay connected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import EdgecnnError
from edgecnn.core.runtime import LiteRTPredictor, is_stateful
from edgecnn.core.tflite.model import DType, TfModel
from edgecnn.core.tflite.writer import write_model


@dataclass(frozen=True)
class CutModel:
    """See the module's text.

    Attributes:
        model: the cut model.
        inputs: for each input of the cut model the float model's tensor that it stands for.
        outputs: tensors that ops compute, by their index in the float model, which is kept.
    """

    model: TfModel
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def cut_at(model: TfModel, tensors: Sequence[int]) -> CutModel:
    """``model`` with each of ``tensors`` (float32 activations) replaced where it is read."""
    graph = model.main
    wanted = [
        index
        for index in dict.fromkeys(tensors)
        if graph.tensors[index].dtype is DType.FLOAT32 and graph.tensors[index].data is None
    ]
    first = len(graph.tensors)
    place = {index: first + k for k, index in enumerate(wanted)}
    added = [
        replace(graph.tensors[index], index=place[index], name=f"twin/{index}") for index in wanted
    ]
    operators = tuple(
        replace(op, inputs=tuple(place.get(index, index) for index in op.inputs))
        for op in graph.operators
    )
    computed = {index for op in graph.operators for index in op.outputs}
    outputs = tuple(index for index in wanted if index in computed)
    kept = tuple(index for index in graph.inputs if index not in place)
    main = replace(
        graph,
        tensors=(*graph.tensors, *added),
        operators=operators,
        inputs=(*kept, *place.values()),
        outputs=outputs or graph.outputs,
    )
    cut = replace(model, subgraphs=(main, *model.subgraphs[1:]), signatures=(), metadata={})
    return CutModel(cut, (*kept, *wanted), outputs)


class LayerReference:
    """Runs a cut float model: what each layer should have made of the inputs it got.

    Args:
        model: the float model.
        tensors: its tensors to cut at.
    """

    def __init__(self, model: TfModel, tensors: Sequence[int]) -> None:
        self._cut = cut_at(model, tensors)
        self._runner: LiteRTPredictor | None = None
        # A layer that remembers has no value of its own; other refusals leave the figures out too.
        if self._cut.outputs and not is_stateful(model):
            try:
                data = write_model(self._cut.model)
                self._runner = LiteRTPredictor(data, resolver="builtin", preserve_all=True)
            except EdgecnnError:
                self._runner = None

    @property
    def tensors(self) -> frozenset[int]:
        """The float tensors that :meth:`run` gives."""
        return frozenset(self._cut.outputs if self._runner else ())

    def run(self, given: Mapping[int, NDArray[Any]]) -> dict[int, NDArray[np.float32]]:
        """What the layers make of their inputs.

        Args:
            given: a value for each tensor cut at and for each input of the model, by its index in
                the float model.

        Returns:
            Float tensor index → value, for :attr:`tensors`.
        """
        runner = self._runner
        if runner is None:
            return {}
        pairs = zip(runner.inputs, self._cut.inputs, strict=True)
        runner.predict({info.name: info.quantize(given[index]) for info, index in pairs})
        return {index: runner.tensor(index) for index in self._cut.outputs}
