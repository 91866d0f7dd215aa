"""The host's side of frames: what is found among any bytes."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_glue.device.link.frames import (
    LONGEST_PAYLOAD,
    MAGIC,
    FrameReader,
    LineFrame,
    encode_frame,
)
from tests.firmware_glue.device.protocol.test_frames import unwrapped, wrapped

FRAMES = st.builds(LineFrame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))


@given(FRAMES)
def test_frames_are_those_of_the_page(frame: LineFrame) -> None:
    data = encode_frame(frame)
    assert data == wrapped(frame.type, frame.sequence, frame.payload)
    assert unwrapped(data) == [(frame.type, frame.sequence, frame.payload)]


def test_a_payload_has_its_limit() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode_frame(LineFrame(1, 1, bytes(65536)))
    assert FrameReader().feed(wrapped(1, 1, bytes(LONGEST_PAYLOAD + 1))) == []


@given(st.lists(st.tuples(st.binary(max_size=40), FRAMES), max_size=5), st.integers(1, 50))
def test_frames_are_found_between_text(pieces: list[tuple[bytes, LineFrame]], step: int) -> None:
    pieces = [(text.replace(MAGIC[:1], b""), frame) for text, frame in pieces]
    stream = b"".join(text + encode_frame(frame) for text, frame in pieces)
    reader, found = FrameReader(), []
    for at in range(0, len(stream), step):
        found += reader.feed(stream[at : at + step])
    assert found == [frame for _, frame in pieces]
    assert reader.take_text() == b"".join(text for text, _ in pieces)
    assert reader.take_text() == b""


@settings(max_examples=200)
@given(st.binary(max_size=600), FRAMES, st.integers(0, 311))
def test_no_frame_is_missed_behind_noise_or_a_cut_one(
    noise: bytes, frame: LineFrame, kept: int
) -> None:
    cut = encode_frame(LineFrame(7, 7, bytes(299)))[:kept]
    for before in (noise, cut, MAGIC + noise, cut + MAGIC[:1]):
        reader = FrameReader()
        found = reader.feed(before + encode_frame(frame))
        assert frame in found + reader.cut()


def test_what_is_changed_is_no_frame() -> None:
    data, rng = wrapped(4, 9, b"payload"), Random(1)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        reader = FrameReader()
        assert reader.feed(bytes(changed)) == []
        assert reader.damaged == (bit >= 64)
        assert reader.cut() == []
        assert reader.feed(rng.randbytes(20).replace(MAGIC, b"") + data) != []
