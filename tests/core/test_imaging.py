"""Preprocessing against cv2, and the numpy twin against it bit for bit."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core import numpy_resize, optional_cv2
from edgecnn.core.errors import BundleError, DataError
from edgecnn.core.imaging import FrameMap, Preprocessor, read_image, resize_to_spec
from edgecnn.core.preprocess import ImageInput, table
from edgecnn.core.runtime import TensorInfo

SIZE = st.integers(1, 130)
FACTOR = st.integers(1, 9)
SEED = st.integers(0, 2**32 - 1)
CHANNELS = st.sampled_from([0, 3, 4])


def image(seed: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (height, width, channels) if channels else (height, width)
    return rng.integers(0, 256, shape, dtype=np.uint8)


@settings(max_examples=150, deadline=None)
@given(SEED, SIZE, SIZE, SIZE, SIZE, CHANNELS)
def test_linear_twin_equals_cv2(seed, h, w, height, width, channels) -> None:
    frame = image(seed, h, w, channels)
    expected = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
    assert np.array_equal(numpy_resize.resize_linear_exact(frame, width, height), expected)


@pytest.mark.skipif(int(cv2.__version__[0]) < 5, reason="OpenCV 4 has another nearest-exact")
@settings(max_examples=150, deadline=None)
@given(SEED, SIZE, SIZE, SIZE, SIZE, CHANNELS)
def test_nearest_twin_equals_cv2(seed, h, w, height, width, channels) -> None:
    frame = image(seed, h, w, channels)
    expected = cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    assert np.array_equal(numpy_resize.resize_nearest_exact(frame, width, height), expected)


@settings(max_examples=150, deadline=None)
@given(SEED, FACTOR, FACTOR, st.integers(1, 30), st.integers(1, 30), CHANNELS)
def test_area_twin_equals_cv2(seed, fy, fx, height, width, channels) -> None:
    frame = image(seed, height * fy, width * fx, channels)
    expected = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    assert np.array_equal(numpy_resize.resize_area(frame, width, height), expected)


def test_area_needs_whole_factors() -> None:
    with pytest.raises(ValueError, match="whole multiple"):
        numpy_resize.resize_area(image(0, 7, 8), 4, 4)


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("rule", ["linear-exact", "nearest-exact", "area"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "gray"])
def test_without_cv2_the_result_is_the_same(monkeypatch, fit, rule, colour) -> None:
    spec = ImageInput("x", 24, 40, colour=colour, fit=fit, resize=rule)
    frames = [image(1, 48, 80), image(2, 31, 77), image(3, 90, 20), image(4, 33, 44, 0)]
    with_cv2 = [resize_to_spec(spec, frame) for frame in frames]
    monkeypatch.setattr(optional_cv2, "cv2_or_none", lambda: None)
    for frame, (expected, frame_map) in zip(frames, with_cv2, strict=True):
        got, other = resize_to_spec(spec, frame)
        assert got.shape == (24, 40, spec.channels)
        assert np.array_equal(got, expected)
        assert other == frame_map


def test_stretch_is_cv2_and_colours_are_ordered() -> None:
    frame = image(5, 37, 53)
    expected = cv2.resize(frame, (16, 12), interpolation=cv2.INTER_LINEAR_EXACT)
    got, frame_map = resize_to_spec(ImageInput("x", 12, 16), frame)
    assert np.array_equal(got, cv2.cvtColor(expected, cv2.COLOR_BGR2RGB))
    assert frame_map == FrameMap(53 / 16, 37 / 12, 0, 0, 53, 37)
    bgr, _ = resize_to_spec(ImageInput("x", 12, 16, colour="bgr"), frame)
    assert np.array_equal(bgr, expected)
    gray, _ = resize_to_spec(ImageInput("x", 12, 16, colour="gray"), frame)
    near = cv2.cvtColor(expected, cv2.COLOR_BGR2GRAY).astype(int)
    assert np.abs(gray[:, :, 0] - near).max() <= 1


def test_letterbox_pads_the_middle() -> None:
    frame = np.full((50, 100, 3), 200, np.uint8)
    got, frame_map = resize_to_spec(ImageInput("x", 64, 64, fit="letterbox", pad_value=7), frame)
    assert (got[:16] == 7).all()
    assert (got[48:] == 7).all()
    assert (got[16:48] == 200).all()
    assert frame_map == FrameMap(100 / 64, 50 / 32, 0.0, -16 * 50 / 32, 100, 50)
    assert frame_map.to_frame([[0, 16, 64, 48]]).tolist() == [[0, 0, 100, 50]]


def test_crop_cuts_the_middle() -> None:
    frame = np.zeros((50, 100, 3), np.uint8)
    frame[:, 25:75] = 90
    got, frame_map = resize_to_spec(ImageInput("x", 32, 32, fit="crop"), frame)
    assert (got == 90).all()
    assert frame_map.to_frame([[0, 0, 32, 32]]).tolist() == [[25, 0, 75, 50]]


@settings(max_examples=100, deadline=None)
@given(SIZE, SIZE, st.sampled_from(["stretch", "letterbox", "crop"]), SIZE, SIZE)
def test_boxes_go_there_and_back(h, w, fit, height, width) -> None:
    spec = ImageInput("x", height, width, fit=fit, resize="nearest-exact")
    _, frame_map = resize_to_spec(spec, np.zeros((h, w), np.uint8))
    boxes = np.float32([[0, 0, w, h], [w / 4, h / 4, w / 2, h / 2]])
    assert np.allclose(frame_map.to_frame(frame_map.to_tensor(boxes)), boxes, atol=1e-3)
    far = frame_map.to_frame([[-1e6, -1e6, 1e6, 1e6]])
    assert far.tolist() == [[0, 0, w, h]]


@pytest.mark.parametrize("frame", [image(1, 20, 30, 4), image(1, 20, 30, 1), image(1, 20, 30, 0)])
def test_alpha_and_single_channels_are_handled(frame) -> None:
    got, _ = resize_to_spec(ImageInput("x", 20, 30), frame)
    plain = frame[..., :3] if frame.ndim == 3 and frame.shape[2] == 4 else np.squeeze(frame)
    if plain.ndim == 2:
        plain = np.dstack([plain] * 3)
    assert np.array_equal(got, plain[:, :, ::-1])


def test_the_result_never_is_the_callers_buffer() -> None:
    frame = image(1, 8, 8)
    got, _ = resize_to_spec(ImageInput("x", 8, 8, colour="bgr"), frame)
    assert not np.shares_memory(got, frame)


def test_views_with_odd_strides_are_frames_too() -> None:
    frame = image(1, 40, 60)
    for view in (frame[::-1], frame[:, ::-1], frame[::2, ::3], frame[:, :, ::-1]):
        got, _ = resize_to_spec(ImageInput("x", 16, 16), view)
        assert np.array_equal(got, resize_to_spec(ImageInput("x", 16, 16), view.copy())[0])


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (None, "NoneType"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 2), np.uint8), r"\[4, 4, 2\]"),
        (np.zeros((0, 4, 3), np.uint8), r"\[0, 4, 3\]"),
        (np.zeros((4,), np.uint8), r"\[4\]"),
    ],
)
def test_what_is_no_frame_is_a_data_error(frame, text) -> None:
    with pytest.raises(DataError, match=text):
        resize_to_spec(ImageInput("x", 8, 8), frame)


def test_preprocessor_is_the_formula() -> None:
    spec = ImageInput("x", 9, 11, scale=(1 / 64, 1 / 32, 1 / 16), offset=(-2.0, -1.0, 0.5))
    info = TensorInfo("x", (1, 9, 11, 3), "int8", 0.03, -5)
    frame = image(7, 30, 20)
    tensor, _ = Preprocessor(spec, info)(frame)
    pixels = resize_to_spec(spec, frame)[0].astype(np.float64)
    real = pixels * np.array(spec.scale) + np.array(spec.offset)
    expected = np.clip(np.rint(real / 0.03) - 5, -128, 127)
    assert tensor.dtype == np.int8
    assert np.array_equal(tensor[0], expected)
    floats, _ = Preprocessor(spec, TensorInfo("x", (1, 9, 11, 3), "float32"))(frame)
    assert np.allclose(floats[0], real)
    assert floats.dtype == np.float32


def test_preprocessor_refuses_another_tensor() -> None:
    with pytest.raises(BundleError, match=r"\[1, 8, 8, 3\].*\[1, 9, 8, 3\]"):
        Preprocessor(ImageInput("x", 8, 8), TensorInfo("x", (1, 9, 8, 3), "int8", 1.0, 0))


def test_read_image(tmp_path: Path) -> None:
    frame = image(3, 12, 17)
    path = tmp_path / "\u00fcmlaut.png"
    cv2.imencode(".png", frame)[1].tofile(path)
    assert np.array_equal(read_image(path), frame)
    cv2.imencode(".png", frame[:, :, 0])[1].tofile(path)
    assert read_image(path).shape == (12, 17, 3)


@pytest.mark.parametrize("raw", [b"", b"garbage", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" * 9])
def test_read_image_of_garbage_names_the_file(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"bad\.png"):
        read_image(path)


def test_read_image_of_cut_files_never_crashes(tmp_path: Path) -> None:
    whole = cv2.imencode(".png", image(3, 12, 17))[1].tobytes()
    path = tmp_path / "cut.png"
    for size in range(1, len(whole), 37):
        path.write_bytes(whole[:size])
        try:
            assert read_image(path).shape == (12, 17, 3)
        except DataError as error:
            assert "cut.png" in error.message


def test_read_image_of_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png", Path("a\0b")):
        with pytest.raises(DataError):
            read_image(path)


@pytest.mark.parametrize("scale", [(1 / 255,), (1 / 255, 1 / 127, 1 / 63)])
@pytest.mark.parametrize("colour", ["rgb", "gray"])
def test_planes_first_hold_the_same_values(colour, scale):
    scale = scale[:1] if colour == "gray" else scale
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    last, first = (
        ImageInput("x", 8, 12, colour, scale=scale, layout=layout) for layout in ("nhwc", "nchw")
    )
    plain, _ = Preprocessor(last, TensorInfo("x", last.tensor_shape, "float32"))(frame)
    planes, _ = Preprocessor(first, TensorInfo("x", first.tensor_shape, "float32"))(frame)
    np.testing.assert_array_equal(planes, plain.transpose(0, 3, 1, 2))
    assert planes.flags.c_contiguous
    with pytest.raises(BundleError, match=r"makes \[1, [13], 8, 12\]"):
        Preprocessor(first, TensorInfo("x", last.tensor_shape, "float32"))


def plainly(spec: ImageInput, info: TensorInfo, frame: np.ndarray) -> np.ndarray:
    """The tensor by the rules' own words, pixel arrays in numpy, no buffer used twice."""
    h, w = frame.shape[:2]
    width, height, part = spec.width, spec.height, frame[..., :3] if frame.ndim == 3 else frame
    if spec.fit == "letterbox" and width * h <= height * w:
        height = max(1, (h * width + w // 2) // w)
    elif spec.fit == "letterbox":
        width = max(1, (w * height + h // 2) // h)
    if spec.fit == "crop" and w * height >= h * width:
        cut = max(1, (h * width + height // 2) // height)
        part = part[:, (w - cut) // 2 : (w - cut) // 2 + cut]
    elif spec.fit == "crop":
        cut = max(1, (w * height + width // 2) // width)
        part = part[(h - cut) // 2 : (h - cut) // 2 + cut]
    whole = part.shape[0] % height == 0 == part.shape[1] % width
    resized = {
        "linear-exact": numpy_resize.resize_linear_exact,
        "nearest-exact": numpy_resize.resize_nearest_exact,
        "area": numpy_resize.resize_area if whole else numpy_resize.resize_linear_exact,
    }[spec.resize](np.ascontiguousarray(part), width, height)
    if resized.ndim == 2:
        image = np.dstack([resized] * spec.channels)
    elif spec.colour == "gray":
        blue, green, red = np.moveaxis(resized.astype(int), 2, 0)
        image = ((9798 * red + 19235 * green + 3735 * blue + 16384) >> 15)[:, :, None]
    else:
        image = resized if spec.colour == "bgr" else resized[:, :, ::-1]
    left, top = (spec.width - width) // 2, (spec.height - height) // 2
    padded = np.full((spec.height, spec.width, spec.channels), spec.pad_value)
    padded[top : top + height, left : left + width] = image
    entries = table(spec, info)
    tensor = np.stack([entries[padded[:, :, c], c] for c in range(spec.channels)], axis=-1)
    return (tensor.transpose(2, 0, 1) if spec.layout == "nchw" else tensor)[None]


# Tables: bytes as they are, their highest bit flipped, shared by the channels, one for each.
SCALES = [((1.0,), (0.0,)), ((1 / 127.5,), (-1.0,)), ((0.01, 0.02, 0.03), (-1.0, 0.5, 0.0))]
KINDS = [
    ("uint8", 1.0, 0), ("int8", 1.0, -128), ("int8", 0.0078125, -1), ("uint8", 0.007, 128),
    ("int16", 1 / 16384, 0), ("float32", None, None), ("float16", None, None),
]  # fmt: skip
SPECS = st.tuples(
    st.sampled_from(["rgb", "bgr", "gray"]),
    st.sampled_from(["stretch", "letterbox", "crop"]),
    st.sampled_from(["linear-exact", "nearest-exact", "area"]),
    st.sampled_from(["nhwc", "nchw"]),
    st.sampled_from(SCALES),
    st.sampled_from(KINDS),
)


def of_kinds(words, height: int, width: int) -> tuple[ImageInput, TensorInfo]:
    colour, fit, rule, layout, (scale, offset), kind = words
    if colour == "gray":
        scale, offset = scale[:1], offset[:1]
    spec = ImageInput("x", height, width, colour, fit, rule, scale, offset, 77, layout)
    return spec, TensorInfo("x", spec.tensor_shape, *kind)


@settings(max_examples=250, deadline=None)
@given(SEED, SPECS, st.tuples(SIZE, SIZE), st.lists(st.tuples(SIZE, SIZE, CHANNELS), max_size=3))
def test_tensors_are_those_of_the_rules_words(seed, words, size, frames):
    spec, info = of_kinds(words, *size)
    preprocess = Preprocessor(spec, info)
    # A frame of the tensor's own size needs no resizing.
    given_ = [image(seed + k, *frame) for k, frame in enumerate([*frames, (*size, 3)])]
    tensors = [preprocess(frame)[0] for frame in given_]
    for frame, tensor in zip(given_, tensors, strict=True):
        assert np.array_equal(tensor, plainly(spec, info, frame))
        assert tensor.dtype == np.dtype(info.dtype)
        assert not np.shares_memory(tensor, frame)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_without_cv2_the_tensor_is_the_same(monkeypatch, layout, scales, kind) -> None:
    spec, info = of_kinds(("rgb", "letterbox", "linear-exact", layout, scales, kind), 9, 12)
    frame = image(4, 30, 44)
    expected = Preprocessor(spec, info)(frame)[0]
    monkeypatch.setattr(optional_cv2, "cv2_or_none", lambda: None)
    assert np.array_equal(Preprocessor(spec, info)(frame)[0], expected)


def test_gray_of_every_sum_that_lies_at_a_step() -> None:
    levels = np.array([*range(0, 256, 5), 1, 127, 128, 129, 254, 255], np.uint8)
    frame = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(len(levels), -1, 3)
    spec = ImageInput("x", *frame.shape[:2], "gray", scale=(1.0,))
    info = TensorInfo("x", spec.tensor_shape, "uint8", 1.0, 0)
    assert np.array_equal(Preprocessor(spec, info)(frame)[0], plainly(spec, info, frame))
