"""Files that the compiler of an accelerator wrote: they run there and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from edgecnn.core.errors import ModelError
from edgecnn.core.tflite.model import TfModel

#: Custom ops that the compilers leave in place of the ops that they took.
VELA_OP = "ethos-u"
EDGE_TPU_OP = "edgetpu-custom-op"


def refuse_vela(custom_codes: Iterable[str], source: str) -> None:
    """Raises for what Vela wrote: nothing here runs it, and its graph leaves tensors to the driver.

    Args:
        custom_codes: of the file's list of ops.
        source: what the message calls the file.

    Raises:
        ModelError: one of them is Vela's.
    """
    if VELA_OP in custom_codes:
        raise ModelError(
            f"'{source}' is compiled for an Arm Ethos-U by Vela: only that NPU's driver runs it",
            hint="give the .tflite that Vela was given; what Vela wrote goes into the firmware",
        )


def is_edge_tpu_model(model: TfModel) -> bool:
    """Whether the file comes from the Edge TPU compiler."""
    return any(op.custom_code == EDGE_TPU_OP for op in model.main.operators)


def refuse_edge_tpu(model: TfModel) -> None:
    """Raises where only a Coral can run the model.

    Raises:
        ModelError: it comes from the Edge TPU compiler.
    """
    if is_edge_tpu_model(model):
        raise ModelError(
            f"the model is compiled for the Edge TPU ({EDGE_TPU_OP}): it runs only on a Coral, with"
            " libedgetpu",
            hint="give the .tflite that the Edge TPU compiler was given; edgecnn detect, eval and"
            " bench run this one on a Coral with -t coral-usb",
        )
