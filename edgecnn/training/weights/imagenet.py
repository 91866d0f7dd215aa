"""The weights of ImageNet that Keras itself distributes, for a MobileNet v2 of full width.

Keras' own downloader fetches them once into its folder and compares their hash. Where there is no
network, the file is laid there by hand. Many public projects pin the same hash; Keras pins none.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError
from edgecnn.models.keras_setup import import_keras
from edgecnn.training.weights.keras_source import keras_source
from edgecnn.training.weights.net import ByteMeaning, SourceNet

IMAGENET = "imagenet"
FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
URL = f"https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/{FILE}"
SHA256 = "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"
_SIZE = 224


def imagenet_source() -> SourceNet:
    """MobileNet v2 ×1.0 with the weights of ImageNet.

    Raises:
        ModelError: the file is not there and cannot be fetched, or is another one.
        MissingExtraError: Keras is not installed.
    """
    keras = import_keras()
    path = weights_file(keras)
    model = keras.applications.MobileNetV2(weights=None, input_shape=(_SIZE, _SIZE, 3))
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise _unusable(path, "does not hold a MobileNet v2") from error
    meaning = ByteMeaning(
        (1 / 127.5,), (-1.0,), "rgb", "Keras' own preprocess_input for these weights"
    )
    return keras_source(IMAGENET, "keras", model, meaning=meaning)


def keras_home() -> Path:
    """The folder where Keras keeps what it downloads."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def weights_file(keras: Any) -> Path:
    """The file in Keras' folder, downloaded where it is not there yet.

    Args:
        keras: the module.

    Raises:
        ModelError: it cannot be fetched, or is another one.
    """
    path = keras_home() / "models" / FILE
    if not path.is_file():
        try:
            # Its progress is no output of ours; every failure of the network is an Exception.
            with redirect_stdout(sys.stderr):
                got = keras.utils.get_file(
                    FILE, URL, cache_dir=str(keras_home()), cache_subdir="models",
                    file_hash=SHA256, hash_algorithm="sha256",
                )  # fmt: skip
        except Exception as error:
            # "URL fetch failure on …: number -- reason"
            reason = str(error).rpartition(" -- ")[2].strip().partition("\n")[0]
            raise ModelError(
                f"the weights of ImageNet are not at '{path}', and cannot be downloaded"
                f" ({reason[:120] or type(error).__name__})",
                hint=f"put {URL} there, or give another model's file to --weights",
            ) from error
        path = Path(got)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise _unusable(path, f"has the SHA-256 {found[:16]}…, expected {SHA256[:16]}…")
    return path


def _unusable(path: Path, what: str) -> ModelError:
    return ModelError(f"'{path}' {what}", hint=f"delete it, and get {URL} again")
