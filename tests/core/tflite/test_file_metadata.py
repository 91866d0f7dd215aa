"""TFLite's metadata and the archive behind a model, written here by the published schemas."""

from __future__ import annotations

import io
import json
import random
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.core.tflite.appended import MAX_FILES, MAX_TEXT_BYTES, appended_texts
from edgecnn.core.tflite.file_metadata import FileMetadata, read_file_metadata
from edgecnn.core.tflite.metadata import embed
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.ultralytics import Ultralytics, read_ultralytics
from tests.builders import tiny_classifier
from tests.core.tflite.tables import Scalar, flatbuffer

ANCHORS = np.arange(24, dtype=np.float32).reshape(6, 4) / 32


def byte(value: int) -> Scalar:
    return Scalar("Uint8", value)


def real(value: float) -> Scalar:
    return Scalar("Float32", value)


def whole(value: int) -> Scalar:
    return Scalar("Int32", value)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def detector() -> bytes:
    anchors = [{k: real(v) for k, v in enumerate(row.tolist()) if v} for row in ANCHORS]
    numbers = {k: whole(v) for k, v in enumerate((91, 6, 16, 4, 6, 2))}
    scales = {6: real(128), 7: real(128), 8: real(64), 9: real(64)}
    flags = {10: Scalar("Bool", True), 11: Scalar("Bool", True)}
    return flatbuffer(
        {0: "1.0.0", 1: {0: {0: anchors}}, 2: {**numbers, **scales, **flags}}, b"V001"
    )


def metadata() -> bytes:
    image = {
        0: "image",
        1: "An image.",
        3: {0: byte(2), 1: {0: byte(1), 1: {0: Scalar("Uint32", 320), 1: Scalar("Uint32", 192)}}},
        4: [{0: byte(1), 1: {0: floats(127.5), 1: floats(127.5, 120, 110)}}],
        5: {0: floats(1), 1: floats(-1)},
    }
    scores = {
        0: "score",
        3: {0: byte(3), 1: {0: np.array([1, 0, 3, 2], np.uint32), 1: byte(1), 2: byte(1)}},
        4: [{0: byte(3), 1: {0: real(0.25)}}],
        6: [{0: "readme.txt", 2: byte(1)}, {0: "labelmap.txt", 2: byte(3)}],
    }
    segmenter = flatbuffer({0: byte(2), 1: "1.0.0"}, b"V001")
    graph = {
        2: [image],
        3: [scores],
        8: [{0: "detection result", 1: ["location", "score"]}],
        9: [
            {0: "DETECTOR_METADATA", 1: detector()},
            {0: "SEGMENTER_METADATA", 1: segmenter},
            {0: "FACE_DETECTOR_METADATA", 1: b"?"},
        ],
    }
    return flatbuffer({0: "SSD", 1: "Finds things.", 3: [graph], 6: [{0: "extra.txt"}]}, b"M001")


def with_files(data: bytes, files: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO(data)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def read(data: bytes) -> FileMetadata:
    return read_file_metadata(data, read_model(data))


WHOLE = with_files(
    embed(tiny_classifier(), {"TFLITE_METADATA": metadata()}),
    {"labelmap.txt": "person\r\n???\n dog \n\n", "readme.txt": "Hello"},
)


def test_everything_of_the_schema():
    found = read(WHOLE)
    assert (found.name, found.description, found.notes) == ("SSD", "Finds things.", ())
    (image,) = found.inputs
    assert (image.name, image.description) == ("image", "An image.")
    assert (image.content, image.colour, image.image_hw) == ("image", "rgb", (192, 320))
    assert (image.mean, image.std) == ((127.5,), (127.5, 120, 110))
    assert (image.minimum, image.maximum, image.labels) == ((-1,), (1,), ())
    (scores,) = found.outputs
    assert (scores.content, scores.box_form, scores.box_pixels) == ("boxes", "boundaries", True)
    assert (scores.box_order, scores.score_threshold) == ((1, 0, 3, 2), 0.25)
    assert (scores.labels_of, scores.labels) == ("values", ("person", "???", "dog"))
    assert found.labels == scores.labels
    assert found.groups == (("detection result", ("location", "score")),)
    assert found.activation == "softmax"
    assert found.custom == ("DETECTOR_METADATA", "SEGMENTER_METADATA", "FACE_DETECTOR_METADATA")
    assert found.files == ("labelmap.txt", "readme.txt")


def test_anchors_and_decoding_of_mediapipe():
    found = read(WHOLE).detector
    assert found is not None
    np.testing.assert_array_equal(found.anchors, ANCHORS)
    assert (found.classes, found.boxes, found.coords) == (91, 6, 16)
    assert (found.keypoint_offset, found.keypoints, found.keypoint_values) == (4, 6, 2)
    assert found.scale_xywh == (128, 128, 64, 64)
    assert found.exponential_size
    assert found.sigmoid_scores


def test_a_file_without_any():
    found = read(tiny_classifier())
    assert found == FileMetadata(inputs=found.inputs, outputs=found.outputs)
    assert (len(found.inputs), len(found.outputs), found.outputs[0].name) == (1, 1, "")


def test_notes_of_another_count_of_tensors_are_left_out():
    raw = flatbuffer({3: [{3: [{0: "a"}, {0: "b"}]}]}, b"M001")
    found = read(embed(tiny_classifier(), {"TFLITE_METADATA": raw}))
    assert found.outputs[0].name == ""
    assert found.notes == ("the metadata's outputs are left out: it has 2, the model 1",)


@pytest.mark.parametrize("raw", [b"M", b"\x08\0\0\0M001", b"\0" * 40, metadata()[:90]])
def test_a_damaged_table_is_a_note(raw):
    found = read(embed(tiny_classifier(), {"TFLITE_METADATA": raw}))
    (note,) = found.notes
    assert note.startswith("the metadata 'TFLITE_METADATA' is left out: ")


# The dictionaries of YOLOv5 7.0, ultralytics 8.0 to 8.3 (text) and 8.3 to 8.4 (JSON).
YOLOV5 = {"stride": 32, "names": {0: "person", 1: "it's"}}
POSE = {
    "description": "Ultralytics YOLOv8n-pose model trained on coco-pose.yaml",
    "author": "Ultralytics", "date": "2024-05-01T10:00:00", "version": "8.2.5",
    "license": "AGPL-3.0 License", "docs": "https://docs.ultralytics.com", "stride": 32,
    "task": "pose", "batch": 1, "imgsz": [192, 256], "names": {0: "person"}, "kpt_shape": [17, 3],
}  # fmt: skip
DETECT = {
    "description": "Ultralytics YOLO11n model", "version": "8.4.101", "stride": 32,
    "task": "detect", "head": "Detect", "batch": 1, "imgsz": [640, 640],
    "names": {0: "person", 2: "car"}, "channels": 1, "end2end": True,
    "args": {"batch": 1, "int8": True, "nms": True, "data": None, "quantize": "w8a16"},
    "kpt_names": {0: ["nose", "eye"]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("meta.txt", str(YOLOV5), Ultralytics(names=("person", "it's"), stride=32)),
        ("meta.txt", json.dumps(YOLOV5), Ultralytics(names=("person", "it's"), stride=32)),
        (
            "temp_meta.txt",
            str(POSE),
            Ultralytics("pose", ("person",), 32, (192, 256), (17, 3), version="8.2.5",
                        description="Ultralytics YOLOv8n-pose model trained on coco-pose.yaml"),
        ),
        (
            "metadata.json",
            json.dumps(DETECT, indent=2),
            Ultralytics("detect", ("person", "1", "car"), 32, (640, 640), None, ("nose", "eye"),
                        True, True, "Detect", 1, "8.4.101", "Ultralytics YOLO11n model",
                        (("batch", 1), ("int8", True), ("nms", True), ("quantize", "w8a16"))),
        ),
    ],
)  # fmt: skip
def test_ultralytics_in_every_form(name, text, expected):
    found = read(with_files(tiny_classifier(), {name: text}))
    assert found.ultralytics == expected
    assert found.labels == expected.names
    assert found.notes == ()
    # Metadata of our own goes in front of the file: the archive is found all the same.
    assert read(embed(with_files(tiny_classifier(), {name: text}), {"a": b"b"})) == found


def test_texts_that_are_no_such_dictionary():
    assert read_ultralytics("person\ndog") is None
    assert read_ultralytics('{"version": 3}') is None
    assert read_ultralytics("{'stride': 1e999, 'names': {'x': 1, 99999: 'far'}}") == Ultralytics()
    for text in ("{'names': __import__('os')}", "{" * 5000, "{1:" + "-" * 200000, "{" + "x" * 999):
        with pytest.raises(ValueError, match="neither JSON nor a Python dictionary"):
            read_ultralytics(text)
    with pytest.raises(ValueError, match="over 262144 characters"):
        read_ultralytics("{" + " " * 262144 + "}")
    (note,) = read(with_files(tiny_classifier(), {"meta.txt": "{oops"})).notes
    assert note.startswith("'meta.txt' of the archive is left out: it is neither")


def test_a_zip_bomb_is_left_out():
    texts, notes = appended_texts(with_files(b"TFL3", {"a": b"\0" * (9 << 20), "b": "fine"}))
    assert texts == {"b": "fine"}
    assert notes == (f"'a' of the archive is left out: over {MAX_TEXT_BYTES} bytes",)
    texts, notes = appended_texts(with_files(b"", {str(k): "x" for k in range(MAX_FILES + 9)}))
    assert len(texts) == MAX_FILES
    assert notes == (f"only {MAX_FILES} files of the archive behind the model are read",)
    texts, notes = appended_texts(with_files(b"", {str(k): "" for k in range(6000)}))
    assert not texts
    assert notes == ("the archive behind the model is left out: its directory is too large",)


def test_other_compression_and_encryption_are_notes():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("labels.txt", "cat")
    assert appended_texts(stream.getvalue())[1] == (
        "'labels.txt' of the archive is left out: compressed by method 14",
    )


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=100)
def test_damage_never_refuses_the_model(rng: random.Random, in_archive: bool):
    raw, text = bytearray(metadata()), bytearray(str(DETECT).encode())
    plain = tiny_classifier()
    if in_archive:
        data = bytearray(with_files(plain, {"temp_meta.txt": bytes(text), "labels.txt": "a\nb"}))
        low, high = len(plain), len(data)
    else:
        data, low, high = raw, 8, len(raw)
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(low, high)] = rng.choice((0, 1, 255, rng.randrange(256)))
    if rng.random() < 0.2:
        del data[rng.randrange(low, high) :]
    if not in_archive:
        data = bytearray(embed(plain, {"TFLITE_METADATA": bytes(data)}))
    found = read(bytes(data))
    assert len(found.inputs) == len(found.outputs) == 1
    assert all(note.isprintable() for note in found.notes)
