"""Keras model or SavedModel → one TensorFlow function with constant weights and batch 1.

What the converter makes of it (tensorflow 2.21): inputs and outputs in the model's order, tensors
named after the Keras layers. A function with variables would leave READ_VARIABLE in the file, and
an open batch SHAPE/STRIDED_SLICE/PACK; both are gone here.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError, QuantizationError
from edgecnn.core.runtime import TensorInfo
from quantization.deployable import all_layers, for_conversion
from quantization.keras_file import load_keras
from quantization.keras_model import call_flat, input_infos, one_line, output_infos
from quantization.layer_names import layer_node_names, rename_nodes
from quantization.tensorflow_import import import_keras_on_tensorflow, import_tensorflow, quiet


@dataclass(frozen=True)
class FrozenModel:
    """A model ready for the converter.

    Attributes:
        function: a TensorFlow ConcreteFunction, flat inputs → flat outputs.
        inputs, outputs: names, shapes (batch 1) and dtypes, in that function's order.
        keras_model: the model it came from; None for a SavedModel.
        layers: names of its layers.
    """

    function: Any
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    keras_model: Any = None
    layers: frozenset[str] = frozenset()


def load_and_freeze(model: Any, *, unsafe: bool = False) -> FrozenModel:
    """Freezes a ``keras.Model``, a .keras or .h5 file, or a SavedModel folder.

    Args:
        model: the model or its path.
        unsafe: load Keras files with code in them, which runs it.

    Raises:
        ModelError: the path holds none of these, or code.
        QuantizationError: open shapes, or not on the TensorFlow backend.
        MissingExtraError: TensorFlow is not installed.
    """
    if not isinstance(model, (str, Path)):
        return freeze_keras(model)
    path = Path(model)
    if is_saved_model(path):
        return freeze_saved_model(path)
    import_keras_on_tensorflow()
    return freeze_keras(load_keras(path, unsafe=unsafe))


def is_saved_model(path: Path) -> bool:
    """Whether the folder holds a SavedModel."""
    return (path / "saved_model.pb").is_file()


def freeze_keras(model: Any) -> FrozenModel:
    """Freezes a Keras 3 model.

    Raises:
        QuantizationError: open shapes, not on the TensorFlow backend, or it cannot be traced.
        MissingExtraError: TensorFlow is not installed.
    """
    flow = import_tensorflow()
    keras = import_keras_on_tensorflow()
    inputs, outputs = input_infos(model), output_infos(model)
    traced = for_conversion(keras, model)
    specs = [flow.TensorSpec(i.shape, i.dtype, name=f"input_{k}") for k, i in enumerate(inputs)]

    def forward(*values: Any) -> tuple[Any, ...]:
        return call_flat(keras, traced, values)

    with quiet():
        try:
            function = flow.function(forward, input_signature=specs, autograph=False)
            concrete = function.get_concrete_function()
        except (ValueError, TypeError, RuntimeError, NotImplementedError) as error:
            raise QuantizationError(
                f"the model '{model.name}' cannot be traced: {one_line(str(error))}",
                hint="check that model(x) runs on one sample of the calibration data",
            ) from error
        graph_def, old_inputs, old_outputs = _constant_graph(concrete)
        layers = frozenset(layer.name for layer in all_layers(traced))
        names = layer_node_names((n.name for n in graph_def.node), layers, model.name)
        function, outputs = _rebuild(
            graph_def, names, list(zip(old_inputs, inputs, strict=True)),
            list(zip(old_outputs, outputs, strict=True)),
        )  # fmt: skip
    return FrozenModel(function, inputs, outputs, model, layers)


def freeze_saved_model(path: Path) -> FrozenModel:
    """Freezes the ``serving_default`` signature of a SavedModel; names are the signature's.

    Raises:
        ModelError: it cannot be loaded or has no such signature.
        QuantizationError: open sizes besides the batch.
        MissingExtraError: TensorFlow is not installed.
    """
    flow = import_tensorflow()
    errors = (ValueError, OSError, RuntimeError, flow.errors.OpError)
    with quiet():
        try:
            loaded = flow.saved_model.load(str(path))
        except errors as error:
            raise ModelError(
                f"'{path}' cannot be loaded as a SavedModel: {one_line(str(error))}",
                hint="export it again with model.export(folder)",
            ) from error
        signature = loaded.signatures.get("serving_default")
        if signature is None:
            raise ModelError(
                f"'{path}' has no signature 'serving_default'"
                f" (it has: {', '.join(loaded.signatures) or 'none'})",
                hint="export it again with model.export(folder)",
            )
        graph_def, old_inputs, old_outputs = _constant_graph(signature)
        keys = list(signature.structured_input_signature[1])
        by_name = {name.split(":")[0]: name for name in old_inputs}
        ordered = [by_name.get(key, old) for key, old in zip(keys, old_inputs, strict=True)]
        specs = [signature.structured_input_signature[1][key] for key in keys]
        inputs = tuple(_info(k, s.shape, s.dtype) for k, s in zip(keys, specs, strict=True))
        results = sorted(signature.structured_outputs.items())
        outputs = [TensorInfo(key, (), value.dtype.name) for key, value in results]
        function, outputs_found = _rebuild(
            graph_def, {}, list(zip(ordered, inputs, strict=True)),
            list(zip(old_outputs, outputs, strict=True)),
        )  # fmt: skip
    return FrozenModel(function, inputs, outputs_found)


def _info(name: str, shape: Any, dtype: Any) -> TensorInfo:
    sizes = [1, *shape[1:]]
    if None in sizes:
        raise QuantizationError(
            f"input '{name}' has shape {tuple(shape)}; .tflite needs fixed sizes",
            hint="export the model with a full input shape",
        )
    return TensorInfo(name, tuple(int(size) for size in sizes), dtype.name)


def _constant_graph(concrete: Any) -> tuple[Any, list[str], list[str]]:
    """GraphDef with the weights as constants; names of its input and output tensors."""
    to_constants = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    frozen = to_constants.convert_variables_to_constants_v2(concrete, lower_control_flow=False)
    graph_def = frozen.graph.as_graph_def()
    for node in graph_def.node:
        # Gradients of swish and the like are of no use here, and cannot be imported again.
        if "_gradient_op_type" in node.attr:
            del node.attr["_gradient_op_type"]
    return graph_def, [t.name for t in frozen.inputs], [t.name for t in frozen.outputs]


def _rebuild(
    graph_def: Any,
    names: dict[str, str],
    inputs: list[tuple[str, TensorInfo]],
    outputs: list[tuple[str, TensorInfo]],
) -> tuple[Any, tuple[TensorInfo, ...]]:
    """The graph as a function of named, fixed-size inputs; shapes are inferred afresh."""
    flow = import_tensorflow()
    # An input and output may be called as a node is: those nodes step aside.
    public = {node_name(info.name) for _, info in (*inputs, *outputs)}
    for node in graph_def.node:
        if names.get(node.name, node.name) in public:
            names[node.name] = f"{names.get(node.name, node.name)}/inner"
    rename_nodes(graph_def, names)

    def renamed(tensor: str) -> str:
        node, _, port = tensor.partition(":")
        return f"{names.get(node, node)}:{port}"

    def build() -> None:
        fed = {
            renamed(old): flow.compat.v1.placeholder(info.dtype, info.shape, node_name(info.name))
            for old, info in inputs
        }
        wanted = [renamed(old) for old, _ in outputs]
        values = flow.graph_util.import_graph_def(
            graph_def, input_map=fed, return_elements=wanted, name=""
        )
        for value, (_, info) in zip(values, outputs, strict=True):
            flow.identity(value, name=node_name(info.name))

    wrapped = flow.compat.v1.wrap_function(build, [])
    tensor = wrapped.graph.get_tensor_by_name
    feeds = [tensor(f"{node_name(info.name)}:0") for _, info in inputs]
    fetches = [tensor(f"{node_name(info.name)}:0") for _, info in outputs]
    infos = tuple(
        TensorInfo(info.name, tuple(int(d) for d in fetch.shape), fetch.dtype.name)
        for fetch, (_, info) in zip(fetches, outputs, strict=True)
    )
    return wrapped.prune(feeds, fetches), infos


def node_name(name: str) -> str:
    """A name that TensorFlow takes for a node.

    >>> node_name("my scores")
    'my_scores'
    """
    text = re.sub(r"[^A-Za-z0-9_.\-/>]", "_", name)
    return text if re.match(r"[A-Za-z0-9.]", text) else f"x{text}"
