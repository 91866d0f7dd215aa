"""Contract 1: how raw input becomes a tensor. Frozen specs with a JSON form.

The arithmetic lives in :mod:`edgecnn.core.imaging` and :mod:`edgecnn.core.audio`. A spec is
independent of quantization: what an image's tensor holds is ``scale[c] · byte + offset[c]`` as a
real value, and the 256-entry table per channel that does it (:func:`table`) also folds in the
quantization of the tensor at hand, so float32 and int8 variants share one spec.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NoReturn, get_args

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import BundleError
from edgecnn.core.runtime import TensorInfo

SCHEMA = "edgecnn.preprocess/2"
#: All that are read, for ever: version 1 lacks the kind ``state`` and an image's ``layout``.
_SCHEMAS = ("edgecnn.preprocess/1", SCHEMA)
Fit = Literal["stretch", "letterbox", "crop"]
Resize = Literal["linear-exact", "nearest-exact", "area"]
Colour = Literal["rgb", "bgr", "gray"]
Layout = Literal["nhwc", "nchw"]
Level = Literal["as-is", "peak"]
Align = Literal["start", "center"]


@dataclass(frozen=True)
class ImageInput:
    """An image input.

    Attributes:
        name: the model input's name.
        height, width: of the tensor, pixels.
        colour: channel order of the tensor; ``gray`` has one channel.
        fit: ``stretch`` to the tensor's size; ``letterbox``: keep the aspect ratio and pad,
            centred, with ``pad_value``; ``crop``: keep the aspect ratio and cut the centre.
        resize: OpenCV 5's INTER_LINEAR_EXACT or INTER_NEAREST_EXACT, or ``area`` (INTER_AREA, by
            whole factors only; other factors fall back to linear-exact).
        scale, offset: per channel; real value = scale · byte + offset.
        pad_value: byte that letterboxing fills with.
        layout: order of the tensor's axes: ``nhwc`` (1, height, width, channels), as TensorFlow's,
            or ``nchw`` (1, channels, height, width), as converters from PyTorch may keep.
    """

    name: str
    height: int
    width: int
    colour: Colour = "rgb"
    fit: Fit = "stretch"
    resize: Resize = "linear-exact"
    scale: tuple[float, ...] = (1 / 255,)
    offset: tuple[float, ...] = (0.0,)
    pad_value: int = 114
    layout: Layout = "nhwc"
    kind: Literal["image"] = "image"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _one_of("fit", self.fit, get_args(Fit))
        _one_of("resize", self.resize, get_args(Resize))
        _one_of("colour", self.colour, get_args(Colour))
        _one_of("layout", self.layout, get_args(Layout))
        _whole("height", self.height)
        _whole("width", self.width)
        _whole("pad_value", self.pad_value)
        _text("name", self.name)
        if not (0 < self.height <= 8192 and 0 < self.width <= 8192):
            _bad("height × width", f"{self.height} × {self.width}", "1 to 8192 pixels")
        for key, values in (("scale", self.scale), ("offset", self.offset)):
            if len(values) not in (1, self.channels) or not np.all(np.isfinite(values)):
                _bad(key, values, f"1 or {self.channels} finite numbers")
        if not 0 <= self.pad_value <= 255:
            _bad("pad_value", self.pad_value, "0 to 255")

    @property
    def channels(self) -> int:
        """1 for gray, else 3."""
        return 1 if self.colour == "gray" else 3

    @property
    def tensor_shape(self) -> tuple[int, ...]:
        """The tensor's shape, batch 1 included."""
        if self.layout == "nchw":
            return (1, self.channels, self.height, self.width)
        return (1, self.height, self.width, self.channels)


@dataclass(frozen=True)
class ArrayInput:
    """A numeric input taken as it is: real values, quantized by the tensor's own scale."""

    name: str
    shape: tuple[int, ...]
    kind: Literal["array"] = "array"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _text("name", self.name)
        for dim in self.shape:
            _whole("shape", dim)


@dataclass(frozen=True)
class AudioInput:
    """A window of raw audio: mono samples, no features (what a 1-D network reads).

    A recording at another rate is resampled; see :mod:`edgecnn.core.audio` for the rest.

    Attributes:
        name: the model input's name; its shape holds ``samples`` values.
        sample_rate_hz: samples per second.
        samples: window length.
        align: of a recording that is not as long as the window: ``start`` takes its beginning, with
            silence behind a short one; ``center`` its middle, with silence on both sides.
        level: ``as-is``, or ``peak``: the window's loudest sample becomes ±32767 first, for models
            that were trained on normalised clips.
        scale, offset: real value = scale · s + offset, s a 16-bit sample (−32768 to 32767).
    """

    name: str
    sample_rate_hz: int
    samples: int
    align: Align = "start"
    level: Level = "as-is"
    scale: float = 1 / 32768
    offset: float = 0.0
    kind: Literal["audio"] = "audio"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _text("name", self.name)
        _one_of("align", self.align, get_args(Align))
        _one_of("level", self.level, get_args(Level))
        for key, limit in (("sample_rate_hz", 768_000), ("samples", 1 << 24)):
            _whole(key, getattr(self, key))
            if not 0 < getattr(self, key) <= limit:
                _bad(key, getattr(self, key), f"1 to {limit}")
        for key in ("scale", "offset"):
            value = getattr(self, key)
            if not isinstance(value, (int, float)) or not np.isfinite(value):
                _bad(key, value, "a finite number")


@dataclass(frozen=True)
class StateInput:
    """An input that gets an output of the last inference: zeros (real values) at first.

    Attributes:
        name: the model input's name.
        shape: of the tensor, batch included; the output has the same.
        source: the output's name. Where its scale differs, the values are quantized again.
    """

    name: str
    shape: tuple[int, ...]
    source: str
    kind: Literal["state"] = "state"

    def __post_init__(self) -> None:
        """Raises BundleError when a field holds what it must not."""
        _text("name", self.name)
        _text("source", self.source)
        if not isinstance(self.shape, tuple):
            _bad("shape", self.shape, "a list of whole numbers")
        for dim in self.shape:
            _whole("shape", dim)


InputSpec = ImageInput | ArrayInput | AudioInput | StateInput


@dataclass(frozen=True)
class PreprocessSpec:
    """One spec per named input, in the model's order."""

    inputs: tuple[InputSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"schema": SCHEMA, "inputs": [asdict(item) for item in self.inputs]}

    @classmethod
    def from_json(cls, data: Any) -> PreprocessSpec:
        """Reads :meth:`to_json`'s form.

        Raises:
            BundleError: wrong schema, kind, key or value.
        """
        schema = data.get("schema") if isinstance(data, dict) else data
        if not isinstance(data, dict) or schema not in _SCHEMAS:
            _bad("schema", schema, " or ".join(_SCHEMAS))
        items = data.get("inputs")
        if not isinstance(items, list) or not items:
            _bad("inputs", items, "a list of input specs")
        return cls(tuple(_input_from_json(item) for item in items))

    @property
    def image(self) -> ImageInput:
        """The only image, beside which there may be states and nothing else.

        Raises:
            BundleError: the model takes something else.
        """
        found = self.one_image
        if found is not None:
            return found
        kinds = [item.kind for item in self.inputs]
        if kinds.count("image") != 1:
            named = ", ".join(f"'{item.name}' ({item.kind})" for item in self.inputs)
            raise BundleError(
                f"the model takes {named}, expected one image",
                hint="export it with one image input, and all that is no state built in",
            )
        others = [item.name for item in self.inputs if item.kind not in ("image", "state")]
        raise BundleError(
            f"the model's inputs {', '.join(map(repr, others))} are neither its image nor states",
            hint="a state is fed back from an output; export the model with all else built in",
        )

    @property
    def one_image(self) -> ImageInput | None:
        """The only image, if all other inputs are states; else None."""
        images = [item for item in self.inputs if isinstance(item, ImageInput)]
        return images[0] if len(images) == 1 == len(self.inputs) - len(self.states) else None

    @property
    def states(self) -> tuple[StateInput, ...]:
        """The inputs that are fed back."""
        return tuple(item for item in self.inputs if isinstance(item, StateInput))

    def with_image(self, image: ImageInput) -> PreprocessSpec:
        """The same spec with another image in the place of its only one."""
        return PreprocessSpec(
            tuple(image if isinstance(item, ImageInput) else item for item in self.inputs)
        )


def table(spec: ImageInput, tensor: TensorInfo) -> NDArray[Any]:
    """The 256-entry lookup table per channel: byte → tensor element, quantization included.

    Returns:
        (256, channels) of the tensor's dtype.

    >>> info = TensorInfo("x", (1, 8, 8, 1), "int8", 1 / 255, -128)
    >>> table(ImageInput("x", 8, 8, "gray"), info)[[0, 128, 255], 0].tolist()
    [-128, 0, 127]
    """
    bytes_ = np.arange(256, dtype=np.float64)[:, None]
    scale = np.broadcast_to(np.asarray(spec.scale, np.float64), (spec.channels,))
    offset = np.broadcast_to(np.asarray(spec.offset, np.float64), (spec.channels,))
    return tensor.quantize(bytes_ * scale + offset)


def _input_from_json(item: Any) -> InputSpec:
    kinds: dict[str, type[InputSpec]] = {
        "image": ImageInput,
        "array": ArrayInput,
        "audio": AudioInput,
        "state": StateInput,
    }
    kind = item.get("kind") if isinstance(item, dict) else None
    if kind not in kinds:
        _bad("kind", kind, " or ".join(kinds))
    fields: dict[str, Any] = {
        key: tuple(v) if isinstance(v, list) else v for key, v in item.items()
    }
    try:
        return kinds[kind](**fields)
    except TypeError as error:
        raise BundleError(
            f"the preprocess spec of input '{fields.get('name')}' cannot be read: {error}",
            hint="make the bundle again, or use the edgecnn version that wrote it",
        ) from error


def _one_of(key: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        _bad(key, value, " | ".join(allowed))


def _whole(key: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        _bad(key, value, "a whole number")


def _text(key: str, value: object) -> None:
    if not isinstance(value, str):
        _bad(key, value, "text")


def _bad(key: str, value: object, expected: object) -> NoReturn:
    raise BundleError(
        f"preprocess spec: {key} = {value!r}, expected {expected}",
        hint="make the bundle again, or use the edgecnn version that wrote it",
    )
