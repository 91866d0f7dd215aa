"""Embedding metadata: same model, same outputs, nothing lost."""

import json
import struct

import numpy as np
import pytest
import tflite

from edgecnn.core import postprocess as post
from edgecnn.core.errors import BundleError, ModelError
from edgecnn.core.lcg import lcg_inputs
from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.metadata import POSTPROCESS, PREPROCESS, embed, specs
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder, tiny_classifier
from tests.run import shared

ENTRIES = {PREPROCESS: b'{"a": 1}' * 9, POSTPROCESS: b"", "odd name \u00e4": b"\0\xff"}


def same_model(a: TfModel, b: TfModel) -> None:
    assert a.subgraphs == b.subgraphs
    assert (a.signatures, a.description) == (b.signatures, b.description)
    for graph, other in zip(a.subgraphs, b.subgraphs, strict=True):
        for x, y in zip(graph.tensors, other.tensors, strict=True):
            assert (x.data is None) == (y.data is None)
            assert x.data is None or np.array_equal(x.data, y.data)


def aligned_as_before(old: bytes, new: bytes) -> None:
    a, b = (tflite.Model.GetRootAsModel(data, 0) for data in (old, new))
    for k in range(a.BuffersLength()):
        if a.Buffers(k).DataLength():
            start, moved = (m.Buffers(k)._tab.Vector(m.Buffers(k)._tab.Offset(4)) for m in (a, b))
            assert (moved - start) % 64 == 0


def test_every_real_model_keeps_its_meaning() -> None:
    for path in sorted((shared() / "models").rglob("*.tflite")):
        data = path.read_bytes()
        before, made = read_model(data), embed(data, ENTRIES)
        after = read_model(made)
        same_model(before, after)
        assert dict(after.metadata) == {**before.metadata, **ENTRIES}
        aligned_as_before(data, made)


@pytest.mark.parametrize("resolver", ["auto", "reference"])
def test_outputs_stay_the_same(resolver) -> None:
    data = (shared() / "models/mlperf_tiny/kws_ref_model.tflite").read_bytes()
    for model in (data, tiny_classifier()):
        old = LiteRTPredictor(model, resolver=resolver)
        new = LiteRTPredictor(embed(model, ENTRIES), resolver=resolver)
        assert (old.inputs, old.outputs) == (new.inputs, new.outputs)
        inputs = lcg_inputs(old.inputs)
        for name, value in old.predict(inputs).items():
            assert np.array_equal(value, new.predict(inputs)[name])


def test_the_schema_package_reads_the_entries() -> None:
    root = tflite.Model.GetRootAsModel(embed(tiny_classifier(), ENTRIES), 0)
    assert tflite.Model.ModelBufferHasIdentifier(embed(tiny_classifier(), ENTRIES), 0)
    found = {}
    for k in range(root.MetadataLength()):
        entry = root.Metadata(k)
        raw = root.Buffers(entry.Buffer()).DataAsNumpy()
        found[entry.Name().decode()] = raw.tobytes() if len(raw) else b""
    assert found == ENTRIES


def test_replacing_and_repeating_do_not_make_the_file_grow() -> None:
    data = tiny_classifier()
    once = embed(data, ENTRIES)
    assert embed(once, ENTRIES) == once
    changed = embed(once, {PREPROCESS: b"new"})
    assert changed == embed(data, {**ENTRIES, PREPROCESS: b"new"})
    assert read_model(changed).metadata[PREPROCESS] == b"new"


def test_a_key_of_the_file_itself_is_replaced() -> None:
    build = ModelBuilder()
    x, y = build.tensor((1, 4), "float32"), build.tensor((1, 4), "float32")
    build.op("RELU", [x], [y])
    build.metadata("kept", b"1")
    build.metadata("changed", b"2")
    made = read_model(embed(build.build([x], [y]), {"changed": b"3"}))
    assert dict(made.metadata) == {"kept": b"1", "changed": b"3"}


def test_a_forged_front_is_not_believed() -> None:
    """A file that claims to be ours, but hides another model behind its front."""
    one, other = embed(tiny_classifier(0), ENTRIES), tiny_classifier(5)
    (shift,) = struct.unpack_from("<I", one, 8 + len(b"edgecnn/1"))
    forged = bytearray(one + bytes(-len(one) % 64))
    struct.pack_into("<I", forged, 8 + len(b"edgecnn/1"), len(forged))
    forged += other
    made = embed(bytes(forged), {"more": b"x"})
    same_model(read_model(one), read_model(made))
    assert shift


def test_large_buffers_behind_the_flatbuffer_are_moved_along() -> None:
    data = bytearray(outside())
    assert read_model(bytes(data)).main.tensors[1].data.tolist() == [[1, 2, 3, 4]]
    made = embed(bytes(data), ENTRIES)
    assert read_model(made).main.tensors[1].data.tolist() == [[1, 2, 3, 4]]
    again = read_model(embed(made, {"more": b"x"}))
    assert again.main.tensors[1].data.tolist() == [[1, 2, 3, 4]]


def outside() -> bytes:
    """A model whose constant lies behind the flatbuffer (Buffer.offset and size)."""
    build = ModelBuilder()
    x = build.tensor((1, 4), "int8", 0.5)
    w = build.tensor((1, 4), "int8", 0.5, data=[[1, 2, 3, 4]])
    y = build.tensor((1, 4), "int8", 0.5)
    build.op("ADD", [x, w], [y])

    def large(fb, data: bytes) -> int:
        fb.StartObject(3)
        if data:
            fb.PrependUint64Slot(2, len(data), 0)
            fb.PrependUint64Slot(1, 0x1122334455667788, 0)
        return int(fb.EndObject())

    build._write_buffer = large  # type: ignore[method-assign]
    raw = bytearray(build.build([x], [y]))
    raw += bytes(-len(raw) % 16)
    where = raw.index(struct.pack("<Q", 0x1122334455667788))
    struct.pack_into("<Q", raw, where, len(raw))
    return bytes(raw + bytes([1, 2, 3, 4]))


def test_specs_travel() -> None:
    before = PreprocessSpec((ImageInput("image", 16, 16),))
    after = ClassifySpec("scores", ("a", "b", "c", "d"))
    made = embed(
        tiny_classifier(),
        {
            PREPROCESS: json.dumps(before.to_json()).encode(),
            POSTPROCESS: json.dumps(post.to_json(after)).encode(),
        },
    )
    assert specs(read_model(made)) == (before, after)
    assert specs(read_model(tiny_classifier())) == (None, None)


def test_bad_specs_are_refused() -> None:
    with pytest.raises(ModelError, match="no JSON"):
        specs(read_model(embed(tiny_classifier(), {PREPROCESS: b"\xff{"})))
    with pytest.raises(BundleError, match="schema"):
        specs(read_model(embed(tiny_classifier(), {POSTPROCESS: b"{}"})))


def test_no_model_is_refused() -> None:
    with pytest.raises(ModelError):
        embed(b"\x89PNG\r\n\x1a\n", {})
