"""Pictures out of a multipart body, and what their markers tell."""

import random
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.sources.jpeg import Jpeg, wholeness
from edgecnn.camera.sources.multipart import Multipart, NoMultipartError


def jpeg(number: int = 1, size: tuple[int, int] = (48, 64), **options: int) -> bytes:
    picture = np.random.default_rng(number).integers(0, 255, (*size, 3), np.uint8)
    flags = [value for key, item in options.items() for value in (getattr(cv2, key), item)]
    return cv2.imencode(".jpg", picture, flags)[1].tobytes()


WHOLE = [jpeg(k) for k in range(4)]


def body(
    datas: list[bytes],
    boundary: str = "--frame",
    lengths: list[int | None] | None = None,
    line: str = "\r\n",
) -> bytes:
    out = b""
    for k, data in enumerate(datas):
        length = len(data) if lengths is None else lengths[k]
        head = f"{boundary}{line}Content-Type: image/jpeg{line}"
        head += "" if length is None else f"Content-Length: {length}{line}"
        out += (head + line).encode() + data + line.encode()
    return out


def parts_of(data: bytes, cuts: list[int], announced: bytes = b"frame") -> list[bytes]:
    parser, found, at = Multipart(announced), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += parser.feed(data[at:cut])
        at = cut
    return [part.data for part in found]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
    st.sampled_from(["right", "none", "long", "short", "huge", "junk"]),
    st.sampled_from(["--frame", "--other", "----double", "frame", "--a", "--" + "x" * 60]),
    st.sampled_from(["\r\n", "\n"]),
    st.lists(st.integers(0, 50_000), max_size=12),
)
def test_every_part_is_found_however_the_bytes_come(
    numbers: list[int], length: str, boundary: str, line: str, cuts: list[int]
) -> None:
    datas = [WHOLE[k] for k in numbers]
    lengths = {
        "right": [len(data) for data in datas],
        "none": [None] * len(datas),
        "long": [len(data) + 100 for data in datas],
        "short": [len(data) - 100 for data in datas],
        "huge": [10**8] * len(datas),
        "junk": [-5] * len(datas),
    }[length]
    data = body(datas, boundary, lengths, line) + f"{boundary}--{line}".encode()
    assert parts_of(data, cuts) == datas


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=5))
def test_no_bytes_break_it(data: bytes, cuts: list[int]) -> None:
    stream = b"--frame\r\n\r\n" + data + body(WHOLE[:2])
    assert parts_of(stream, cuts)[-1] == WHOLE[1]


def test_a_picture_is_there_before_the_next_boundary_comes() -> None:
    for lengths in (None, [None]):
        parser = Multipart(b"frame")
        assert [part.data for part in parser.feed(body(WHOLE[:1], lengths=lengths))] == WHOLE[:1]


def test_damaged_parts_do_not_touch_the_others() -> None:
    datas = [WHOLE[0], b"", WHOLE[1][:500], WHOLE[2]]
    assert parts_of(body(datas) + b"--frame--", []) == datas


@pytest.mark.parametrize("head", [b"", b"\r\n", b"\xff\x00junk: " * 9, b"x" * 30_000])
def test_a_part_whose_head_is_damaged_costs_that_part_alone(head: bytes) -> None:
    broken = b"--frame" + head + WHOLE[1] + b"\r\n"
    for cuts in ([], [100, 900, 4000], list(range(0, 60_000, 500))):
        parts = parts_of(body(WHOLE[:1]) + broken + body(WHOLE[2:4]), cuts)
        assert parts[0] == WHOLE[0] and parts[-2:] == WHOLE[2:4]
        assert len(parts) == 4 and wholeness(parts[1]) != "whole"


def test_what_is_endless_is_given_up() -> None:
    for start in (b"", b"--frame\r\nA: b\r\n", b"--frame\r\n\r\n"):
        parser = Multipart(b"frame")
        parser.feed(start)
        with pytest.raises(NoMultipartError):
            for _ in range(40):
                parser.feed(b"x" * (1 << 20))


def test_behind_the_last_boundary_there_is_nothing() -> None:
    parser = Multipart(b"frame")
    assert len(parser.feed(body(WHOLE[:1]) + b"--frame--\r\n" + body(WHOLE))) == 1
    assert parser.ended and parser.feed(body(WHOLE)) == []


@pytest.mark.parametrize(
    "options",
    [{}, {"IMWRITE_JPEG_PROGRESSIVE": 1}, {"IMWRITE_JPEG_RST_INTERVAL": 2},
     {"IMWRITE_JPEG_QUALITY": 100}, {"IMWRITE_JPEG_OPTIMIZE": 1}],
)  # fmt: skip
def test_whole_pictures_are_whole_and_cut_ones_are_not(options: dict[str, int]) -> None:
    data = jpeg(3, (96, 128), **options)
    assert wholeness(data) == "whole" and wholeness(data + bytes(30)) == "whole"
    image = Jpeg(data).decode()
    assert image is not None and image.shape == (96, 128, 3)
    for length in range(0, len(data) - 1, 7):
        assert wholeness(data[:length]) != "whole"
    assert wholeness(data[:-2]) == "endless" and wholeness(data[: len(data) // 2]) != "whole"


def test_a_few_bytes_that_declare_gigabytes_are_damaged_or_give_no_picture() -> None:
    data = bytearray(jpeg(3, (96, 128)))
    place = data.find(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", 30_000, 30_000)
    assert wholeness(bytes(data)) == "damaged"
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 30_000, 30_000)
    assert Jpeg(head + bytes(100)).decode() is None


def test_foreign_bytes_in_a_picture_are_seen_in_nearly_all_cases() -> None:
    rng = random.Random(1)
    data = jpeg(1, (240, 320))
    seen = 0
    for _ in range(50):
        at = rng.randrange(700, len(data) - 2000)
        seen += wholeness(data[:at] + rng.randbytes(1000) + data[at + 1000 :]) == "damaged"
    assert seen >= 45
    glued = data[: len(data) // 2] + data
    assert wholeness(glued) == "damaged"


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_bytes_are_judged_and_decoded_without_an_exception(data: bytes, number: int) -> None:
    for given_ in (data, b"\xff\xd8" + data, WHOLE[number][:300] + data):
        assert wholeness(given_) in ("whole", "endless", "damaged")
        Jpeg(given_).decode()
