"""Everything the page's server answers, asked by the standard library's client."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.camera.notices import LoopNotice
from edgecnn.camera.page.recordings import RecordingFolder, Recordings
from edgecnn.camera.page.status import MachineState
from tests.camera.clocks import until
from tests.camera.page.served import HTML, POLICY, SIZE, served
from tests.camera.recording.frames import event

MKV = "000007_2026-11-22T04-12-18Z.mkv"
PART = "000009_2026-11-22T04-14-18Z_person.part.mkv"
JPG = "000008_2026-11-22T04-13-18Z_person.jpg"


def picture(jpeg: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_the_page_comes_with_headers_that_keep_it_to_itself() -> None:
    with served() as site:
        answer, body = site.ask("/")
        assert (answer.status, body) == (200, HTML)
        said = {name.lower(): value for name, value in answer.getheaders()}
        assert said["content-security-policy"] == POLICY
        assert said["x-content-type-options"] == "nosniff"
        assert said["referrer-policy"] == "no-referrer"
        assert said["cross-origin-resource-policy"] == "same-origin"
        assert said["x-frame-options"] == "DENY"
        assert said["cache-control"] == "no-store"
        assert said["connection"] == "close" and said["server"] == "edgecnn"
        answer, body = site.ask("/", "HEAD")
        assert answer.status == 200 and body == b""
        assert answer.getheader("Content-Length") == str(len(HTML))


def test_every_answer_has_the_headers_also_an_error() -> None:
    with served() as site:
        for path, status in (("/about", 200), ("/nothing", 404), ("/recordings", 200)):
            answer, body = site.ask(path)
            assert answer.status == status
            assert answer.getheader("X-Content-Type-Options") == "nosniff"
            assert "default-src 'none'" in (answer.getheader("Content-Security-Policy") or "")
            assert list(json.loads(body)) == ["error"] or status == 200


def test_about_says_what_runs() -> None:
    with served(cameras=("front", "back")) as site:
        about = json.loads(site.ask("/about")[1])
        assert about["version"] == "1.2.3" and about["model"] == {"name": "net"}
        assert [camera["name"] for camera in about["cameras"]] == ["front", "back"]
        assert about["labels"] == ["red", "green"]
        assert about["limits"] == about["limits_at_start"] == {"red": 0.5, "green": 0.5}
        assert about["controls"] is True and about["recordings"] is False


def test_live_gives_frames_without_drawing_and_what_was_found() -> None:
    with served() as site, site.running():
        stream = site.live()
        assert stream.answer.status == 200
        assert stream.answer.getheader("Content-Length") is None
        message, jpeg = stream.until("frame")
        stream.close()
    assert (message["width"], message["height"]) == SIZE and message["camera"] == ""
    (found,) = message["detections"]
    assert found["label"] == "red" and found["class"] == 0 and found["score"] == 0.75
    assert found["box_xyxy"] == [40.0, 30.0, 200.0, 220.0]
    assert message["trails"] == [] and message["counts"] == []
    plain = picture(jpeg)
    assert plain.shape == (SIZE[1], SIZE[0], 3)
    # Every pixel is the red of the frame: no box, no label, no line.
    assert abs(plain.astype(int) - (0, 0, 200)).max() < 8


def test_large_frames_are_sent_smaller_and_their_coordinates_stay() -> None:
    with served() as site:
        stream = site.live()
        until(lambda: site.frame(size=(1920, 1080)) == "raw")
        message, jpeg = stream.until("frame")
        stream.close()
    assert (message["width"], message["height"]) == (1920, 1080)
    # How much smaller depends on what the machine has to spare.
    assert picture(jpeg).shape in ((720, 1280, 3), (540, 960, 3))


def test_each_stream_shows_the_camera_that_it_asked_for() -> None:
    with served(cameras=("front", "back")) as site:
        stream = site.live("back")
        until(lambda: site.frame("back") == "raw")
        assert site.frame("front") == "nothing"
        assert stream.until("frame")[0]["camera"] == "back"
        stream.close()
        assert site.ask("/live?camera=side")[0].status == 404


def test_a_new_viewer_gets_the_last_events_and_then_what_happens() -> None:
    with served() as site:
        for number in range(60):
            site.frame(events=(event(number),))
        stream = site.live()
        numbers = [stream.until("event")[0]["event"]["number"] for _ in range(50)]
        assert numbers == list(range(10, 60))
        shown: list[LoopNotice] = []
        tell = site.page.notices_to(shown.append)
        tell(LoopNotice("source_lost", "the camera is gone", event().moment))
        message = stream.until("notice")[0]
        assert message["text"] == shown[0].text and message["time"].endswith("Z")
        # A notice also comes as an event, for the log; the page gets it once.
        site.sinks[""].tell(event(61, "source_lost"))
        site.sinks[""].tell(event(62))
        assert stream.until("event")[0]["event"]["number"] == 62
        stream.close()


def test_status_comes_each_second_and_is_kept_for_those_who_come_later() -> None:
    machine = MachineState(61.5, ("under-voltage",))
    with served(machine=lambda: machine) as site, site.running():
        stream = site.live()
        first = stream.until("status")[0]
        second = stream.until("status")[0]
        stream.close()
        about = json.loads(site.ask("/about")[1])
    assert about["history"][:2] == [first, second]
    camera = second["cameras"][""]
    assert camera["dropped"] == 3 and camera["frames"] > 20
    assert camera["age_ms"] == {"p50": 5.0, "p95": 5.0}
    assert (camera["width"], camera["height"]) == SIZE
    assert second["viewers"] == 1
    assert second["temperature_c"] == 61.5 and second["throttled"] == ["under-voltage"]
    assert second["memory_mb"] is None or second["memory_mb"] > 10


def test_a_limit_is_moved_and_everybody_is_told() -> None:
    with served() as site:
        stream = site.live()
        answer, body = site.ask("/limits", "POST", {"label": "red", "score": 0.8})
        assert answer.status == 200
        assert json.loads(body) == {"limits": {"red": 0.8, "green": 0.5}}
        assert stream.until("limits")[0]["limits"] == {"red": 0.8, "green": 0.5}
        for score in (0.1, 0.2, 0.3):
            site.ask("/limits", "POST", {"label": None, "score": score})
        assert site.controls.now == {"red": 0.3, "green": 0.3}
        until(lambda: len(site.controls.told) == 2)
        # A slider that was dragged is said once, with where it came to rest.
        assert set(site.controls.told) == {("red", 0.8), (None, 0.3)}
        stream.close()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"label": "red"}', b'{"score": 0.5}', b"\xff" * 8,
        b'{"label": "red", "score": 1.5}', b'{"label": "red", "score": NaN}',
        b'{"label": "red", "score": true}', b'{"label": "red", "score": "0.5"}',
        b'{"label": "red", "score": 1' + b"0" * 400 + b"}", b'{"label": 7, "score": 0.5}',
        b'{"label": "blue", "score": 0.5}', b"[" * 4000, b'{"label": "red", "score": -0.1}',
    ],
    ids=lambda body: repr(body[:36])[2:-1],
)  # fmt: skip
def test_what_is_no_limit_moves_none(body: bytes) -> None:
    with served() as site:
        head = f"POST /limits HTTP/1.1\r\nHost: {site.host}\r\nContent-Type: application/json\r\n"
        status, _ = site.raw(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert status == 400
        assert site.controls.now == {"red": 0.5, "green": 0.5}


def test_limits_are_not_moved_endlessly_often_nor_where_nobody_may() -> None:
    with served() as site:
        body = {"label": "red", "score": 0.4}
        statuses = [site.ask("/limits", "POST", body)[0].status for _ in range(60)]
        assert statuses[:30] == [200] * 30 and 429 in statuses
    with served(controls=None) as site:
        assert site.ask("/limits", "POST", body)[0].status == 403
        assert json.loads(site.ask("/about")[1])["controls"] is False


def test_a_snapshot_is_the_next_frame_in_full_raw_or_drawn() -> None:
    with served() as site, site.running():
        address = f"http://{site.host}:{site.port}/snapshot.jpg"
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert answer.headers["Content-Type"] == "image/jpeg"
            raw = picture(answer.read())
        with urllib.request.urlopen(f"{address}?drawn=1", timeout=20) as answer:
            drawn = picture(answer.read())
    assert raw.shape == drawn.shape == (SIZE[1], SIZE[0], 3)
    assert abs(raw.astype(int) - (0, 0, 200)).max() < 8
    assert abs(drawn.astype(int) - (0, 0, 200)).max() > 100


def test_a_snapshot_of_a_camera_that_gives_nothing_says_so(monkeypatch) -> None:
    monkeypatch.setattr("edgecnn.camera.page.live._SNAPSHOT_S", 0.1)
    with served() as site:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{site.host}:{site.port}/snapshot.jpg", timeout=20)
        assert caught.value.code == 503
        assert "no frame comes" in json.loads(caught.value.read())["error"]
        # Nobody waits any more: frames are left alone again.
        until(lambda: site.frame() == "nothing")


def test_another_program_reads_the_drawn_stream() -> None:
    with served() as site, site.running():
        capture = cv2.VideoCapture(f"http://{site.host}:{site.port}/stream.mjpg")
        frames = [capture.read() for _ in range(3)]
        capture.release()
    assert all(taken for taken, _ in frames)
    assert abs(frames[-1][1].astype(int) - (0, 0, 200)).max() > 100


def test_a_folder_is_not_read_for_each_who_asks(tmp_path: Path, monkeypatch) -> None:
    read, listing = [], Recordings.listing
    monkeypatch.setattr(Recordings, "listing", lambda self: (read.append(1), listing(self))[1])
    monkeypatch.setattr("edgecnn.camera.page.routes._LISTED_S", 1000.0)
    (tmp_path / MKV).write_bytes(b"1")
    with served(recordings=Recordings((RecordingFolder("recording", tmp_path),))) as site:
        answers = {site.ask("/recordings")[1] for _ in range(20)}
    assert len(read) == len(answers) == 1


def test_what_is_recorded_is_listed_and_sent_in_parts(tmp_path: Path) -> None:
    (tmp_path / MKV).write_bytes(bytes(range(200)))
    (tmp_path / PART).write_bytes(b"part")
    (tmp_path / JPG).write_bytes(b"jpeg")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "000001_2026-11-22T04-12-18Z.mkv").symlink_to("/etc/passwd")
    (tmp_path / "000002_2026-11-22T04-12-18Z.mkv").mkdir()
    recordings = Recordings((RecordingFolder("recording", tmp_path),))
    with served(recordings=recordings) as site:
        listed = json.loads(site.ask("/recordings")[1])
        assert [(item["name"], item["kind"], item["bytes"], item["open"]) for item in listed] == [
            (PART, "clip", 4, True),
            (JPG, "snapshot", 4, False),
            (MKV, "recording", 200, False),
        ]
        assert listed[2]["time"] == "2026-11-22T04:12:18Z"
        answer, body = site.ask(f"/recordings/{MKV}")
        assert (answer.status, body) == (200, bytes(range(200)))
        assert answer.getheader("Accept-Ranges") == "bytes"
        for wanted, expected in (
            ("bytes=10-19", range(10, 20)),
            ("bytes=190-", range(190, 200)),
            ("bytes=-5", range(195, 200)),
            ("bytes=0-9999", range(200)),
        ):
            answer, body = site.ask(f"/recordings/{MKV}", headers={"Range": wanted})
            assert (answer.status, body) == (206 if len(expected) < 200 else 200, bytes(expected))
            if len(expected) < 200:
                span = f"bytes {expected[0]}-{expected[-1]}/200"
                assert answer.getheader("Content-Range") == span
        for wanted in ("bytes=200-", "bytes=-0"):
            answer, _ = site.ask(f"/recordings/{MKV}", headers={"Range": wanted})
            assert answer.status == 416 and answer.getheader("Content-Range") == "bytes */200"
        for wanted in ("bytes=5-1", "bytes=a-b", "bytes=1-2,4-5", "lines=1-2", "bytes=-"):
            assert site.ask(f"/recordings/{MKV}", headers={"Range": wanted})[0].status == 200
        assert site.ask("/recordings/000001_2026-11-22T04-12-18Z.mkv")[0].status == 404
        assert site.ask("/recordings/000002_2026-11-22T04-12-18Z.mkv")[0].status == 404


def test_recordings_of_two_cameras_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    folders = []
    for name in ("front", "back"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MKV).write_bytes(name.encode())
        folders.append(RecordingFolder("recording", tmp_path / name, name))
    with served(recordings=Recordings(tuple(folders))) as site:
        names = {item["name"] for item in json.loads(site.ask("/recordings")[1])}
        assert names == {f"front/{MKV}", f"back/{MKV}"}
        assert site.ask(f"/recordings/back%2F{MKV}")[1] == b"back"
        assert site.ask(f"/recordings/{MKV}")[0].status == 404


def test_the_end_is_told_and_the_server_closes() -> None:
    with served() as site:
        stream = site.live()
        site.page.close("interrupted")
        assert stream.until("end")[0]["why"] == "interrupted"
        with pytest.raises(EOFError):
            stream.next()
        stream.close()
        with pytest.raises(OSError):
            site.connect()
        site.page.close("again")
