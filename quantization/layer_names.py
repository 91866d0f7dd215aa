"""From TensorFlow's node names back to the names of Keras layers.

Keras opens each layer's name scope twice per call (once to build, once to call), and TensorFlow
numbers the second: the nodes of layer ``conv`` are called ``model_1/conv_1/convolution``, those of
a layer ``conv_1`` ``model_1/conv_1_1/…`` or ``model_1/conv_1_2/…``. Reports, findings and generated
C would name the wrong layers, so the graph's nodes are renamed before it is converted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from edgecnn.core.tflite.model import TfModel

_NUMBERED = re.compile(r"(.+)_\d+")
# Of the names that a fused op has, the one that did the work; the converter adds a digit to it.
_WORK: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "CONV_2D": re.compile(r"(.*/convolution)\d*"),
        "DEPTHWISE_CONV_2D": re.compile(r"(.*/(?:depthwise|convolution))\d*"),
        "TRANSPOSE_CONV": re.compile(r"(.*/conv_transpose)\d*"),
        "FULLY_CONNECTED": re.compile(r"(.*/(?:MatMul|convolution))\d*"),
    }
)


def layer_segment(segment: str, layers: frozenset[str], *, numbered: bool = True) -> str:
    """One part of a node name as the layer's own name, where it is a layer's.

    Args:
        segment: part of a node name between slashes.
        layers: names of all layers.
        numbered: whether this graph's scopes were opened twice, so that a number was added.

    >>> layers = frozenset({"conv", "conv_1"})
    >>> [layer_segment(s, layers) for s in ("conv_1", "conv_1_2", "Relu6_1")]
    ['conv', 'conv_1', 'Relu6_1']
    """
    if not numbered and segment in layers:
        return segment
    match = _NUMBERED.fullmatch(segment)
    if match and match.group(1) in layers:
        return match.group(1)
    return segment


def layer_node_names(
    nodes: Iterable[str], layers: frozenset[str], model_name: str
) -> dict[str, str]:
    """New names for graph nodes: layers under their own names, without the model's in front.

    Args:
        nodes: all node names of the graph.
        layers: names of all layers, nested models' too.
        model_name: the outermost scope.

    Returns:
        Old name → new name, only where they differ; new names are unique.
    """
    nodes = list(nodes)
    roots = {name.split("/", 1)[0] for name in nodes if "/" in name}
    numbered = model_name not in roots
    taken = set(nodes)
    result: dict[str, str] = {}
    for name in nodes:
        parts = name.split("/")
        if len(parts) < 2:
            continue
        if layer_segment(parts[0], frozenset({model_name}), numbered=numbered) == model_name:
            parts = parts[1:]
        new = "/".join(layer_segment(part, layers, numbered=numbered) for part in parts)
        if new != name and new not in taken:
            taken.add(new)
            result[name] = new
    return result


def rename_nodes(graph_def: Any, names: dict[str, str]) -> None:
    """Renames nodes of a GraphDef in place, references included."""
    for node in graph_def.node:
        node.name = names.get(node.name, node.name)
        for position, reference in enumerate(node.input):
            control = "^" if reference.startswith("^") else ""
            base, colon, port = reference.removeprefix("^").partition(":")
            node.input[position] = control + names.get(base, base) + colon + port
        if "_class" in node.attr:  # colocation hints name nodes, and mean nothing here
            del node.attr["_class"]


def tensor_names(model: TfModel, layers: frozenset[str]) -> dict[int, str]:
    """Short names for op outputs: the layer's name, or ``<layer>/<op>`` if it has several ops.

    A fused op's name lists all nodes that went into it, ``relu/Relu6;bn/mul_1;conv/convolution``;
    it gets the name of the layer that computes, ``conv``.

    Args:
        model: a converted file.
        layers: names of all Keras layers.

    Returns:
        Tensor index → new name; inputs and outputs of the model stay out.
    """
    graph = model.main
    public = {*graph.inputs, *graph.outputs}
    tokens: dict[int, str] = {}
    for op in graph.operators:
        for index in op.outputs:
            parts = graph.tensors[index].name.split(";")
            work = _WORK.get(op.code)
            telling = [found[1] for part in parts if work and (found := work.fullmatch(part))]
            tokens[index] = (telling or parts)[0]
    owners = {index: _owner(token, layers) for index, token in tokens.items()}
    used = Counter(owners.values())
    used.update(graph.tensors[index].name for index in public)
    names = {i: owners[i] if used[owners[i]] == 1 else token for i, token in tokens.items()}
    repeated = Counter(names.values())
    return {i: n for i, n in names.items() if i not in public and repeated[n] == 1}


def _owner(token: str, layers: frozenset[str]) -> str:
    """The layer that a node belongs to: the longest leading part that is a layer's name."""
    parts = token.split("/")
    for end in range(len(parts), 0, -1):
        if parts[end - 1] in layers:
            return "/".join(parts[:end])
    return token
