"""What FFmpeg is asked for, and when it is not waited for any longer."""

import socket

import numpy as np
import pytest

from edgecnn.camera.sources.capture import SourceRefusedError
from edgecnn.camera.sources.frames import read_image
from edgecnn.camera.sources.network import FfmpegStream
from edgecnn.camera.sources.rtsp_answer import why_closed
from edgecnn.core.errors import CameraError
from tests.camera.clocks import FakeClock
from tests.camera.http_server import serving

URL = "rtsp://{}{}/live?token=hunter2"


@pytest.mark.parametrize(
    ("login", "answer", "words"),
    [
        ("", b"RTSP/1.0 404 Not Found\r\n\r\n", "it answers 404 Not Found"),
        ("", b"RTSP/1.0 401 Unauthorized\r\n", "it wants a user and a password"),
        ("me:hunter2@", b"RTSP/1.0 401 No\r\n", "perhaps user or password are wrong"),
        ("", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n", "FFmpeg cannot read its video"),
        ("", b"HTTP/1.0 200 OK\r\n", "does not answer in RTSP"),
        ("", b"", "does not answer in RTSP"),
        ("", b"x" * 9000, "does not answer in RTSP"),
        ("", None, "no answer"),
    ],
)
def test_why_a_stream_could_not_be_opened(login: str, answer: bytes | None, words: str) -> None:
    def tell(connection: socket.socket, head: str) -> None:
        if answer is None:
            server.over.wait(20)
        connection.sendall(answer or b"")

    with serving(tell) as server:
        takes_s = 0.3 if answer is None else 30.0
        error = why_closed(URL.format(login, server.address), "the stream", takes_s)
    assert words in error.message and "hunter2" not in error.message + error.hint
    assert isinstance(error, SourceRefusedError) == ("wants a user" in error.message)
    assert "me" not in server.requests[0].split() and "Authorization" not in server.requests[0]


def test_a_server_that_is_not_there_is_told_as_such() -> None:
    with serving(lambda connection, head: None) as server:
        pass
    error = why_closed(URL.format("", server.address), "the stream", 5.0)
    assert error.message == "cannot open the stream the stream: Connection refused"


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
