"""Finds an Edge TPU on this machine and runs compiled models on it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from ctypes.util import find_library
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecnn.core.child_process import run_child
from edgecnn.core.errors import TargetError
from edgecnn.core.runtime import Predictor, TensorInfo, runtime_name, tensor_infos
from edgecnn.core.tflite.compiled import is_edge_tpu_model
from targets.base import ModelFile

_USB = Path("/sys/bus/usb/devices")
_TIMEOUT_S = 60.0
_TRY = """
import sys
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.runtime import LiteRTPredictor
try:
    predictor = LiteRTPredictor(sys.stdin.buffer.read(), threads=1, delegate=sys.argv[1])
    predictor.predict(lcg_inputs(predictor.inputs))
except EdgecnnError:
    pass  # is said, where it is run in earnest
"""


def edge_tpu_library(usb_ids: tuple[str, ...], device: str | None) -> str:
    """The name of libedgetpu, where it and an accelerator are there.

    Raises:
        TargetError: one of them is missing, or another device was asked for.
    """
    missing = [] if usb_device_present(usb_ids) else ["no Edge TPU on USB"]
    library = find_library("edgetpu")
    if library is None:
        missing.append("no libedgetpu")
    if library is None or missing or device not in (None, "local"):
        where = f" at '{device}'" if device not in (None, "local") else ""
        raise TargetError(
            f"no Edge TPU found to run on{where} ({', '.join(missing) or 'not local'})",
            hint="edgecnn check -t coral-usb predicts the mapping without a device;"
            " -t host runs the model on this machine's CPU",
        )
    return library


def usb_device_present(usb_ids: tuple[str, ...], root: Path = _USB) -> bool:
    """Whether a device with one of the ``vendor:product`` ids is on USB (Linux)."""
    for folder in root.glob("*"):
        try:
            vendor = (folder / "idVendor").read_text().strip()
            product = (folder / "idProduct").read_text().strip()
        except OSError:
            continue
        if f"{vendor}:{product}" in usb_ids:
            return True
    return False


def refuse_crash(library: str, model: bytes) -> None:
    """Runs a compiled model once in a process of its own, which a wrong libedgetpu takes down.

    Google's libedgetpu is built for TensorFlow 2.5 and ends the process with a segmentation fault
    in LiteRT from 2.12 on (https://github.com/google-coral/edgetpu/issues/812).

    Raises:
        TargetError: it crashed, or gave no answer.
    """
    try:
        done = run_child(("-c", _TRY, library), model, timeout_s=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise TargetError(
            f"the Edge TPU did not answer in {_TIMEOUT_S:g} s",
            hint="unplug it and plug it in again; end other programs that use it",
        ) from error
    except OSError:
        return  # without a child there is no trial
    code = done.returncode
    if 0 <= code < 256:  # on Windows a crash is a large number
        return
    how = signal.Signals(-code).name if code < 0 else hex(code)
    raise TargetError(
        f"'{library}' crashes in {runtime_name()} ({how})",
        hint="install a libedgetpu that is built for this version of LiteRT: Google's own is built"
        " for TensorFlow 2.5, and crashes from 2.12 on (google-coral/edgetpu, issue 812)",
    )


def is_compiled(model: ModelFile) -> bool:
    """Whether the file comes from the Edge TPU compiler."""
    return is_edge_tpu_model(model.model)


class ByName:
    """A compiled model under the original's tensor names; a :class:`Predictor` of its own.

    Args:
        compiled: runs what the compiler made of ``original``.
        original: the model before the compiler, whose tensors have the same order.
    """

    def __init__(self, compiled: Predictor, original: ModelFile) -> None:
        self._compiled = compiled
        self._inputs, self._outputs = tensor_infos(original.model)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The original's inputs."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The original's outputs."""
        return self._outputs

    def predict(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Runs the compiled model once, from a fresh state."""
        given = (inputs[info.name] for info in self._inputs)
        names = (info.name for info in self._compiled.inputs)
        results = self._compiled.predict(dict(zip(names, given, strict=True)))
        return dict(zip((info.name for info in self._outputs), results.values(), strict=True))
