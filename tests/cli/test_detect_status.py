"""One line for all cameras, never wider than the terminal."""

from edgecnn.camera.clock import Instant
from edgecnn.camera.result import FrameResult, Item
from edgecnn.cli.detect_status import status_text


def result(camera: str | None, *labels: str) -> FrameResult:
    items = tuple(Item(label, 0, 0.9, (0, 0, 1, 1)) for label in labels)
    return FrameResult(7, 0.5, Instant(1.0, 1.0), 12.4, items, {}, camera=camera)


def test_one_camera_without_a_name_says_what_it_always_said() -> None:
    line = status_text([result(None, "person", "car")], 10)
    assert line == "frame 7  age 12 ms  " + "person, car".ljust(40)


def test_cameras_with_names_share_the_width() -> None:
    both = [result("front", "person", "person", "car"), result("back")]
    assert status_text(both, 60) == "front: 12 ms  person, person | back: 12 ms                 "
    for columns in (1, 20, 80, 81, 200):
        for count in (1, 2, 4):
            line = status_text([result(f"camera{k}", *"abc") for k in range(count)], columns)
            assert len(line) <= max(columns - 1, 4 * count)


def test_a_label_does_not_steer_the_terminal() -> None:
    for camera in (None, "front"):
        assert status_text([result(camera, "a\x1b[31m\r\n\u202eb\x9b2J")], 60).isprintable()
