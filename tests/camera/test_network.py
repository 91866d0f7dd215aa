"""What FFmpeg is asked for, and when it is not waited for any longer."""

import numpy as np
import pytest

from edgecnn.camera.sources.frames import read_image
from edgecnn.camera.sources.network import FfmpegStream
from edgecnn.core.errors import CameraError
from tests.camera.clocks import FakeClock


class SlowCapture:
    """Gives a frame each time, after so many seconds."""

    def __init__(self, clock: FakeClock, *seconds: float) -> None:
        self.clock = clock
        self.seconds = list(seconds)

    def read(self, image: object) -> tuple[bool, object]:
        self.clock.pass_by(self.seconds.pop(0))
        return True, np.zeros((4, 6, 3), np.uint8)

    def get(self, number: int) -> float:
        return number / 2

    def release(self) -> None:
        self.seconds.append(-1.0)


def test_frames_that_come_after_a_long_silence_are_the_decoder_s_old_ones() -> None:
    clock = FakeClock()
    capture = SlowCapture(clock, 0.04, 4.9, 5.1)
    stream = FfmpegStream(capture, clock)
    assert read_image(stream) is not None and read_image(stream) is not None
    with pytest.raises(CameraError, match="sent nothing for 5 s"):
        read_image(stream)
    assert stream.get(5) == 2.5
    stream.release()
    assert capture.seconds == [-1.0]
