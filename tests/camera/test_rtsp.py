"""RTSP against GStreamer's server: up, killed, up again."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.frames import Source
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.camera.sources.reconnect import ReconnectPolicy
from edgecnn.core.errors import CameraError
from tests.camera.clocks import until

PYTHON = "/usr/bin/python3"
SERVER = str(Path(__file__).with_name("rtsp_server.py"))
POLICY = ReconnectPolicy(attempts=None, backoff_s=0.1, backoff_max_s=0.2)


def missing() -> str:
    """Why GStreamer's server cannot run here; empty: it can."""
    if shutil.which(PYTHON) is None:
        return "there is no /usr/bin/python3"
    code = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "raise SystemExit(not all(map(Gst.ElementFactory.find,"
        " ('videotestsrc', 'jpegenc', 'rtpjpegpay'))))"
    )
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, timeout=60, check=False)
    return "" if found.returncode == 0 else "GStreamer's RTSP server is not installed"


@contextmanager
def rtsp_server(port: int = 0) -> Iterator[int]:
    """Runs it until the end of the block; gives its port."""
    server = subprocess.Popen([PYTHON, SERVER, str(port), "jpeg"], stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def frames(source: Source, count: int) -> list[int]:
    numbers: list[int] = []

    def enough() -> bool:
        frame = source.read(0.2)
        numbers.extend([frame.sequence] if frame is not None else [])
        return len(numbers) >= count

    until(enough, 60)
    return numbers


def test_a_server_that_is_killed_and_started_again_costs_one_reconnect_and_no_thread() -> None:
    if reason := missing():
        pytest.skip(reason)
    notices = Notices()
    before = threading.active_count()
    with rtsp_server() as port:
        url = f"rtsp://me:hunter2@127.0.0.1:{port}/live?token=hunter2"
        source = open_source(url, SourceOptions(reconnect=POLICY), notices)
        assert source.live
        first = frames(source, 20)
    with source:
        for outages in (1, 2):
            until(lambda: source.read(0.05) is None)
            with rtsp_server(port):
                later = frames(source, 20)
                assert later[0] > first[-1] and later == sorted(later)
                assert source.counts.reconnects == outages
                assert threading.active_count() == before + 1
                first = later
    assert threading.active_count() == before
    said = notices.take()
    assert [notice.kind for notice in said] == ["source_lost", "source_back"] * 2
    assert not any("hunter2" in notice.text for notice in said)


def test_a_server_that_is_not_there_yet_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    if reason := missing():
        pytest.skip(reason)
    with rtsp_server() as port:
        pass
    url = f"rtsp://me:hunter2@127.0.0.1:{port}/live"
    with pytest.raises(CameraError, match="cannot open the stream") as caught:
        open_source(url)
    assert "hunter2" not in caught.value.message
    notices = Notices()
    with open_source(url, SourceOptions(wait=True, reconnect=POLICY), notices) as source:
        assert source.read(0.3) is None
        with rtsp_server(port):
            frames(source, 5)
    assert [notice.kind for notice in notices.take()][:2] == ["source_waiting", "source_back"]
    assert "hunter2" not in capfd.readouterr().err
