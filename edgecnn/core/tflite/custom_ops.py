"""What to do about a custom op that nothing here runs."""

from __future__ import annotations

from edgecnn.core.tflite.compiled import EDGE_TPU_OP

#: Custom ops that LiteRT's own resolver brings along.
IN_LITERT = ("AudioSpectrogram", "Mfcc", "NumericVerify", "TFLite_Detection_PostProcess")


def custom_op_cure(code: str) -> str:
    """The change to the model, or the other file to give.

    Args:
        code: the op's own name, for example ``FlexErf`` or ``edgetpu-custom-op``.
    """
    if code.startswith("Flex"):
        return "convert again without SELECT_TF_OPS, with ops that LiteRT has"
    if code == EDGE_TPU_OP:
        return "give the .tflite that the Edge TPU compiler was given"
    return "leave the op out of the model and compute it outside"
