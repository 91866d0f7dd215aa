"""Limits of layers with weights or windows: convolutions, dense, pooling, activations, LSTM."""

from __future__ import annotations

from math import prod

from targets.coral.rules.view import LIMITATION, OpView, Rule, shape_text

MAX_SOFTMAX = 16384  # the table says 16,000; compiled files with 16,384 exist


def no_fused_activation(op: OpView) -> str | None:
    """The op must not have a fused activation."""
    fused = op.option("fused_activation_function", "NONE")
    return None if fused in ("NONE", None) else str(fused)


def same_dilation(op: OpView) -> str | None:
    """Dilation must be the same in x and y (an axis where the kernel is 1 wide does not count)."""
    across, down = op.option("dilation_w_factor", 1), op.option("dilation_h_factor", 1)
    weights = op.input(1)
    if across == down or weights is None or len(weights.shape) != 4:
        return None
    kernel_h, kernel_w = weights.shape[1:3]
    # A 3×1 kernel with dilation (2, 1) was mapped: dilation means nothing across one tap.
    if kernel_h == 1 or kernel_w == 1:
        return None
    return f"{down} down, {across} across, kernel {kernel_h}×{kernel_w}"


def default_weight_format(op: OpView) -> str | None:
    """Weights must be in the default format."""
    layout = op.option("weights_format", "DEFAULT")
    return None if layout in ("DEFAULT", None) else str(layout)


def one_dimensional_output(op: OpView) -> str | None:
    """The output must be one-dimensional: all but the last dimension are 1."""
    output = op.output
    if output is None or prod(output.shape[:-1]) == 1:
        return None
    return shape_text(output)


def one_dimensional_alpha(op: OpView) -> str | None:
    """Alpha must be one-dimensional: only its last dimension may exceed 1."""
    alpha = op.input(1)
    if alpha is None or prod(alpha.shape[:-1]) == 1:
        return None
    return shape_text(alpha)


def one_dimensional_input(op: OpView) -> str | None:
    """The input must be one-dimensional: all but the last dimension are 1."""
    data = op.input(0)
    if data is None or prod(data.shape[:-1]) == 1:
        return None
    return shape_text(data)


def short_softmax(op: OpView) -> str | None:
    """The input must have at most 16,384 elements."""
    data = op.input(0)
    return None if data is None or data.elements <= MAX_SOFTMAX else f"{data.elements:,}"


NO_FUSED_ACTIVATION = Rule(
    no_fused_activation,
    LIMITATION,
    "put the activation into the layer before it, or make it a layer of its own",
)
_DILATION = Rule(same_dilation, LIMITATION, "use the same dilation_rate in x and y")

RULES: dict[str, tuple[Rule, ...]] = {
    "CONV_2D": (_DILATION,),
    "DEPTHWISE_CONV_2D": (_DILATION,),
    "TRANSPOSE_CONV": (),
    "FULLY_CONNECTED": (
        Rule(default_weight_format, LIMITATION, "convert again without shuffled weights"),
        Rule(
            one_dimensional_output,
            LIMITATION,
            "flatten before the dense layer, or use a 1×1 convolution instead",
        ),
    ),
    "AVERAGE_POOL_2D": (NO_FUSED_ACTIVATION,),
    "MAX_POOL_2D": (NO_FUSED_ACTIVATION,),
    "PRELU": (Rule(one_dimensional_alpha, LIMITATION, "PReLU(shared_axes=[1, 2])"),),
    "SOFTMAX": (
        Rule(
            one_dimensional_input,
            LIMITATION,
            "drop the softmax from the model and apply it on the host",
        ),
        Rule(short_softmax, LIMITATION, "drop the softmax and apply it on the host"),
    ),
    "L2_NORMALIZATION": (),
    "LOGISTIC": (),
    "RELU": (),
    "RELU6": (),
    "RELU_N1_TO_1": (),
    "TANH": (),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
}
