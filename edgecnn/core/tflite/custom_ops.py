"""What to do about a custom op that nothing here runs."""

from __future__ import annotations


def custom_op_cure(code: str) -> str:
    """The change to the model, or the other file to give.

    Args:
        code: the op's own name, for example ``FlexErf`` or ``edgetpu-custom-op``.
    """
    if code.startswith("Flex"):
        return "convert again without SELECT_TF_OPS, with ops that LiteRT has"
    if code == "edgetpu-custom-op":
        return "use the model from before the Edge TPU compiler"
    if code == "ethos-u":
        return "use the model from before Vela"
    return "leave the op out of the model and compute it outside"
