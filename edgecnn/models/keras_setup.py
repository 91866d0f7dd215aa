"""The one place that imports Keras for models and training: on use, quietly, with a backend."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec
from typing import Any

from edgecnn.core.errors import MissingExtraError
from edgecnn.core.quiet import held_stderr

# Keras' own name of a backend → the module that it needs, in the order in which we choose.
BACKENDS = {"tensorflow": "tensorflow", "jax": "jax", "torch": "torch"}


def import_keras() -> Any:
    """Imports Keras 3 with the backend of ``KERAS_BACKEND``, else the first that is installed.

    Returns:
        The ``keras`` module.

    Raises:
        MissingExtraError: Keras or a backend is not installed.
    """
    # TensorFlow reads these while it is imported: its banner is no news to the user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if find_spec("keras") is None:
        raise MissingExtraError("training", "keras", "train")
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted is None:
        present = [name for name, module in BACKENDS.items() if find_spec(module) is not None]
        if not present:
            raise MissingExtraError("training", "tensorflow", "train")
        os.environ["KERAS_BACKEND"] = present[0]
    elif find_spec(BACKENDS.get(wanted, wanted)) is None:
        raise MissingExtraError(f"training with KERAS_BACKEND={wanted}", wanted, "train")
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with held_stderr():
        return importlib.import_module("keras")


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
