"""Makes the :class:`targets.base.ModelFile` that targets work on: from a file or a bundle."""

from __future__ import annotations

from pathlib import Path

from edgecnn.core.bundle import Bundle, Golden
from edgecnn.core.files import sha256_bytes
from edgecnn.core.tflite.metadata import specs
from edgecnn.core.tflite.reader import read_model_file
from targets.base import ModelFile


def load_model_file(path: Path) -> ModelFile:
    """A bare .tflite; what its outputs mean comes from its metadata, if that says so.

    The golden vector is the one that ``edgecnn quantize`` wrote beside it, if it is still there.

    Raises:
        ModelError: it cannot be read or is no .tflite.
        BundleError: the golden vector beside it is damaged.
    """
    data, model = read_model_file(path)
    _, postprocess = specs(model)
    vector = path.with_suffix(".golden.npz")
    golden = Golden.from_bytes(vector.read_bytes()) if vector.is_file() else None
    return ModelFile(path, data, sha256_bytes(data), model, golden=golden, postprocess=postprocess)


def from_bundle(bundle: Bundle, recipe: str | None = None) -> ModelFile:
    """A bundle's variant with its golden vector; None: the default variant.

    Raises:
        BundleError: there is no such variant, or the bundle is damaged.
        ModelError: the variant's model cannot be read.
    """
    name = recipe or bundle.manifest.default_variant
    path = bundle.variant_model(name)
    data, model = read_model_file(path)
    return ModelFile(
        path,
        data,
        sha256_bytes(data),
        model,
        golden=bundle.golden(name),
        postprocess=bundle.postprocess if bundle.has("postprocess.json") else None,
        recipe=name,
    )
