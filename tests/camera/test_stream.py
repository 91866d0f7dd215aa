"""A real MJPEG stream over HTTP, lost in the middle."""

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.live import NewestSource
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.core.errors import CameraError
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector, looped


class Stream(BaseHTTPRequestHandler):
    connections = 0
    frames = 40

    def do_GET(self) -> None:
        type(self).connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for k in range(self.frames if self.connections < 3 else 0):
            picture = np.full((48, 64, 3), k * 5, np.uint8)
            jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
            except OSError:
                return
            time.sleep(0.005)

    def log_message(self, *args: object) -> None:
        pass


def test_a_stream_reconnects_and_is_then_given_up() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        policy = ReconnectPolicy(attempts=2, backoff_s=0.01, backoff_max_s=0.01)
        source = open_source(
            f"http://127.0.0.1:{server.server_address[1]}/", SourceOptions(reconnect=policy)
        )
        assert isinstance(source, NewestSource) and source.live
        stream = io.StringIO()
        with pytest.raises(CameraError, match="did not come back in 2 attempts"):
            looped(source, Pipeline(FakeDetector(), PREPROCESS, DETECT), jsonl=stream)
    finally:
        server.shutdown()
        server.server_close()
    last = json.loads(stream.getvalue().splitlines()[-1])
    # Two connections gave frames (the decoder may hold back the first few of each).
    assert Stream.connections >= 4 and last["frames"] + last["dropped"] > Stream.frames
    assert last["ended"] == "lost"
