"""The size of an image input that a file leaves open: by the user, the file, or as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

from edgecnn.core.errors import DataError
from edgecnn.core.files import sha256_bytes
from edgecnn.core.tensor_info import open_shapes, tensor_infos
from edgecnn.core.tflite.file_metadata import read_file_metadata
from edgecnn.core.tflite.open_inputs import with_input_shapes
from targets.base import ModelFile

Size = tuple[int, int]
# MoveNet MultiPose: 6 people, 17 points of 3 values, a box and its score; its authors run it with
# the longer side at 256 pixels.
_MULTI_POSE, _MULTI_POSE_SIZE = (1, 6, 56), (256, 256)


def with_input_size(model: ModelFile, size: Size | None) -> ModelFile:
    """The model with a size for its open image input; others stay as they are.

    Args:
        model: a .tflite.
        size: width and height in pixels; None: as the file's metadata has it, or as published for
            its kind.

    Raises:
        DataError: an input is open and nobody says its size, or a size is given and none is open.
    """
    open_ = {name: shape for name, shape in open_shapes(model.model).items() if _image(shape)}
    if not open_:
        if size is not None:
            raise DataError(
                f"--input-size is for inputs whose size is open; those of '{model.path.name}'"
                " are fixed",
                hint="leave it out",
            )
        return model
    width, height = size or _told(model) or _unsaid(model, open_)
    shapes = {name: (1, height, width, shape[3]) for name, shape in open_.items()}
    data, read = with_input_shapes(model.data, model.model, shapes)
    return replace(model, data=data, sha256=sha256_bytes(data), model=read)


def _told(model: ModelFile) -> Size | None:
    """Width and height by the metadata, else as published for the kind; None: neither."""
    metadata = read_file_metadata(model.data, model.model)
    maker = metadata.ultralytics
    sizes = [note.image_hw for note in metadata.inputs] + [maker.image_hw if maker else None]
    said = next((size for size in sizes if size is not None and min(size) > 0), None)
    if said is not None:
        return said[1], said[0]
    outputs = tensor_infos(model.model)[1]
    return _MULTI_POSE_SIZE if any(info.shape == _MULTI_POSE for info in outputs) else None


def _unsaid(model: ModelFile, open_: Mapping[str, tuple[int, ...]]) -> NoReturn:
    raise DataError(
        f"'{model.path.name}' leaves the size of its input open: "
        + ", ".join(f"{name} {list(shape)}" for name, shape in open_.items()),
        hint="say it: --input-size WIDTH HEIGHT",
    )


def _image(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] in (1, 3)
