"""SSD, RetinaNet and EfficientDet heads against decoders and anchors written from the rules."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgecnn.core.decode import decode
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.postprocess import DetectSpec, ListedSpec, from_json, to_json
from edgecnn.core.tflite.file_metadata import FileMetadata
from edgecnn.core.tflite.metadata_tables import DetectorNote
from edgecnn.recognition.found import Incomplete, Recognised
from edgecnn.recognition.ssd_anchors import families
from edgecnn.recognition.table import recognise
from tests.builders import ModelBuilder
from tests.recognition.given import built, given

LABELS = ("cat", "dog", "owl")
FIVE = (*LABELS, "fox", "hen")
OP = "TFLite_Detection_PostProcess"


# Published rules, each written down once more, plainly. Anchors are x, y, w, h in pixels.
def tf_ssd_anchors(width, height):
    """create_ssd_anchors: num_layers 6, scales 0.2 to 0.95, reduce_boxes_in_lowest_layer."""
    scales = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]
    rows, cols = math.ceil(height / 16), math.ceil(width / 16)
    found = []
    for layer in range(6):
        specs = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        if layer:
            specs = [(scales[layer], r) for r in (1.0, 2.0, 0.5, 3.0, 0.3333)]
            specs.append((math.sqrt(scales[layer] * scales[layer + 1]), 1.0))
        for y, x in itertools.product(range(rows), range(cols)):
            for scale, ratio in specs:
                side = scale * min(width, height)
                found.append(((x + 0.5) / cols * width, (y + 0.5) / rows * height,
                              side * math.sqrt(ratio), side / math.sqrt(ratio)))  # fmt: skip
        rows, cols = math.ceil(rows / 2), math.ceil(cols / 2)
    return np.array(found)


def tf_fpn_anchors(width, height):
    """MultiscaleGridAnchorGenerator: levels 3 to 7, anchor_scale 4, two scales per octave."""
    found = []
    for level in range(3, 8):
        stride = 2**level
        offset_x = stride / 2 if width % stride == 0 else 0
        offset_y = stride / 2 if height % stride == 0 else 0
        for y, x in itertools.product(range(-(-height // stride)), range(-(-width // stride))):
            for ratio, scale in itertools.product((1.0, 2.0, 0.5), (1.0, 2**0.5)):
                side = 4 * stride * scale
                found.append((x * stride + offset_x, y * stride + offset_y,
                              side * ratio**0.5, side / ratio**0.5))  # fmt: skip
    return np.array(found)


def efficientdet_anchors(width, height):
    """automl's Anchors: three scales per octave, then ratios; anchor_scale 3 for Lite0 to Lite2."""
    found = []
    sizes = [(height, width)]
    for _ in range(7):
        sizes.append(((sizes[-1][0] - 1) // 2 + 1, (sizes[-1][1] - 1) // 2 + 1))
    for rows, cols in sizes[3:]:
        sy, sx = height / rows, width / cols
        for y in np.arange(sy / 2, height, sy):
            for x in np.arange(sx / 2, width, sx):
                for octave, ratio in itertools.product((0, 1 / 3, 2 / 3), (1.0, 2.0, 0.5)):
                    found.append((x, y, 3 * sx * 2**octave * ratio**0.5,
                                  3 * sy * 2**octave / ratio**0.5))  # fmt: skip
    return np.array(found)


def torchvision_anchors(width, height):
    """DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95), clipped sizes."""
    found = []
    scales = [0.2 + 0.75 * k / 5 for k in range(6)] + [1.0]
    rows, cols = math.ceil(height / 16), math.ceil(width / 16)
    for k in range(6):
        s, t = scales[k], math.sqrt(scales[k] * scales[k + 1])
        pairs = [(s, s), (t, t)]
        for ratio in (2, 3):
            root = math.sqrt(ratio)
            pairs += [(s * root, s / root), (s / root, s * root)]
        for y, x in itertools.product(range(rows), range(cols)):
            for w, h in pairs:
                found.append(((x + 0.5) / cols * width, (y + 0.5) / rows * height,
                              min(w, 1) * width, min(h, 1) * height))  # fmt: skip
        rows, cols = math.ceil(rows / 2), math.ceil(cols / 2)
    return np.array(found)


def ultraface_anchors(width, height):
    """define_img_size: min_boxes [10, 16, 24], [32, 48], [64, 96], [128, 192, 256]."""
    found = []
    for stride, sides in zip((8, 16, 32, 64), ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256)),
                             strict=True):  # fmt: skip
        for y, x in itertools.product(range(-(-height // stride)), range(-(-width // stride))):
            for side in sides:
                sizes = min(side / width, 1) * width, min(side / height, 1) * height
                found.append(((x + 0.5) * stride, (y + 0.5) * stride, *sizes))
    return np.array(found)


def pytorch_ssd_anchors(width, height):
    """generate_ssd_priors with mobilenetv1_ssd_config."""
    found = []
    specs = (
        (19, 16, 60, 105), (10, 32, 105, 150), (5, 64, 150, 195), (3, 100, 195, 240),
        (2, 150, 240, 285), (1, 300, 285, 330),
    )  # fmt: skip
    for cells, step, small, large in specs:
        for y, x in itertools.product(range(cells), range(cells)):
            sizes = [(small, small), (math.sqrt(small * large),) * 2]
            for ratio in (2**0.5, 3**0.5):
                sizes += [(small * ratio, small / ratio), (small / ratio, small * ratio)]
            for w, h in sizes:
                place = (x + 0.5) / (width / step) * width, (y + 0.5) / (height / step) * height
                found.append((*place, min(w / width, 1) * width, min(h / height, 1) * height))
    return np.array(found)


def plain_boxes(codes, anchors, scales):
    """x1, y1, x2, y2 from dx, dy, dw, dh against x, y, w, h."""
    dx, dy, dw, dh = (codes[:, k] / scales[k] for k in range(4))
    x, y = dx * anchors[:, 2] + anchors[:, 0], dy * anchors[:, 3] + anchors[:, 1]
    w, h = np.exp(dw) * anchors[:, 2], np.exp(dh) * anchors[:, 3]
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1)


def overlap(a, b) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(w, 0) * max(h, 0)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def plain_nms(boxes, scores, classes, iou, most, per_class=True):
    kept: list[int] = []
    for k in sorted(range(len(scores)), key=lambda k: (-scores[k], k)):
        near = any(
            (not per_class or classes[j] == classes[k]) and overlap(boxes[j], boxes[k]) > iou
            for j in kept
        )
        if not near and len(kept) < most:
            kept.append(k)
    return kept


def same(found, boxes, scores, classes):
    assert len(found) == len(boxes) > 2
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    np.testing.assert_allclose(found.boxes, boxes, atol=2e-3)


# Files with the op.
def op_model(
    order: tuple[int, ...],
    dtype: str = "float32",
    *,
    after: bool = False,
    named: bool = True,
    pixels: bool = False,
) -> tuple[bytes, tuple]:
    """Image 64 × 64 → the op on fixed codes; and the boxes, scores and classes that it lists."""
    rng = np.random.default_rng(7)
    anchors = tf_ssd_anchors(64, 64)
    count = len(anchors)
    codes = rng.normal(0, 1, (count, 4)).astype(np.float32)
    scores = rng.uniform(0, 1, (count, 4)).astype(np.float32)
    build = ModelBuilder()
    real = image = build.tensor(
        (1, 64, 64, 3), dtype, *(() if dtype == "float32" else (1 / 127.5, 127)), name="image"
    )
    if dtype != "float32":
        real = build.tensor((1, 64, 64, 3), "float32", name="real")
        build.op("DEQUANTIZE", [image], [real])
    axes = build.tensor((3,), "int32", data=[1, 2, 3], name="axes")
    mean = build.tensor((1, 1, 1, 1), "float32", name="mean")
    build.op("MEAN", [real, axes], [mean], keep_dims=True)
    three = build.tensor((3,), "int32", data=[1, 1, 1], name="three")
    flat = build.tensor((1, 1, 1), "float32", name="flat")
    build.op("RESHAPE", [mean, three], [flat])
    nothing = build.tensor((1, 1, 1), "float32", name="nothing")
    build.op("MUL", [flat, build.tensor((), "float32", data=0.0, name="0")], [nothing])
    ends = []
    for name, values in (("codes", codes[:, [1, 0, 3, 2]]), ("scores", scores)):
        kept = build.tensor((1, *values.shape), "float32", data=values[None], name=f"{name}/kept")
        ends.append(build.tensor((1, *values.shape), "float32", name=name))
        build.op("ADD", [kept, nothing], [ends[-1]])
    table = anchors[:, [1, 0, 3, 2]] / 64
    ends.append(build.tensor((count, 4), "float32", data=table, name="anchors"))
    shapes = ((1, 10, 4), (1, 10), (1, 10), (1,))
    names = OP + ":{}" if named else "StatefulPartitionedCall:{}"
    outputs = [
        # Files often leave the shapes to LiteRT.
        build.tensor(s if named or after else (), "float32", name=names.format(k))
        for k, s in enumerate(shapes)
    ]
    options = {
        "max_detections": 10, "max_classes_per_detection": 1, "num_classes": 3, "y_scale": 10.0,
        "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0, "nms_score_threshold": 1e-8,
        "nms_iou_threshold": 0.6, "use_regular_nms": False,
    }  # fmt: skip
    packed = flexbuffers.Builder()
    with packed.Map():
        for key, value in options.items():
            packed.Key(key)
            packed.Add(value)
    build.op("CUSTOM", ends, outputs, custom_code=OP, custom_options=bytes(packed.Finish()))
    if after:
        flat_boxes = build.tensor((10, 4), "float32", name="flat boxes")
        size = build.tensor((2,), "int32", data=[10, 4], name="size")
        build.op("RESHAPE", [outputs[0], size], [flat_boxes])
        whole = build.tensor((1, 10), "int32", name="whole")
        build.op("CAST", [outputs[1]], [whole], in_data_type="FLOAT32", out_data_type="INT32")
        outputs = [flat_boxes, whole, *outputs[2:]]
    if pixels:
        scaled = build.tensor((1, 10, 4), "float32", name="in pixels")
        build.op("MUL", [outputs[0], build.tensor((), "float32", data=64.0, name="64")], [scaled])
        outputs = [scaled, *outputs[1:]]
    boxes = plain_boxes(codes, anchors, (10, 10, 5, 5))
    best, label = scores[:, 1:].max(1), scores[:, 1:].argmax(1)
    kept = plain_nms(boxes, best, label, 0.6, 10, per_class=False)
    listed = [k for k in kept if best[k] >= 0.3]
    return build.build([image], [outputs[k] for k in order]), (
        boxes[listed], best[listed], label[listed]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("order", "dtype", "after", "named"),
    [
        ((0, 1, 2, 3), "float32", False, True), ((3, 2, 1, 0), "uint8", False, False),
        ((2, 0, 3, 1), "int8", True, False), ((1, 3, 0, 2), "uint8", True, True),
    ],
)  # fmt: skip
def test_the_ops_outputs_are_traced_whatever_their_order(order, dtype, after, named) -> None:
    data, expected = op_model(order, dtype, after=after, named=named)
    facts = built(data, LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure
    assert isinstance(answer.spec, ListedSpec) and answer.spec.labels == LABELS
    assert "SSD of TensorFlow's" in answer.name and answer.habit.convention == "-1..1"
    assert any("96 anchors = 4×4·3 + 2×2·6" in line for line in answer.evidence)
    assert from_json(to_json(answer.spec)) == answer.spec
    image = facts.predictor.inputs[0]
    raw = facts.predictor.predict({image.name: np.zeros(image.shape, image.dtype)})
    same(decode(answer.spec, raw, facts.outputs, None), *expected)


def test_ops_behind_the_op_that_change_its_boxes_make_it_a_list() -> None:
    data, (boxes, scores, classes) = op_model((0, 1, 2, 3), pixels=True)
    facts = built(data, LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.spec.box_units == (1.0, 1.0)
    image = facts.predictor.inputs[0]
    raw = facts.predictor.predict({image.name: np.zeros(image.shape, image.dtype)})
    same(decode(answer.spec, raw, facts.outputs, None), boxes, scores, classes)


# Lists without the op.
def listed_arrays(rows: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    low = rng.uniform(0, 0.6, (rows, 2))
    boxes = np.concatenate([low, low + rng.uniform(0.1, 0.3, (rows, 2))], 1)
    boxes[5:] = 0
    return {
        "boxes": boxes[None].astype(np.float32),
        "classes": np.float32([[2, 0, 1, 1, 2, 0, 0, 0]]),
        "scores": np.float32([[0.9, 0.8, 0.7, 0.5, 0.4, 0, 0, 0]]),
        "count": np.float32([5]),
    }


def check_list(spec: ListedSpec, facts, arrays, offset: int = 0) -> None:
    got = decode(spec, facts.predictor.predict({}), facts.outputs, None)
    width, height = facts.size
    boxes = arrays["boxes"][0, :5][:, [1, 0, 3, 2]] * [width, height, width, height]
    same(got, boxes, arrays["scores"][0, :5], arrays["classes"][0, :5] - offset)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_lists_are_told_apart_by_shape_and_values(order) -> None:
    arrays = listed_arrays()
    names = [f"Identity_{k}" for k in order]
    shuffled = dict(sorted(zip(names, arrays.values(), strict=True)))
    facts = given(shuffled, (96, 64), LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and "values on a photo" in answer.evidence[0]
    assert answer.warnings  # which of y and x comes first was not seen
    check_list(answer.spec, facts, arrays)


def test_names_tell_where_values_cannot() -> None:
    arrays = listed_arrays()
    named = {
        "num_detections": arrays["count"], "detection_scores": arrays["scores"],
        "detection_classes": arrays["classes"], "detection_boxes": arrays["boxes"],
    }  # fmt: skip
    facts = given(named, (96, 64), LABELS, seen=False)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and not answer.warnings
    check_list(answer.spec, facts, arrays)
    nameless = dict(zip("abcd", named.values(), strict=True))
    asked = recognise(given(nameless, (96, 64), LABELS, seen=False))
    assert isinstance(asked, Incomplete)
    assert set(asked.missing) == {"scores", "classes"} and asked.draft["boxes"] == "d"


def test_the_metadata_goes_before_values() -> None:
    from edgecnn.core.tflite.metadata_tables import TensorNote

    arrays = listed_arrays()
    arrays["scores"][:] = 1.0  # whole numbers, as the classes are
    notes = tuple(
        TensorNote(name, content="boxes" if name == "location" else "feature",
                   box_form="boundaries" if name == "location" else "", box_order=order)
        for name, order in (("location", (1, 0, 3, 2)), ("category", ()), ("score", ()),
                            ("number of detections", ()))
    )  # fmt: skip
    outputs = {f"StatefulPartitionedCall:{k}": arrays[name]
               for k, name in enumerate(("boxes", "classes", "scores", "count"))}  # fmt: skip
    facts = given(outputs, (96, 64), (), FileMetadata(outputs=notes, labels=LABELS))
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure and answer.spec.labels == LABELS
    check_list(answer.spec, facts, arrays)
    other = (replace(notes[0], box_order=(), box_pixels=True), *notes[1:])
    answer = recognise(given(outputs, (96, 64), LABELS, FileMetadata(outputs=other)))
    assert (answer.spec.box_order, answer.spec.box_units) == ("xyxy", (1.0, 1.0))


def test_tensorflows_whole_export_counts_classes_from_one() -> None:
    arrays = listed_arrays()
    arrays["classes"] += 1
    rng = np.random.default_rng(0)
    outputs = {
        "detection_anchor_indices": np.arange(8, dtype=np.float32)[None],
        "detection_boxes": arrays["boxes"], "detection_classes": arrays["classes"],
        "detection_multiclass_scores": rng.random((1, 8, 4), np.float32),
        "detection_scores": arrays["scores"], "num_detections": arrays["count"],
        "raw_detection_boxes": rng.random((1, 96, 4), np.float32),
        "raw_detection_scores": rng.random((1, 96, 4), np.float32),
    }  # fmt: skip
    facts = given(outputs, (64, 64))
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.spec.labels == ("0", "1", "2")
    check_list(answer.spec, facts, arrays, offset=1)


def test_centernet_lists_key_points_too() -> None:
    arrays = listed_arrays()
    points = np.random.default_rng(0).random((1, 8, 17, 2), np.float32)
    outputs = {"StatefulPartitionedCall:0": arrays["count"], "s:1": points,
               "s:2": arrays["scores"], "s:3": arrays["boxes"], "s:4": arrays["classes"],
               "s:5": np.ones((1, 8, 17), np.float32)}  # fmt: skip
    facts = given(outputs, (96, 64), LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised)
    got = decode(answer.spec, outputs, facts.outputs, None)
    np.testing.assert_allclose(
        got.keypoints[..., :2], points[0, :5, :, ::-1] * np.float32([96, 64]), rtol=1e-5
    )
    assert answer.spec.keypoints.skeleton.names[0] == "nose"


@pytest.mark.parametrize(
    ("name", "value"),
    [("boxes", np.nan), ("scores", np.nan), ("count", np.nan), ("count", 1e9), ("classes", -5.0),
     ("classes", np.inf), ("scores", -np.inf)],
)  # fmt: skip
def test_hostile_values_are_no_crash(name: str, value: float) -> None:
    arrays = listed_arrays()
    arrays[name][:] = value
    for outputs in (arrays, {f"detection_{key}": item for key, item in arrays.items()}):
        facts = given(outputs, (96, 64), LABELS)
        try:
            answer = recognise(facts)
        except EdgecnnError as error:
            assert "\n" not in str(error)
            continue
        if isinstance(answer, Recognised):
            decode(answer.spec, outputs, facts.outputs, None)


@pytest.mark.parametrize("maker", ["automl", "openvino"])
def test_rows_that_begin_with_the_images_number(maker: str) -> None:
    arrays = listed_arrays()
    boxes, scores, classes = (arrays[key][0] for key in ("boxes", "scores", "classes"))
    image = np.zeros((8, 1), np.float32)
    size = np.float32([64, 96, 64, 96])
    rows = np.concatenate([image, boxes * size, scores[:, None], classes[:, None] + 1], 1)[None]
    if maker == "openvino":
        parts = [image, classes[:, None] + 1, scores[:, None], boxes[:, [1, 0, 3, 2]]]
        rows = np.concatenate(parts, 1)[None, None]
    facts = given({"Identity": rows}, (96, 64), LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and "seven numbers" in answer.name
    check_list(answer.spec, facts, arrays)


def test_three_outputs_of_a_dense_head_are_no_list() -> None:
    rng = np.random.default_rng(0)
    outputs = {"boxes": rng.random((1, 2100, 4), np.float32) * 300,
               "scores": rng.random((1, 2100), np.float32),
               "class_idx": rng.integers(0, 3, (1, 2100)).astype(np.uint8)}  # fmt: skip
    assert all(
        "list" not in answer.name
        for answer in [recognise(given(outputs, (320, 320), LABELS))]
        if answer is not None
    )


def test_selected_indices_are_no_boxes() -> None:
    build = ModelBuilder()
    image = build.tensor((1, 4, 4, 3), name="image", dtype="float32")
    size = build.tensor((2,), "int32", data=[12, 4], name="size")
    boxes = build.tensor((12, 4), "float32", name="boxes")
    build.op("RESHAPE", [image, size], [boxes])
    scores = build.tensor((12,), "float32", name="scores")
    one = build.tensor((1,), "int32", data=[1], name="one")
    build.op("SUM", [boxes, one], [scores])
    numbers = [build.tensor((), "int32", data=5, name="most")]
    numbers += [build.tensor((), "float32", data=0.5, name=name) for name in ("iou", "score")]
    ends = [build.tensor((5,), "int32", name="selected"), build.tensor((), "int32", name="valid")]
    build.op("NON_MAX_SUPPRESSION_V4", [boxes, scores, *numbers], ends)
    answer = recognise(built(build.build([image], ends)))
    assert isinstance(answer, Incomplete) and set(answer.missing) == {"boxes", "scores"}


# Raw heads.
FAMILIES = {
    "ssd": (tf_ssd_anchors, (10, 10, 5, 5), 1, "yx"),
    "fpn": (tf_fpn_anchors, (10, 10, 5, 5), 1, "yx"),
    "efficientdet": (efficientdet_anchors, (1, 1, 1, 1), 0, "yx"),
    "torchvision": (torchvision_anchors, (10, 10, 5, 5), 1, "xy"),
    "ultraface": (ultraface_anchors, (10, 10, 5, 5), 1, "xy"),
    "pytorch-ssd": (pytorch_ssd_anchors, (10, 10, 5, 5), 1, "xy"),
}


def raw_head(family: str, size: tuple[int, int], classes: int = 5):
    """(codes, logits) and the boxes, scores and classes that the plain rule makes of them."""
    anchors_of, scales, background, axes = FAMILIES[family]
    columns = classes + background
    rng = np.random.default_rng(1)
    anchors = anchors_of(*size)
    codes = rng.normal(0, 1, (len(anchors), 4)).astype(np.float32)
    logits = rng.normal(-8, 1, (len(anchors), columns)).astype(np.float32)
    if background:
        logits[:, 0] = 3
    lucky = rng.choice(len(anchors), 12, replace=False)
    logits[lucky, rng.integers(background, columns, 12)] = rng.uniform(5, 8, 12)
    if axes == "xy":
        powers = np.exp(logits.astype(np.float64))
        probabilities = powers / powers.sum(1, keepdims=True)
    else:
        probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    every = probabilities[:, background:]
    boxes = plain_boxes(codes.astype(np.float64), anchors, scales)
    passed = np.flatnonzero(every.max(1) >= 0.3)
    best, label = every[passed].max(1), every[passed].argmax(1)
    kept = plain_nms(boxes[passed], best, label, 0.6, 100)
    if axes == "yx":
        codes = codes[:, [1, 0, 3, 2]]
    return codes, logits, (boxes[passed[kept]], best[kept], label[kept])


@pytest.mark.parametrize(
    ("family", "size"),
    [("ssd", (64, 64)), ("ssd", (96, 64)), ("fpn", (64, 64)), ("fpn", (320, 320)),
     ("efficientdet", (64, 64)), ("efficientdet", (320, 320)), ("torchvision", (64, 64)),
     ("ultraface", (128, 96)), ("pytorch-ssd", (300, 300))],
)  # fmt: skip
def test_raw_heads_are_known_by_the_number_of_anchors(family, size) -> None:
    codes, logits, expected = raw_head(family, size)
    for swapped in (False, True):
        outputs = {"b": codes[None], "a": logits[None]}
        if swapped:
            outputs = {"a": logits[None], "b": codes[None, :, None]}
        facts = given(outputs, size, FIVE)
        answer = recognise(facts)
        assert isinstance(answer, Recognised) and isinstance(answer.spec, DetectSpec)
        assert f"{len(codes)} anchors = " in answer.evidence[0]
        assert from_json(to_json(answer.spec)) == answer.spec
        same(decode(answer.spec, outputs, facts.outputs, None), *expected)


@pytest.mark.parametrize(
    ("family", "size"), [("ssd", (300, 300)), ("efficientdet", (128, 128)), ("ssd", (64, 64))]
)
def test_raw_heads_with_two_outputs_per_feature_map(family, size) -> None:
    codes, logits, expected = raw_head(family, size)
    counts = next(item for item in families(*size) if sum(item.counts) == len(codes))
    outputs, start = {}, 0
    for k, grid in enumerate(counts.grids):
        part = slice(start, start + grid.count)
        shape = (1, grid.rows, grid.cols, -1)
        outputs[f"z{9 - k}"] = logits[part].reshape(shape)
        outputs[f"y{k}"] = codes[part].reshape(shape)
        start += grid.count
    facts = given(dict(sorted(outputs.items())), size, FIVE)
    answer = recognise(facts)
    if size == (64, 64):  # three maps of 1 × 1 cells with as many channels: nothing tells which
        assert answer is None
        return
    assert isinstance(answer, Recognised)
    same(decode(answer.spec, outputs, facts.outputs, None), *expected)


def test_probabilities_and_the_background_are_seen() -> None:
    codes, logits, _ = raw_head("ssd", (64, 64), 3)
    outputs = {"a": codes[None], "b": (1 / (1 + np.exp(-logits)))[None]}
    answer = recognise(given(outputs, (64, 64)))
    assert answer.spec.background and answer.spec.activation == "none"
    assert answer.spec.labels == ("0", "1", "2")
    assert not recognise(given(outputs, (64, 64), (*LABELS, "fox"))).spec.background
    assert recognise(given(outputs, (64, 64), ("???", *LABELS))).spec.labels == LABELS
    with pytest.raises(EdgecnnError, match="2 lines"):
        recognise(given(outputs, (64, 64), LABELS[:2]))


def test_anchors_as_published() -> None:
    # The first priors of ssd_mobilenet 300 × 300: 19 cells, sides 0.1, 0.1414 and 0.2828.
    ssd = families(300, 300)[0].boxes()
    assert len(ssd) == 1917
    np.testing.assert_allclose(
        np.array(ssd[:3]) / 300,
        [[1 / 38, 1 / 38, 0.1, 0.1], [1 / 38, 1 / 38, 0.28284, 0.14142],
         [1 / 38, 1 / 38, 0.14142, 0.28284]], atol=1e-5,
    )  # fmt: skip
    totals = {(640, 640): 51150, (320, 320): 12804}
    assert {size: sum(families(*size)[1].counts) for size in totals} == totals


@pytest.mark.parametrize("family, size", [("ultraface", (320, 240)), ("pytorch-ssd", (300, 300))])
def test_boxes_that_the_export_decoded(family, size) -> None:
    codes, logits, (boxes, scores, classes) = raw_head(family, size)
    anchors_of, scales, _, _ = FAMILIES[family]
    powers = np.exp(logits.astype(np.float64))
    every = plain_boxes(codes.astype(np.float64), anchors_of(*size), scales) / np.tile(size, 2)
    outputs = {
        "scores": (powers / powers.sum(1, keepdims=True))[None].astype(np.float32),
        "boxes": every[None].astype(np.float32),
    }
    facts = given(outputs, size, FIVE)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.name.startswith("decoded boxes")
    assert len(codes) == {"ultraface": 4420, "pytorch-ssd": 3000}[family]
    same(decode(answer.spec, outputs, facts.outputs, None), boxes, scores, classes)


def test_unknown_anchors_are_asked_for_by_name() -> None:
    rng = np.random.default_rng(0)
    outputs = {
        "raw_outputs/box_encodings": rng.normal(size=(1, 77, 4)).astype(np.float32),
        "raw_outputs/class_predictions": rng.normal(size=(1, 77, 4)).astype(np.float32),
    }
    answer = recognise(given(outputs, (64, 64), LABELS))
    assert isinstance(answer, Incomplete) and set(answer.missing) == {"anchor_boxes"}
    anchors = [[8.0, 8.0, 4.0, 4.0]] * 77
    spec = from_json({"schema": "edgecnn.postprocess/2", **answer.draft, "anchor_boxes": anchors})
    assert spec.background and spec.candidates == 77
    nameless = dict(zip("ab", outputs.values(), strict=True))
    assert recognise(given(nameless, (64, 64), LABELS)) is None


def test_model_makers_metadata_holds_the_anchors() -> None:
    rng = np.random.default_rng(4)
    anchors = np.concatenate([rng.uniform(0.2, 0.8, (20, 2)), rng.uniform(0.1, 0.3, (20, 2))], 1)
    note = DetectorNote(anchors.astype(np.float32), 3, 20, 4, 0, 0, 2, (10, 10, 5, 5), True, True)
    codes = rng.normal(size=(20, 4)).astype(np.float32)
    logits = rng.normal(size=(20, 3)).astype(np.float32)
    facts = given(
        {"s": logits[None], "b": codes[None, :, [1, 0, 3, 2]]}, (96, 64), (),
        FileMetadata(detector=note, labels=LABELS),
    )  # fmt: skip
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and answer.sure and answer.spec.labels == LABELS
    pixels = note.anchors.astype(np.float64) * [96, 64, 96, 64]
    boxes = plain_boxes(codes.astype(np.float64), pixels, (10, 10, 5, 5))
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    best, label = scores.max(1), scores.argmax(1)
    kept = [k for k in plain_nms(boxes, best, label, 0.3, 100) if best[k] >= 0.3]
    got = decode(answer.spec, facts.predictor.predict({}), facts.outputs, None)
    same(got, boxes[kept], best[kept], label[kept])
    for wrong in (replace(note, scale_xywh=(0, 1, 1, 1)), replace(note, boxes=7, coords=9)):
        answer = recognise(replace(facts, metadata=FileMetadata(detector=wrong, labels=LABELS)))
        assert answer is None or not answer.sure


@pytest.mark.parametrize("joined", [False, True])
def test_sts_model_zoo_gives_its_anchors_with_the_boxes(joined: bool) -> None:
    rng = np.random.default_rng(6)
    middle, half = rng.uniform(0.05, 0.95, (60, 2)), rng.uniform(0.02, 0.3, (60, 2))
    anchors = np.concatenate([middle - half, middle + half], 1).astype(np.float32)
    codes = rng.normal(0, 0.2, (60, 4)).astype(np.float32)
    powers = np.exp(rng.normal(0, 3, (60, 4)))
    scores = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    outputs = {"b": anchors[None], "a": codes[None], "c": scores[None]}
    if joined:
        outputs = {"all": np.concatenate([scores, codes, anchors], 1)[None]}
    facts = given(outputs, (96, 64), LABELS)
    answer = recognise(facts)
    assert isinstance(answer, Recognised) and "ST's model zoo" in answer.name
    assert from_json(to_json(answer.spec)) == answer.spec
    sides = np.tile(anchors[:, 2:] - anchors[:, :2], 2)
    boxes = (codes * sides + anchors) * [96, 64, 96, 64]
    best, label = scores[:, 1:].max(1), scores[:, 1:].argmax(1)
    kept = [k for k in plain_nms(boxes, best, label, 0.3, 100) if best[k] >= 0.6]
    same(decode(answer.spec, outputs, facts.outputs, None), boxes[kept], best[kept], label[kept])


def test_cocos_80_names_lie_among_90_numbers() -> None:
    names = ("person", *(f"thing {k}" for k in range(2, 80)), "toothbrush")
    arrays = listed_arrays()
    arrays["classes"][0, :5] = [89, 0, 11, 12, 26]
    facts = given({f"detection_{key}": item for key, item in arrays.items()}, (96, 64), names)
    spec = recognise(facts).spec
    # COCO's category ids 90, 1, 13 and 27; 12 and 26 are none of its classes.
    assert [spec.labels[k] for k in (89, 0, 12, 26)] == [names[k] for k in (79, 0, 11, 24)]
    assert (len(spec.labels), spec.labels[11]) == (90, "class 11")
