"""Frames to tensors, and boxes back: what :mod:`edgecnn.core.preprocess`'s image spec says, done.

The order is fixed, so that the C twin can follow it: crop, resize, gray or colour order, pad,
table. For a frame of fw × fh and a tensor of W × H pixels, in whole numbers:

* ``stretch``: the whole frame to W × H.
* ``letterbox``: if W·fh ≤ H·fw it becomes w = W wide and h = (fh·W + fw//2)//fw high, else h = H
  high and w = (fw·H + fh//2)//fh wide (at least 1); it lies (W − w)//2 from the left and
  (H − h)//2 from the top.
* ``crop``: if fw·H ≥ fh·W the cut is h = fh high and w = (fh·W + H//2)//H wide, else w = fw wide
  and h = (fw·H + W//2)//W high (at least 1), from (fw − w)//2, (fh − h)//2 on.
* gray = (9798·R + 19235·G + 3735·B + 16384) >> 15, of the resized pixels. cv2's own conversion
  differs between versions, so it is not used.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecnn.core import numpy_resize, optional_cv2
from edgecnn.core.byte_table import ByteTable, keep_made
from edgecnn.core.errors import BundleError, DataError, MissingExtraError
from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.runtime import TensorInfo

MAX_IMAGE_BYTES = 256 << 20
_GRAY_RGB = (9798, 19235, 3735)
_GRAY_BGR_FLOAT = np.array([[*_GRAY_RGB[::-1], 16384]], np.float32) / np.float32(32768)

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class FrameMap:
    """How a tensor's pixels lie in the frame: frame = tensor · scale + offset, per axis.

    Attributes:
        scale_x, scale_y: frame pixels per tensor pixel.
        offset_x, offset_y: where the tensor's left and top edge lie in the frame, frame pixels.
        frame_width, frame_height: pixels.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    frame_width: int
    frame_height: int

    def to_frame(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes (n, 4) x1, y1, x2, y2 from tensor pixels to frame pixels, clipped to the frame."""
        scale, offset = self._axes()
        mapped = np.asarray(boxes, np.float64).reshape(-1, 4) * scale + offset
        limit = np.array([self.frame_width, self.frame_height] * 2, np.float64)
        return np.clip(mapped, 0, limit).astype(np.float32)

    def points(self, points: NDArray[Any]) -> NDArray[np.float32]:
        """Points (…, 2) x, y from tensor pixels to frame pixels; not clipped."""
        scale, offset = self._axes()
        mapped = np.asarray(points, np.float64) * scale[:2] + offset[:2]
        return mapped.astype(np.float32)

    def to_tensor(self, boxes: NDArray[Any]) -> NDArray[np.float32]:
        """Boxes (n, 4) x1, y1, x2, y2 from frame pixels to tensor pixels; not clipped."""
        scale, offset = self._axes()
        mapped = (np.asarray(boxes, np.float64).reshape(-1, 4) - offset) / scale
        return mapped.astype(np.float32)

    def _axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return (
            np.array([self.scale_x, self.scale_y] * 2, np.float64),
            np.array([self.offset_x, self.offset_y] * 2, np.float64),
        )


class Preprocessor:
    """Frames → the model's input; the table is made once.

    Args:
        spec: the input's image spec.
        tensor: the model's input; its quantization goes into the table.

    Raises:
        BundleError: the spec and the tensor differ in shape.
    """

    def __init__(self, spec: ImageInput, tensor: TensorInfo) -> None:
        if tensor.shape != spec.tensor_shape:
            raise BundleError(
                f"the preprocess spec of '{spec.name}' makes {list(spec.tensor_shape)},"
                f" the model's input '{tensor.name}' is {list(tensor.shape)}",
                hint="use the preprocess spec that was made for this model",
            )
        self._spec = spec
        self._table = ByteTable(table(spec, tensor).T, planes_first=spec.layout == "nchw")

    def __call__(self, frame: Image) -> tuple[NDArray[Any], FrameMap]:
        """One frame as a tensor.

        Args:
            frame: uint8 BGR (h, w, 3), BGRA (h, w, 4; alpha is dropped) or gray (h, w).

        Returns:
            The tensor in the spec's layout and the model's dtype, and the map back.

        Raises:
            DataError: not such a frame.
        """
        pixels, tensor = self._buffers()
        frame_map = _fit(self._spec, checked_frame(frame), pixels)
        self._table.apply(pixels, tensor)
        return tensor, frame_map

    def _buffers(self) -> tuple[Image, NDArray[Any]]:
        """Room for the bytes and for the tensor; the same memory where that is enough."""
        tensor = np.empty(self._spec.tensor_shape, self._table.dtype)
        if self._table.in_place:
            return tensor[0].view(np.uint8), tensor
        shape = (self._spec.height, self._spec.width, self._spec.channels)
        return np.empty(shape, np.uint8), tensor


def resize_to_spec(spec: ImageInput, frame: Image) -> tuple[Image, FrameMap]:
    """A frame fitted to the spec's size and colours, still bytes.

    Args:
        spec: the input's image spec.
        frame: uint8 BGR (h, w, 3), BGRA (h, w, 4) or gray (h, w).

    Returns:
        uint8 (height, width, channels) in the spec's colour order, and the map back.

    Raises:
        DataError: not such a frame.
    """
    pixels = np.empty((spec.height, spec.width, spec.channels), np.uint8)
    return pixels, _fit(spec, checked_frame(frame), pixels)


def _fit(spec: ImageInput, frame: Image, pixels: Image) -> FrameMap:
    """Fills ``pixels`` (height, width, channels) with the frame, and the border around it."""
    frame_height, frame_width = frame.shape[:2]
    width, height = spec.width, spec.height
    if spec.fit == "letterbox":
        width, height = _fitted(frame_width, frame_height, width, height)
    x, y, crop_width, crop_height = 0, 0, frame_width, frame_height
    if spec.fit == "crop":
        x, y, crop_width, crop_height = _cut(frame_width, frame_height, width, height)
    left, top = (spec.width - width) // 2, (spec.height - height) // 2
    if (width, height) != (spec.width, spec.height):
        pixels[:top] = pixels[top + height :] = spec.pad_value
        pixels[:, :left] = pixels[:, left + width :] = spec.pad_value
    part = frame[y : y + crop_height, x : x + crop_width]
    _draw(spec, part, pixels[top : top + height, left : left + width])
    scale_x, scale_y = crop_width / width, crop_height / height
    offset_x, offset_y = x - left * scale_x, y - top * scale_y
    return FrameMap(scale_x, scale_y, offset_x, offset_y, frame_width, frame_height)


def _draw(spec: ImageInput, part: Image, target: Image) -> None:
    """Resizes ``part``, BGR or gray, into ``target`` (h, w, channels), in the spec's colours."""
    height, width, channels = target.shape
    if part.ndim == 2:
        target[:] = resize(part, width, height, spec.resize)[:, :, None]
    elif spec.colour == "bgr":
        resize(part, width, height, spec.resize, out=target)
    elif channels == 1:
        target[:, :, 0] = _gray(resize(part, width, height, spec.resize))
    else:
        image = resize(part, width, height, spec.resize)
        cv2 = optional_cv2.cv2_or_none()
        if cv2 is None:
            target[:] = image[:, :, ::-1]
        else:
            keep_made(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=target), target)


def resize(image: Image, width: int, height: int, rule: str, out: Image | None = None) -> Image:
    """Resizes by one of the spec's rules, with cv2 where it is installed.

    Args:
        image: uint8 (h, w) or (h, w, channels).
        width: of the result, pixels.
        height: of the result, pixels.
        rule: ``linear-exact``, ``nearest-exact`` or ``area`` (by whole factors; others fall back to
            linear-exact).
        out: filled with the result, of its shape; may be a part of a larger array.

    Returns:
        The result: ``out`` if given; else perhaps ``image`` itself.
    """
    made = _resized(image, width, height, rule, out)
    if out is None:
        return made
    keep_made(made, out)
    return out


def _resized(image: Image, width: int, height: int, rule: str, out: Image | None) -> Image:
    if image.shape[:2] == (height, width):
        return image
    if rule == "nearest-exact":
        return numpy_resize.resize_nearest_exact(image, width, height)
    area = rule == "area" and numpy_resize.whole_factors(
        image.shape[1], image.shape[0], width, height
    )
    cv2 = optional_cv2.cv2_or_none()
    if cv2 is None:
        twin = numpy_resize.resize_area if area else numpy_resize.resize_linear_exact
        return twin(image, width, height)
    mode = cv2.INTER_AREA if area else cv2.INTER_LINEAR_EXACT
    result: Image = cv2.resize(image, (width, height), dst=out, interpolation=mode)
    return result


def checked_frame(frame: Any) -> Image:
    """A frame as (h, w, 3) or (h, w): alpha and a single channel's axis dropped.

    Raises:
        DataError: not uint8, empty, or of another shape.
    """
    hint = "pass uint8 BGR (height, width, 3) or gray (height, width), as cv2 reads them"
    if not isinstance(frame, np.ndarray):
        raise DataError(f"the frame is a {type(frame).__name__}, expected an array", hint=hint)
    if frame.dtype != np.uint8:
        raise DataError(f"the frame is {frame.dtype}, expected uint8", hint=hint)
    if frame.ndim == 3 and frame.shape[2] in (1, 4):
        frame = frame[:, :, 0] if frame.shape[2] == 1 else frame[:, :, :3]
    if frame.ndim not in (2, 3) or 0 in frame.shape or (frame.ndim == 3 and frame.shape[2] != 3):
        raise DataError(f"the frame has the shape {list(frame.shape)}", hint=hint)
    packed = frame.strides[1:] == ((3, 1) if frame.ndim == 3 else (1,))
    return frame if packed and frame.strides[0] > 0 else np.ascontiguousarray(frame)


def read_image(path: Path) -> Image:
    """An image file as uint8 BGR (h, w, 3), turned as its EXIF orientation says.

    Raises:
        DataError: it cannot be opened or is no image, or is larger than 256 MiB as a file
            or 2³⁰ pixels (OpenCV's limit).
        MissingExtraError: OpenCV is not installed.
    """
    cv2 = optional_cv2.cv2_or_none()
    if cv2 is None:
        raise MissingExtraError("reading images", "opencv-python-headless", "all")
    hint = "use JPEG, PNG, BMP or WebP files"
    try:
        status = path.stat()
        if stat.S_ISFIFO(status.st_mode):
            raise DataError(f"'{path}' is a pipe, expected a file", hint=hint)
        if status.st_size > MAX_IMAGE_BYTES:
            raise DataError(f"'{path}' is larger than 256 MiB", hint=hint)
        raw = np.fromfile(path, np.uint8)
    except (OSError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read the image '{path}': {text}", hint=hint) from error
    try:
        image: Image | None = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    except (cv2.error, MemoryError) as error:
        raise DataError(f"'{path}' is an image that OpenCV cannot decode", hint=hint) from error
    if image is None or image.size == 0:
        raise DataError(f"'{path}' is no image, or it is damaged", hint=hint)
    return image


def _fitted(frame_width: int, frame_height: int, width: int, height: int) -> tuple[int, int]:
    if width * frame_height <= height * frame_width:
        return width, max(1, (frame_height * width + frame_width // 2) // frame_width)
    return max(1, (frame_width * height + frame_height // 2) // frame_height), height


def _cut(fw: int, fh: int, width: int, height: int) -> tuple[int, int, int, int]:
    if fw * height >= fh * width:
        part = max(1, (fh * width + height // 2) // height)
        return (fw - part) // 2, 0, part, fh
    part = max(1, (fw * height + width // 2) // width)
    return 0, (fh - part) // 2, fw, part


def _gray(image: Image) -> Image:
    """BGR (h, w, 3) → (h, w), by the formula above."""
    cv2 = optional_cv2.cv2_or_none()
    if cv2 is None:
        red, green, blue = _GRAY_RGB
        planes = image.astype(np.int32)
        total = blue * planes[:, :, 0] + green * planes[:, :, 1] + red * planes[:, :, 2]
        return ((total + 16384) >> 15).astype(np.uint8)
    # Exact: every sum is a multiple of 2⁻¹⁵ below 2⁸, so float32 holds it, in any order.
    exact: Image = cv2.transform(image.astype(np.float32), _GRAY_BGR_FLOAT)
    return exact.astype(np.uint8)
