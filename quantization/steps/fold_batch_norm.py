"""Folds constant scales and shifts into the layer before or after them, and fuses activations.

Batch normalization at inference is y = γ·(x − μ)/σ + β, one multiplication and one addition per
channel; beside a convolution both are part of its weights and bias (Jacob et al. 2018,
arXiv 1712.05877, section 3.2). Left alone, each would be an int8 op of its own that rounds the
values again, with all channels' constants on one scale.

TensorFlow's converter folds most of them; files of other origin, and batch norms behind a pooling
or in front of a convolution, still hold them. Three rewrites, until none applies:

1. MUL, DIV, ADD, SUB by constants after CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED or
   TRANSPOSE_CONV become part of its weights and bias, also across ops that treat all elements of
   a channel alike (RESHAPE, pools …). The layer must have no activation and no other reader.
2. The same in front of such a layer: a scale always, a shift only where no padding is read, since
   padding would have to hold the shift.
3. RELU, RELU6, RELU_N1_TO_1 (also as MAXIMUM and MINIMUM) become the layer's own activation.

The function stays the same up to float rounding; the products are made in float64. Tensors that
survive keep their name and their values; a tensor between a layer and a pool that holds other
values now is named after both. BN → ReLU → convolution (ResNet v2, DenseNet) cannot be folded and
stays MUL + ADD.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecnn.core.tflite.model import TfModel, TfOperator
from quantization.steps.fold_affine import (
    ACTIVATION,
    Affine,
    Float64,
    across,
    affine,
    commutes_with_clipping,
    per_channel,
)
from quantization.steps.fold_draft import Draft, Edited
from quantization.steps.fold_layer import LAYERS, Layer, layer_of
from quantization.work import StepContext, StepOutcome, Work

NAME = "fold-batch-norm"
_FUSABLE = LAYERS | {"ADD", "SUB", "MUL", "DIV", "MAX_POOL_2D", "AVERAGE_POOL_2D"}
_CLIPS = ("RELU", "RELU6", "RELU_N1_TO_1")


def apply(work: Work, context: StepContext) -> StepOutcome:
    """Folds what can be folded; see the module."""
    context.progress.stage("fold batch norms")
    edited, folded, fused = fold(work.model)
    if not folded + fused:
        return StepOutcome(work, "nothing to fold", applied=False)
    note = f"folded {folded} scales and shifts into layers, fused {fused} activations"
    return StepOutcome(edited.carried(work), note)


def fold(model: TfModel) -> tuple[Edited, int, int]:
    """The folded model, how many MUL, DIV, ADD and SUB went, and how many activations."""
    draft = Draft(model)
    folded = fused = 0
    changed = True
    while changed:
        changed = False
        for index in sorted(draft.operators):
            op = draft.operators.get(index)
            if op is None or not op.outputs:
                continue
            found = affine(draft, op)
            if found and (_fold_after(draft, found) or _fold_before(draft, found)):
                folded, changed = folded + 1, True
            elif _fuse_activation(draft, op):
                fused, changed = fused + 1, True
    return draft.finish(), folded, fused


def _fold_after(draft: Draft, found: Affine) -> bool:
    """Rewrite 1."""
    shape = draft.tensors[found.op.outputs[0]].shape
    scale, shift = per_channel(found.scale, shape), per_channel(found.shift, shape)
    if scale is None or shift is None:
        return False
    clip = found.op.options.get(ACTIVATION, "NONE")
    path: list[TfOperator] = []
    tensor = found.data
    while True:
        op = draft.writer(tensor)
        if op is None or not draft.read_once(tensor):
            return False
        layer = layer_of(draft, op)
        if layer is not None:
            break
        if not across(draft, op, scale, shift):
            return False
        path.append(op)
        tensor = op.inputs[0]
    if op.options.get(ACTIVATION, "NONE") != "NONE":
        return False
    weights, bias = layer.scaled_outputs(scale), layer.bias * scale + shift
    if not layer.fits(weights, bias):
        return False
    if clip != "NONE" and not all(commutes_with_clipping(item) for item in path):
        # The pool next to it can take the activation itself.
        if path[0].code != "AVERAGE_POOL_2D":
            return False
        draft.replace(replace(path[0], options={**path[0].options, ACTIVATION: clip}))
        clip = "NONE"
    layer.rewrite(draft, weights, bias, clip)
    _take_over(draft, found.op, [*path, op])
    return True


def _take_over(draft: Draft, gone: TfOperator, path: list[TfOperator]) -> None:
    """Removes ``gone``; the op before it writes its output now.

    ``path`` leads from that op up to the layer; the tensors on it get new names, because they hold
    other values than before.
    """
    out = draft.tensors[gone.outputs[0]]
    draft.remove(gone)
    for position in range(len(path) - 1):
        old = draft.tensors[path[position + 1].outputs[0]]
        fresh = draft.add(f"{old.name};{out.name}", old.shape, old)
        op = draft.operators[path[position].index]
        draft.replace(replace(op, inputs=(fresh, *op.inputs[1:])))
        above = draft.operators[path[position + 1].index]
        draft.replace(replace(above, outputs=(fresh, *above.outputs[1:])))
    first = draft.operators[path[0].index]
    draft.replace(replace(first, outputs=(out.index, *first.outputs[1:])))


def _fold_before(draft: Draft, found: Affine) -> bool:
    """Rewrite 2; all readers must take it."""
    op = found.op
    if op.options.get(ACTIVATION, "NONE") != "NONE":
        return False
    readers = draft.readers(op.outputs[0])
    shape = draft.tensors[op.outputs[0]].shape
    if not readers or len({reader.index for reader in readers}) != len(readers):
        return False
    plans = [_plan_before(draft, found, shape, reader) for reader in readers]
    done = [plan for plan in plans if plan is not None]
    if len(done) != len(plans) or not all(layer.fits(w, b) for layer, w, b in done):
        return False
    for layer, weights, bias in done:
        layer.rewrite(draft, weights, bias, layer.clip)
    for reader in readers:
        current = draft.operators[reader.index]
        inputs = tuple(found.data if i == op.outputs[0] else i for i in current.inputs)
        draft.replace(replace(current, inputs=inputs))
    draft.remove(op)
    return True


def _plan_before(
    draft: Draft, found: Affine, shape: tuple[int, ...], reader: TfOperator
) -> tuple[Layer, Float64, Float64] | None:
    """The layer behind a reader, with the weights and bias that absorb the op before it."""
    scale, shift = found.scale, found.shift
    op = reader
    if op.code == "RESHAPE" and draft.read_once(op.outputs[0]):
        moved = draft.tensors[op.outputs[0]].shape
        scale = np.broadcast_to(scale, shape).reshape(moved)
        shift = np.broadcast_to(shift, shape).reshape(moved)
        shape, op = moved, (draft.readers(op.outputs[0]) or [op])[0]
    layer = layer_of(draft, op)
    if layer is None or reader.inputs[0 if op is not reader else layer.slot] != found.op.outputs[0]:
        return None
    if op is not reader and op.inputs[layer.slot] != reader.outputs[0]:
        return None
    rows = layer.input_shape(shape)
    scales, shifts = (
        per_channel(np.broadcast_to(v, shape).reshape(rows) if v.size > 1 else v, rows)
        for v in (scale, shift)
    )
    if scales is None or shifts is None or (shifts.any() and layer.pads):
        return None
    bias = layer.bias + layer.constant_input(shifts)
    return layer, layer.scaled_inputs(scales), bias


def _fuse_activation(draft: Draft, op: TfOperator) -> bool:
    """Rewrite 3."""
    clip = _clip_of(draft, op)
    if clip is None:
        return False
    name, tensor = clip
    path: list[TfOperator] = []
    target: list[TfOperator] = []
    joined = ""
    while True:
        above = draft.writer(tensor)
        if above is None or not draft.read_once(tensor):
            break
        path.append(above)
        if above.code in _FUSABLE and ACTIVATION in above.options:
            new = _composed(above.options[ACTIVATION], name)
            if new is not None:
                target, joined = list(path), new
        # A maximum commutes too; the layer above it then has the narrower range.
        plain = above.options.get(ACTIVATION, "NONE") == "NONE"
        if not (commutes_with_clipping(above) or (above.code == "MAX_POOL_2D" and plain)):
            break
        tensor = above.inputs[0]
    if not target:
        return False
    layer = target[-1]
    version = max(layer.version, 4) if layer.code == "TRANSPOSE_CONV" else layer.version
    options = {**layer.options, ACTIVATION: joined}
    draft.replace(replace(layer, options=options, version=version))
    _take_over(draft, op, target)
    return True


def _clip_of(draft: Draft, op: TfOperator) -> tuple[str, int] | None:
    """An op that clips, by the activation's name, and the tensor that it clips."""
    if op.code in _CLIPS:
        return op.code, op.inputs[0]
    if op.code not in ("MAXIMUM", "MINIMUM"):
        return None
    bound = {("MAXIMUM", 0.0): "RELU", ("MINIMUM", 6.0): "UP_TO_6"}
    for data, limit in (op.inputs, op.inputs[::-1]):
        values = draft.constant(limit)
        if values is not None and values.size == 1 and draft.constant(data) is None:
            name = bound.get((op.code, float(values.reshape(()))))
            same = draft.tensors[data].shape == draft.tensors[op.outputs[0]].shape
            return (name, data) if name and same else None
    return None


def _composed(first: str, then: str) -> str | None:
    """The activation that does ``first``, then ``then``; None where there is none."""
    table = {
        ("NONE", "RELU"): "RELU",
        ("NONE", "RELU6"): "RELU6",
        ("NONE", "RELU_N1_TO_1"): "RELU_N1_TO_1",
        ("RELU", "RELU"): "RELU",
        ("RELU", "RELU6"): "RELU6",
        ("RELU", "UP_TO_6"): "RELU6",
        ("RELU6", "RELU"): "RELU6",
        ("RELU6", "RELU6"): "RELU6",
        ("RELU6", "UP_TO_6"): "RELU6",
        ("RELU_N1_TO_1", "RELU_N1_TO_1"): "RELU_N1_TO_1",
    }
    return table.get((first, then))
