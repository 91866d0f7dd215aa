"""The one place that imports Keras for models and training: on use, quietly, with a backend."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from typing import Any

from edgecnn.core.errors import MissingExtraError
from edgecnn.core.quiet import held_stderr

# Keras' names of its backends, which are their modules' names too; Keras' own choice first.
BACKENDS = ("tensorflow", "jax", "torch")


def import_keras() -> Any:
    """Imports Keras 3, quietly.

    The backend is that of ``KERAS_BACKEND`` or of the user's keras.json; where TensorFlow is not
    installed and nothing is said, the first of JAX and PyTorch that is.

    Returns:
        The ``keras`` module.

    Raises:
        MissingExtraError: Keras or the backend is not installed.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    # TensorFlow reads these while it is imported: its banner is no news to the user, and taking
    # the whole GPU at once would lock others out.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if find_spec("keras") is None:
        raise MissingExtraError("training", "keras", "train")
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted is None:
        present = [name for name in BACKENDS if find_spec(name) is not None]
        if not present:
            raise MissingExtraError("training", "tensorflow", "train")
        if present[0] != BACKENDS[0]:
            os.environ["KERAS_BACKEND"] = present[0]
    elif find_spec(wanted) is None:
        raise MissingExtraError(f"training with KERAS_BACKEND={wanted}", wanted, "train")
    try:
        with held_stderr():
            return importlib.import_module("keras")
    except ModuleNotFoundError as error:  # keras.json names a backend that is not there
        raise MissingExtraError("training", error.name or "keras", "train") from error


def seed_everything(seed: int) -> None:
    """Seeds Python's, numpy's and the backend's generators, so that initial weights repeat."""
    import_keras().utils.set_random_seed(seed)


def device_name() -> str:
    """What the backend computes on: ``GPU (tensorflow)``, ``CPU (torch)`` …; never raises."""
    backend = str(import_keras().backend.backend())
    gpu = False
    if backend == "tensorflow":
        gpu = bool(importlib.import_module("tensorflow").config.list_physical_devices("GPU"))
    elif backend == "jax":
        gpu = importlib.import_module("jax").default_backend() in ("gpu", "cuda", "rocm")
    elif backend == "torch":
        gpu = bool(importlib.import_module("torch").cuda.is_available())
    return f"{'GPU' if gpu else 'CPU'} ({backend})"
