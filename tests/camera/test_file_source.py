"""Files: every frame in order, read ahead; corrupt frames, early ends, varying rates."""

import itertools
import os
import struct
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.sources.ahead import Pace, ReadAhead
from edgecnn.camera.sources.containers import ContainerFacts, facts_of
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.positions import FramePositions
from edgecnn.camera.sources.reader import VideoReader
from edgecnn.core.errors import CameraError
from tests.camera.clocks import until
from tests.camera.doubles import video_frames
from tests.camera.file_source import FileSource
from tests.camera.videos import CODECS, PERIOD_MS, cut, number_of, retimed, video, without_frames

SUFFIXES = sorted(CODECS)


def all_of(source: Any) -> list[Frame]:
    frames = []
    deadline = time.monotonic() + 30
    while not source.ended:
        assert time.monotonic() < deadline
        frame = source.read(1)
        if frame is not None:
            frames.append(frame)
    return frames


class Scripted:
    """A capture whose reads give numbers (a frame full of it), None (a corrupt one) or an error."""

    def __init__(self, *reads: int | None, promised: float = 0.0, positions: bool = False) -> None:
        self.reads, self.promised, self.positions = list(reads), promised, positions
        self.done = 0
        self.inside = False
        self.released_inside: bool | None = None
        self.go_on = threading.Event()
        self.go_on.set()

    def read(self) -> tuple[bool, Any]:
        self.inside = True
        try:
            self.go_on.wait(10)
            value = self.reads[self.done] if self.done < len(self.reads) else None
            self.done += 1
            if value is None:
                return False, None
            return True, np.full((4, 6, 3), value, np.uint8)
        finally:
            self.inside = False

    def get(self, number: int) -> float:
        if number == cv2.CAP_PROP_POS_MSEC and self.positions:
            return (self.done - 1) * 100.0
        return self.promised if number == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def release(self) -> None:
        self.released_inside = self.inside


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_frame_comes_in_order_with_its_position(suffix: str, tmp_path: Path) -> None:
    path = video(tmp_path / f"a{suffix}")
    notices = Notices()
    with open_source(str(path), notices=notices) as source:
        frames = all_of(source)
    assert [number_of(frame.image) for frame in frames] == list(range(30))
    assert [frame.sequence for frame in frames] == list(range(30))
    assert [frame.timestamp_s for frame in frames] == pytest.approx(np.arange(30) * 0.04)
    assert source.counts.corrupt == 0 and notices.take() == ()


def test_frames_that_are_kept_are_never_written_to(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi")
    expected = video_frames(path)
    kept, places = {}, set()
    with open_source(str(path)) as source:
        while not source.ended:
            frame = source.read(1)
            if frame is not None:
                places.add(frame.image.ctypes.data)
                if frame.sequence % 3 == 0:
                    whole = frame.sequence % 2 == 0
                    kept[frame.sequence] = frame.image if whole else frame.image[:, 10:]
            del frame
    assert len(kept) == 10
    for number, image in kept.items():
        assert np.array_equal(image, expected[number][:, -image.shape[1] :])
    assert len(places) < 30  # the others' memory was used again


def test_two_frames_wait_and_a_third_is_decoded_but_no_more() -> None:
    capture = Scripted(*range(50), promised=50)
    with FileSource(capture, 25) as source:
        assert source.read(5) is not None
        until(lambda: capture.done == 4)
        time.sleep(0.05)
        assert capture.done == 4
        assert source.read(5).sequence == 1
        until(lambda: capture.done == 5)


def test_nothing_is_read_before_somebody_asks() -> None:
    capture = Scripted(1, 2, 3)
    with FileSource(capture, 25):
        pass
    assert capture.done == 0 and capture.released_inside is False


def test_a_file_is_not_released_in_the_middle_of_a_read() -> None:
    capture = Scripted(*range(50))
    source = FileSource(capture, 25)
    assert source.read(5) is not None
    capture.go_on.clear()
    source.read(5), source.read(5)
    until(lambda: capture.inside)
    threading.Timer(0.05, capture.go_on.set).start()
    source.close()
    source.close()
    assert capture.released_inside is False and source.ended and source.read(0) is None


def test_the_wait_for_a_frame_ends() -> None:
    capture = Scripted(1, 2, 3)
    capture.go_on.clear()
    with FileSource(capture, 25) as source:
        assert source.read(0.01) is None and not source.ended
        capture.go_on.set()
        assert len(all_of(source)) == 3


def test_corrupt_frames_in_the_middle_are_skipped_and_counted(tmp_path: Path) -> None:
    path = video(tmp_path / "a.avi")
    lost = (4, 11, 12, 20)
    without_frames(path, lost)
    notices = Notices()
    with open_source(str(path), notices=notices) as source:
        frames = all_of(source)
    numbers = [number for number in range(30) if number not in lost]
    assert [number_of(frame.image) for frame in frames] == numbers
    assert [frame.timestamp_s for frame in frames] == pytest.approx(np.array(numbers) * 0.04)
    assert source.counts.corrupt == 4
    assert [(notice.kind, notice.text[:8]) for notice in notices.take()] == [
        ("source_corrupt", "4 frames")
    ]


def test_reading_goes_on_until_many_failures_in_a_row() -> None:
    holes = [1, None, 2, *[None] * 200, 3, None, None]
    capture = Scripted(*holes)
    with FileSource(capture, 10) as source:
        frames = all_of(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [1, 2, 3]
    assert source.counts.corrupt == 201
    assert [frame.timestamp_s for frame in frames] == pytest.approx([0, 0.2, 20.3])
    assert 204 < capture.done < 700


def test_a_frame_at_the_end_of_what_was_promised_is_not_looked_for_for_long() -> None:
    capture = Scripted(1, 2, 3, promised=3)
    with FileSource(capture, 10) as source:
        assert len(all_of(source)) == 3
    assert capture.done <= 6


@pytest.mark.parametrize(("suffix", "frames", "share"), [(".avi", 30, 0.75), (".mkv", 100, 0.5)])
def test_a_file_that_was_cut_says_so_with_both_numbers(
    suffix: str, frames: int, share: float, tmp_path: Path
) -> None:
    path = video(tmp_path / f"a{suffix}", frames)
    cut(path, share)
    notices = Notices()
    with open_source(str(path), notices=notices) as source:
        read = len(all_of(source))
    assert frames / 5 < read < frames * 0.9
    notice = notices.take()[0]
    assert notice.kind == "source_ended_early" and f"a{suffix}" in notice.text
    assert f"{read} of {frames} frames" in notice.text
    assert source.counts.corrupt == 0


def test_a_container_that_only_estimates_may_miss_a_second() -> None:
    for promised, said in ((35, 0), (45, 1)):
        notices = Notices()
        with FileSource(Scripted(*range(30), promised=promised), 10, notices=notices) as source:
            assert len(all_of(source)) == 30
        assert len(notices.take()) == said


def test_a_varying_rate_is_told_as_the_container_has_it(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mkv")
    times = [k * 40 + 7 * k * k % 37 for k in range(30)]
    retimed(path, times)
    with open_source(str(path)) as source:
        frames = all_of(source)
    assert [frame.timestamp_s * 1e3 for frame in frames] == pytest.approx(times)


def test_a_rate_that_is_only_the_containers_clock_is_measured_instead(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mkv", fps=1000)
    retimed(path, [k * 40 for k in range(30)])
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) > 900
    notices = Notices()
    with open_source(str(path), notices=notices) as source:
        assert source.fps == pytest.approx(25)
        assert all_of(source)[-1].timestamp_s == pytest.approx(1.16)
    assert notices.take() == ()
    with open_source(str(video(tmp_path / "slow motion.mp4", fps=240))) as source:
        assert source.fps == pytest.approx(240)


@given(
    st.lists(st.floats(allow_nan=True) | st.none() | st.floats(0, 1e5), max_size=40),
    st.none() | st.floats(0.1, 1000),
)
def test_positions_rise_whatever_the_container_says(told: list, fps: float | None) -> None:
    positions = FramePositions(fps)
    found = [positions.of(ms) for ms in told]
    assert all(0 <= a < b for a, b in itertools.pairwise(found))


@pytest.mark.parametrize("first", [0, 1])
def test_positions_start_at_zero_whichever_frame_the_backend_speaks_of(first: int) -> None:
    positions = FramePositions(20)
    assert [positions.of((k + first) * 50) for k in range(4)] == pytest.approx([0, 0.05, 0.1, 0.15])


def test_a_changed_size_is_followed_and_told() -> None:
    class Changing(Scripted):
        def read(self) -> tuple[bool, Any]:
            ok, image = super().read()
            return ok, np.zeros((4 + self.done // 3, 6, 3), np.uint8) if ok else None

    notices = Notices()
    with FileSource(Changing(*range(20), promised=20), 10, notices=notices) as source:
        heights = [frame.image.shape[0] for frame in all_of(source)]
    assert heights == [4 + (k + 1) // 3 for k in range(20)]
    said = notices.take()
    assert [notice.kind for notice in said] == ["source_changed"] * 3
    assert "6x5 from frame 2 on" in said[0].text


def survives(path: Path) -> None:
    """Reads what is left of a file: frames, or a CameraError."""
    try:
        with open_source(str(path), notices=Notices()) as source:
            for frame in all_of(source):
                assert frame.image.dtype == np.uint8 and frame.image.ndim == 3
            assert source.counts.corrupt >= 0
    except CameraError as error:
        assert error.hint


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut, and with random, missing or repeated parts inside."""
    found = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(found)))
        size = int(rng.integers(1, max(2, len(found) // int(rng.choice([2, 20, 200])))))
        kind = int(rng.integers(5))
        if kind == 0:
            found[at : at + size] = rng.bytes(min(size, len(found) - at))
        elif kind == 1:
            found[at : at + size] = bytes(min(size, len(found) - at))
        elif kind == 2:
            del found[at : at + size]
        elif kind == 3:
            found[at:at] = found[at : at + size]
        else:
            for place in rng.integers(0, len(found), 1 + size // 20):
                found[place] = int(rng.integers(256))
        if len(found) < 2:
            break
    return bytes(found[: int(rng.integers(1, len(found) + 1))] if rng.random() < 0.3 else found)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 32), suffix=st.sampled_from(SUFFIXES))
def test_damaged_files_end_with_frames_or_an_error(
    seed: int, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = video(tmp_path_factory.mktemp("damaged") / f"a{suffix}")
    path.write_bytes(mutated(path.read_bytes(), np.random.default_rng(seed)))
    survives(path)


@pytest.mark.long
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hundreds_of_damaged_files(suffix: str, tmp_path: Path) -> None:
    whole = video(tmp_path / f"whole{suffix}").read_bytes()
    for seed in range(400):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(mutated(whole, np.random.default_rng(seed)))
        survives(path)


def test_an_mp4_without_its_index_is_said_to_be_cut_off(tmp_path: Path) -> None:
    for share in (0.9, 0.2):
        path = video(tmp_path / "a.mp4")
        cut(path, share)
        with pytest.raises(CameraError, match="its index is cut off") as caught:
            open_source(str(path))
        assert "again" in caught.value.hint


def test_a_trimmed_file_has_not_ended_early() -> None:
    for seconds, early in ((2.0, False), (2.96, True), (None, True)):
        notices = Notices()
        reader = VideoReader(
            Scripted(*range(20), promised=30),
            10,
            facts=ContainerFacts(listed=True, seconds=seconds),
            notices=notices,
        )
        assert len(all_of(ReadAhead(reader))) == 20
        assert [notice.kind for notice in notices.take()] == ["source_ended_early"] * early


def test_what_a_container_says_of_itself(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4")
    assert facts_of(path) == ContainerFacts(True, pytest.approx(1.2), False)
    with path.open("ab") as stream:
        stream.write(struct.pack(">I4s", 8, b"moof"))
    assert not facts_of(path).listed
    assert facts_of(video(tmp_path / "a.avi")).listed
    assert facts_of(video(tmp_path / "a.mkv")) == facts_of(tmp_path / "no") == ContainerFacts()


@given(content=st.binary(max_size=80), outer=st.booleans())
def test_no_bytes_confuse_the_look_at_the_container(
    content: bytes, outer: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "random.mp4"
    head = struct.pack(">I4s", 8, b"ftyp") + struct.pack(">I4s", 8 + len(content), b"moov")
    path.write_bytes(head * outer + content)
    seconds = facts_of(path).seconds
    assert seconds is None or seconds > 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
@pytest.mark.parametrize("name", ["a.mp4", "a.png", "list.txt"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    if name == "a.mp4":
        os.mkfifo(tmp_path / name)
    (tmp_path / "list.txt").write_text("a.png\nno.png\nlist.txt\n")
    notices = Notices()
    try:
        with open_source(str(tmp_path / name), notices=notices) as source:
            assert all_of(source) == [] and source.counts.corrupt == 3
        told = notices.take()[0].text
    except CameraError as error:
        told = error.message
    assert "pipe" in told


def test_pictures_of_other_sizes_within_a_file_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mjpeg"  # JPEGs one behind the other, and no container at all
    jpegs = [
        cv2.imencode(".jpg", np.full((48 + 16 * (k // 4), 64, 3), 10 + k * 20, np.uint8))[1]
        for k in range(12)
    ]
    path.write_bytes(b"".join(jpeg.tobytes() for jpeg in jpegs))
    with open_source(str(path)) as source:
        frames = all_of(source)
    # OpenCV scales them to the size of the first.
    assert [round((float(frame.image.mean()) - 10) / 20) for frame in frames] == list(range(12))


@pytest.mark.parametrize(("early", "hurried"), [(0, 1), (2, 1), (3, 0), (10, 0)])
def test_reading_hurries_only_where_frames_are_waited_for(early: int, hurried: int) -> None:
    calls = []
    pace = Pace(lambda: calls.append(1))
    for frame in range(100):
        # Of the ten frames that count, so many were read before they were wanted.
        pace.note(waited=frame < 6 or frame < 6 + early)
    assert len(calls) == hurried


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_hurried_file_goes_on_with_the_next_frame(suffix: str, tmp_path: Path) -> None:
    path = video(tmp_path / f"a{suffix}", 30)
    first, again = cv2.VideoCapture(str(path)), []

    def reopen():
        again.append(cv2.VideoCapture(str(path)))
        return again[0]

    reader = VideoReader(first, 25, faster=reopen)
    frames = [reader.next() for _ in range(16)]
    reader.hurry()
    assert not first.isOpened() and again[0].isOpened()
    frames += iter(reader.next, None)
    reader.release()
    assert [number_of(frame.image) for frame in frames] == list(range(30))
    assert [frame.sequence for frame in frames] == list(range(30))
    assert [frame.timestamp_s for frame in frames] == pytest.approx(
        [k * PERIOD_MS / 1e3 for k in range(30)]
    )
    assert not again[0].isOpened()


def test_a_file_that_was_replaced_meanwhile_is_not_gone_on_with(tmp_path: Path) -> None:
    path, other = video(tmp_path / "a.mp4", 30), video(tmp_path / "b.mp4", 9)
    reader = VideoReader(
        cv2.VideoCapture(str(path)), 25, faster=lambda: cv2.VideoCapture(str(other))
    )
    for _ in range(20):
        reader.next()
    reader.hurry()
    assert number_of(reader.next().image) == 20
    reader.release()


def test_a_frame_that_has_to_wait_is_worked_on_meanwhile() -> None:
    worked: list[int] = []
    with ReadAhead(VideoReader(Scripted(0, 1, 2, 3)), room=1) as source:
        source.work_ahead(lambda frame: worked.append(frame.sequence))
        first = source.read(5)
        until(lambda: worked)
        rest = all_of(source)
    assert [frame.sequence for frame in (first, *rest)] == [0, 1, 2, 3]
    assert worked == sorted(set(worked)) and 0 not in worked


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_the_reading_thread_is_no_quiet_end() -> None:
    class Broken(Scripted):
        def get(self, number: int) -> float:
            if self.done > 3:
                raise ZeroDivisionError
            return super().get(number)

    capture = Broken(*range(9))
    with FileSource(capture) as source, pytest.raises(CameraError, match="unexpectedly"):
        all_of(source)
    assert capture.released_inside is False
