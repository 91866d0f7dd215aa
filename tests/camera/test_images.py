"""Images as a source: a file, a folder, a pattern, a list; damaged ones are skipped and named."""

import io
import json
import random
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.camera.notices import Notices
from edgecnn.camera.pipeline import Pipeline
from edgecnn.camera.sources.frames import Frame
from edgecnn.camera.sources.image_files import find_images, natural_key
from edgecnn.camera.sources.open import open_source
from edgecnn.camera.sources.options import SourceOptions
from edgecnn.core.errors import CameraError
from edgecnn.jobs.photo import photo_for
from tests.camera.doubles import DETECT, PREPROCESS, FakeDetector, looped


def image(path: Path, value: int = 0, size: tuple[int, int] = (8, 6)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size[1], size[0], 3), value, np.uint8))
    return path


def frames_of(text: object, notices: Notices | None = None) -> list[Frame]:
    frames = []
    with open_source(str(text), notices=notices) as source:
        while not source.ended:
            frame = source.read(5)
            if frame is not None:
                frames.append(frame)
    return frames


def names_of(text: object) -> list[str]:
    return [Path(frame.name).name for frame in frames_of(text)]


def test_a_folder_is_read_in_natural_order_and_other_files_are_ignored(tmp_path: Path) -> None:
    for name in ("img10.jpg", "img2.JPG", "img1.png", "IMG3.bmp", "deep/img0.png"):
        image(tmp_path / name)
    image(tmp_path / ".img0.png")
    (tmp_path / "notes.md").write_text("no image")
    (tmp_path / "folder.jpg").mkdir()
    assert names_of(tmp_path) == ["img1.png", "img2.JPG", "IMG3.bmp", "img10.jpg"]


def test_each_frame_has_its_file_its_number_and_a_second(tmp_path: Path) -> None:
    for k in range(3):
        image(tmp_path / f"{k}.png", 40 * k, (8 + k, 6 + 2 * k))
    frames = frames_of(tmp_path)
    assert [frame.name for frame in frames] == [str(tmp_path / f"{k}.png") for k in range(3)]
    assert [(frame.sequence, frame.timestamp_s) for frame in frames] == [(0, 0), (1, 1), (2, 2)]
    assert [frame.image.shape for frame in frames] == [(6, 8, 3), (8, 9, 3), (10, 10, 3)]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 40, 80]


def test_one_image_is_a_source_of_one_frame_whatever_lies_beside_it(tmp_path: Path) -> None:
    for k in range(3):
        image(tmp_path / f"shot{k}.png")
    assert names_of(tmp_path / "shot1.png") == ["shot1.png"]


def test_patterns_also_into_folders(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/b/2.jpg", "a/b/c/10.jpg", "a/b/c/9.jpg", "a/3.png"):
        image(tmp_path / name)
    (tmp_path / "a/x.jpg.txt").write_text("no image")
    assert names_of(tmp_path / "a" / "*.jpg") == ["1.jpg"]
    assert names_of(tmp_path / "a" / "*") == ["1.jpg", "3.png"]
    assert names_of(tmp_path / "**" / "*.jpg") == ["1.jpg", "2.jpg", "9.jpg", "10.jpg"]
    assert names_of(tmp_path / "a" / "[13].*") == ["1.jpg", "3.png"]


def test_a_link_back_into_the_folder_gives_no_image_twice(tmp_path: Path) -> None:
    image(tmp_path / "a/1.jpg")
    try:
        (tmp_path / "a/again").symlink_to(tmp_path / "a", target_is_directory=True)
    except OSError:
        return  # Windows allows it to administrators only
    assert names_of(tmp_path / "**" / "*.jpg") == ["1.jpg"]


def test_a_name_with_brackets_is_that_file(tmp_path: Path) -> None:
    image(tmp_path / "a[1].png")
    image(tmp_path / "b[2]/1.png")
    assert names_of(tmp_path / "a[1].png") == ["a[1].png"]
    assert names_of(tmp_path / "b[2]") == ["1.png"]


def test_a_list_is_read_in_its_own_order_relative_to_itself(tmp_path: Path) -> None:
    other = image(tmp_path / "other" / "c.png", 3)
    image(tmp_path / "lists" / "a.png", 1)
    image(tmp_path / "lists" / "x" / "b # c.png", 2)
    lines = [
        "\ufeff# which to look at",
        "",
        "x/b # c.png",
        "  a.png  ",
        str(other),
        "../other/c.png",
    ]
    path = tmp_path / "lists" / "best.txt"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    assert [int(frame.image[0, 0, 0]) for frame in frames_of(path)] == [2, 1, 3, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no image"),
        (b"# nothing\n\n", "names no image"),
        (b"a.png\nb.png\n", "names 2 files, and none is there: the first is"),
        (b"\xff\xfe\x00\x81 not text", "is no UTF-8 text"),
        (b"x" * 100_000, "none is there"),
        (b"a\0b.png", "names no image"),
    ],
)
def test_a_list_of_nothing_says_which_form_a_list_has(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(CameraError, match=said) as caught:
        open_source(str(path))
    assert "one image per line" in caught.value.hint


def test_a_folder_without_images_says_what_was_found(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.MP4", "c.md", "plain"):
        (tmp_path / name).write_text("x")
    with pytest.raises(CameraError, match=r"has no images: found 2 × \.mp4, 1 × \.md") as caught:
        open_source(str(tmp_path))
    assert ".jpg" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(CameraError, match="no file at all"):
        open_source(str(tmp_path / "empty"))
    image(tmp_path / "deep" / "folder" / "1.jpg")
    with pytest.raises(CameraError) as caught:
        open_source(str(tmp_path / "deep"))
    assert str(tmp_path / "deep" / "**" / "*.jpg") in caught.value.hint
    with pytest.raises(CameraError, match="no image matches .*found 2 × .mp4"):
        open_source(str(tmp_path / "*.[mM][pP]4"))
    with pytest.raises(CameraError, match="No such file"):
        open_source(str(tmp_path / "missing.jpg"))


def test_damaged_images_are_skipped_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    for k in range(10):
        path = image(tmp_path / f"{k}.png", k)
        if k % 2:
            path.write_bytes(path.read_bytes()[:20])
    (tmp_path / "4.png").write_bytes(b"")
    notices = Notices()
    with open_source(str(tmp_path), notices=notices) as source:
        frames = []
        while not source.ended:
            frame = source.read(5)
            frames += [] if frame is None else [frame]
        assert source.counts.corrupt == 6
    assert [frame.sequence for frame in frames] == [0, 2, 6, 8]
    said = [notice.text for notice in notices.take()]
    assert len(said) == 4 and "further ones are only counted" in said[2]
    assert all(name in text for name, text in zip(("1.png", "3.png", "4.png"), said, strict=False))
    assert said[3] == "6 of 10 images could not be read"


def test_a_listed_image_that_is_not_there_is_skipped(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "l.txt").write_text("gone.png\na.png\n")
    notices = Notices()
    assert [frame.sequence for frame in frames_of(tmp_path / "l.txt", notices)] == [1]
    assert "gone.png" in notices.take()[0].text


def turned(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an EXIF orientation, little-endian TIFF of one entry."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def cmyk_jpeg(*values: int) -> bytes:
    """8 × 8 pixels of one colour: each component is one block that has a DC term alone."""

    def segment(marker: int, body: bytes) -> bytes:
        return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2) + body

    bits = ""
    for value in values:
        term = (value - 128) * 8
        size = abs(term).bit_length()
        code = term if term > 0 else term + (1 << size) - 1
        bits += f"{size:04b}" + (f"{code:0{size}b}" if size else "") + "0"
    bits += "1" * (-len(bits) % 8)
    return (
        b"\xff\xd8"
        + segment(0xDB, bytes([0, *[1] * 64]))
        + segment(0xC0, bytes([8, 0, 8, 0, 8, 4]) + b"".join(bytes([k, 17, 0]) for k in range(4)))
        + segment(0xC4, bytes([0, 0, 0, 0, 12, *[0] * 12, *range(12)]))
        + segment(0xC4, bytes([0x10, 1, *[0] * 15, 0]))
        + segment(0xDA, bytes([4, 0, 0, 1, 0, 2, 0, 3, 0, 0, 63, 0]))
        + int(bits, 2).to_bytes(len(bits) // 8)
        + b"\xff\xd9"
    )


def test_every_form_of_pixels_becomes_8_bit_colour_turned_as_exif_says(tmp_path: Path) -> None:
    colour = np.zeros((16, 32, 3), np.uint8)
    colour[:, :16] = (0, 0, 200)  # red on the left
    forms = {
        "gray.png": colour[:, :, 2],
        "deep.png": colour.astype(np.uint16) * 257,
        "deep_gray.png": colour[:, :, 2].astype(np.uint16) * 257,
        "deep.tif": colour.astype(np.uint16) * 257,
        "alpha.png": np.dstack([colour, np.full((16, 32), 9, np.uint8)]),
        "lossy.webp": colour,
        "plain.ppm": colour,
    }
    for name, pixels in forms.items():
        assert cv2.imwrite(str(tmp_path / name), pixels)
    frames = frames_of(tmp_path)
    assert len(frames) == len(forms)
    for frame in frames:
        assert frame.image.dtype == np.uint8 and frame.image.shape == (16, 32, 3)
        assert abs(int(frame.image[8, 4, 2]) - 200) < 12 and frame.image[8, 28, 2] < 12
    jpeg = cv2.imencode(".jpg", colour)[1].tobytes()
    (tmp_path / "turned.jpg").write_bytes(turned(jpeg, 6))
    upright = frames_of(tmp_path / "turned.jpg")[0].image
    assert upright.shape == (32, 16, 3)
    assert upright[4, 8, 2] > 150 and upright[28, 8, 2] < 50


def test_a_name_that_is_no_utf_8_can_be_written_as_json(tmp_path: Path) -> None:
    try:
        image(tmp_path / "a.png").rename(tmp_path / "caf\udce9.png")
    except (OSError, UnicodeError):
        return  # macOS and Windows have no such names
    (tmp_path / "b\udce9.png").write_bytes(b"no image")
    notices = Notices()
    frames = frames_of(tmp_path, notices)
    shown = json.dumps([frames[0].name, notices.take()[0].text], ensure_ascii=False)
    assert shown.encode() and "caf\ufffd.png" in shown


def test_the_json_line_names_the_file(tmp_path: Path) -> None:
    for k in range(2):
        image(tmp_path / "in" / f"{k}.png", size=(64, 48))
    text = io.StringIO()
    looped(
        open_source(str(tmp_path / "in")), Pipeline(FakeDetector(), PREPROCESS, DETECT), jsonl=text
    )
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert [Path(line["file"]).name for line in lines[:2]] == ["0.png", "1.png"]
    assert "truth" not in lines[0] and lines[-1]["frames"] == 2 and lines[-1]["corrupt"] == 0


def test_images_in_real_time_are_shown_for_a_second_each(tmp_path: Path) -> None:
    for k in range(2):
        image(tmp_path / f"{k}.png")
    with open_source(str(tmp_path), SourceOptions(realtime=True)) as source:
        assert source.live and source.fps == 1
        first = source.read(5)
        assert first.sequence == 0 and source.read(0.01) is None


def test_the_picture_to_recognise_a_model_by_is_the_first_image(tmp_path: Path) -> None:
    for k in (2, 10):
        image(tmp_path / f"{k}.png", k)
    (tmp_path / "l.txt").write_text("10.png\n")
    for source, value in (("", 2), ("*.png", 2), ("l.txt", 10), ("10.png", 10)):
        assert (photo_for(str(tmp_path / source)) == value).all()
    assert photo_for("test").shape == photo_for(None).shape == photo_for(str(tmp_path / "no")).shape


@given(st.lists(st.tuples(st.integers(0, 10**30), st.text("ab", max_size=2)), unique=True))
def test_numbers_in_names_are_ordered_by_their_value(parts: list) -> None:
    paths = [Path(f"shots/{text}_{number}.png") for number, text in parts]
    expected = [paths[k] for k in sorted(range(len(parts)), key=lambda k: parts[k][::-1])]
    random.Random(1).shuffle(paths)
    assert sorted(paths, key=natural_key) == expected


def test_a_video_is_no_image() -> None:
    assert find_images("clip.mp4") is None and find_images("0\0") is None


def test_a_jpeg_of_printing_colours_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(cmyk_jpeg(200, 100, 50, 255))
    found = frames_of(tmp_path / "a.jpg")[0].image
    assert found.shape == (8, 8, 3)
    assert np.abs(found[4, 4].astype(int) - (50, 100, 200)).max() <= 2
