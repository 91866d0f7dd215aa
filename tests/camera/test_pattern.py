"""The test pattern: what it says is there is exactly what was drawn, live at its rate."""

import io
import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.pattern import COLOURS, Pattern
from edgecnn.camera.sources.pattern_options import PatternOptions
from edgecnn.camera.sources.pattern_source import PatternSource
from edgecnn.core.errors import UsageError
from tests.camera.clocks import FakeClock
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector, looped


def boxes_by_colour(image: np.ndarray) -> dict[str, tuple[int, ...]]:
    """What a segmentation by colour finds: OpenCV's hue where the saturation is high."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    found = {}
    for label, colour in COLOURS.items():
        hue = int(cv2.cvtColor(np.uint8([[colour]]), cv2.COLOR_BGR2HSV)[0, 0, 0])
        away = np.abs((hsv[:, :, 0].astype(int) - hue + 90) % 180 - 90)
        x, y, width, height = cv2.boundingRect(
            ((away < 12) & (hsv[:, :, 1] > 120)).astype(np.uint8)
        )
        found[label] = (x, y, x + width, y + height)
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.integers(48, 400),
    st.integers(48, 300),
    st.floats(0.5, 120),
    st.integers(0, 1 << 32),
    st.integers(0, 1 << 40),
)
def test_the_boxes_are_exactly_those_of_the_drawn_pixels(
    width: int, height: int, rate: float, seed: int, frame: int
) -> None:
    pattern = Pattern(width, height, rate, seed)
    image = pattern.draw(frame)
    truth = {box.label: box.box_xyxy for box in pattern.truth(frame)}
    assert image.shape == (height, width, 3) and image.dtype == np.uint8
    assert boxes_by_colour(image) == truth and len(truth) == 3
    assert np.array_equal(Pattern(width, height, rate, seed).draw(frame), image)


def test_shapes_move_smoothly_over_the_whole_picture() -> None:
    pattern = Pattern(320, 240, 30)
    boxes = {box.label: [] for box in pattern.truth(0)}
    for k in range(1000):
        for box in pattern.truth(k):
            boxes[box.label].append(box.box_xyxy)
    for ways in boxes.values():
        corners = np.array(ways)
        assert np.abs(np.diff(corners, axis=0)).max() <= 5
        assert corners[:, 0].min() <= 2 and corners[:, 2].max() >= 318
        assert len(np.unique(corners[:, 1])) > 10


def test_frames_that_are_kept_stay_as_they_were_drawn() -> None:
    pattern = Pattern(64, 64)
    kept = [pattern.draw(k) for k in range(30)]
    again = Pattern(64, 64)
    assert all(np.array_equal(image, again.draw(k)) for k, image in enumerate(kept))


def test_another_seed_gives_other_ways() -> None:
    assert Pattern(64, 64, seed=1).truth(9) != Pattern(64, 64, seed=2).truth(9)


def test_frames_come_at_the_rate_and_late_ones_are_dropped() -> None:
    clock = FakeClock()
    with PatternSource(PatternOptions(64, 48, rate=10), clock) as source:
        assert source.live and source.fps == 10
        assert [source.read(1).sequence for _ in range(3)] == [0, 1, 2]
        assert clock.now().monotonic_s == pytest.approx(1000.2)
        clock.pass_by(0.53)
        frame = source.read(1)
        assert (frame.sequence, source.counts.dropped) == (7, 4)
        assert frame.truth == Pattern(64, 48, 10).truth(7)
        assert frame.timestamp_s == pytest.approx(0.7)
        assert source.read(0.01) is None and not source.ended
        assert source.read(1).sequence == 8
    assert source.ended and source.read(1) is None


def test_it_ends_after_its_seconds_also_when_the_last_frame_is_late() -> None:
    clock = FakeClock()
    source = PatternSource(PatternOptions(64, 48, rate=10, seconds=1), clock)
    assert source.read(1).sequence == 0
    clock.pass_by(100)
    assert source.read(1).sequence == 9
    assert source.ended and source.read(1) is None and source.counts.dropped == 8


def test_options_are_said_behind_the_name() -> None:
    text = "test, size=64x48, rate=12.5, seconds=2, seed=3"
    with open_source(text, SourceOptions(wait=True, realtime=True)) as source:
        frame = source.read(5)
    assert frame.image.shape == (48, 64, 3) and source.fps == 12.5
    assert np.array_equal(frame.image, Pattern(64, 48, 12.5, 3).draw(0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test,size=640", "size=640, expected WIDTHxHEIGHT"),
        ("test,size=2x2", "size=2x2, expected WIDTHxHEIGHT, 48 to"),
        ("test,size=9000x480", "size=9000"),
        ("test,rate=0", "rate=0, expected"),
        ("test,rate=nan", "rate=nan"),
        ("test,seconds=-1", "seconds=-1"),
        ("test,seed=1.5", "seed=1.5"),
        ("test,colour=red", "'colour=red', expected size, rate"),
        ("test,640x480", "'640x480', expected size"),
        ("test,rate=1,rate=2", "each once"),
        ("test,", "with a value"),
    ],
)
def test_wrong_options_say_what_is_expected(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_source(text, SourceOptions(wait=True))
    assert "--source test" in caught.value.hint


def test_the_json_line_has_the_truth() -> None:
    text = io.StringIO()
    source = open_source("test,size=64x48,rate=1000")
    model = Pipeline(FakeDetector(), PREPROCESS, DETECT)
    looped(source, model, jsonl=text, limits=LoopConfig(max_frames=3))
    lines = [json.loads(line) for line in text.getvalue().splitlines()][:3]
    pattern = Pattern(64, 48, 1000)
    for line in lines:
        expected = [
            {"label": box.label, "box_xyxy": list(box.box_xyxy)}
            for box in pattern.truth(line["frame"])
        ]
        assert line["truth"] == expected and "file" not in line
