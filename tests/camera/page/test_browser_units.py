"""What the page computes, in Node: messages, Matroska, run lengths, options of the command line."""

import json
import math
import random
import re
import shlex
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.camera.overlay import class_colour
from edgecnn.camera.page import assemble
from edgecnn.camera.recording.matroska import MatroskaWriter

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")


HEAD = """
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
const bytesOf = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (data) => Buffer.from(data).toString("hex");
const answer = (() => {
"""
TAIL = "})(); console.log(JSON.stringify(answer));"


def run_js(script: str, given: Any, *files: str) -> Any:
    """What the script returns for ``given``, with these files of the page before it."""
    parts = [(assemble._WEB / name).read_text(encoding="utf-8") for name in files]
    program = "\n".join(("'use strict';", *parts, HEAD, script, TAIL))
    done = subprocess.run(
        ["node", "-e", program], input=json.dumps(given), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def pieces(data: bytes, seed: int) -> list[str]:
    """The bytes cut at random places, single bytes among them."""
    rng, at, found = random.Random(seed), 0, []
    while at < len(data):
        size = rng.choice((1, 2, 7, 100, 5000))
        found.append(data[at : at + size].hex())
        at += size
    return found


def recording(folder: Path, *, closed: bool) -> tuple[bytes, list[tuple[float, str]]]:
    """A file with frames at uneven times over several clusters, and what is in it."""
    rng = random.Random(1)
    writer = MatroskaWriter(folder / f"{closed}.mkv", (64, 48), 1e9, "title")
    frames, at = [], 0.0
    for _ in range(40):
        jpeg = b"\xff\xd8" + rng.randbytes(rng.choice((5, 120, 126, 127, 3000))) + b"\xff\xd9"
        writer.write(jpeg, at)
        frames.append((round(at, 3), jpeg.hex()))
        at += rng.choice((0.033, 0.1, 1.7))
    if closed:
        writer.close()
    return (folder / f"{closed}.mkv").read_bytes(), frames


READ_MKV = """
const reader = new MatroskaReader(given.offset ?? 0);
const frames = given.pieces.flatMap((piece) => reader.feed(bytesOf(piece)));
return {frames: frames.map(({time, jpeg}) => [time, hexOf(jpeg)]),
        length: reader.length, cuesAt: reader.cuesAt, segment: reader.segment,
        clusters: reader.clusters, cues: reader.cues};
"""


@pytest.mark.parametrize("closed", [True, False])
def test_recordings_are_read_as_they_were_written(tmp_path: Path, closed: bool) -> None:
    data, frames = recording(tmp_path, closed=closed)
    found = run_js(READ_MKV, {"pieces": pieces(data, 2)}, "matroska.js")
    assert [(round(time, 3), jpeg) for time, jpeg in found["frames"]] == frames
    cluster = bytes.fromhex("1f43b675")
    starts = [entry["at"] for entry in found["clusters"]]
    assert len(starts) > 5 and all(data[at : at + 4] == cluster for at in starts)
    if not closed:
        assert found["length"] is None and found["cuesAt"] is None
        return
    assert found["length"] > frames[-1][0]
    assert data[found["cuesAt"] : found["cuesAt"] + 4] == bytes.fromhex("1c53bb6b")
    table = run_js(
        READ_MKV,
        {"pieces": [data[found["cuesAt"] :].hex()], "offset": found["cuesAt"]},
        "matroska.js",
    )
    assert [entry["at"] + found["segment"] for entry in table["cues"]] == starts
    assert [entry["time"] for entry in table["cues"]] == [
        entry["time"] for entry in found["clusters"]
    ]
    # From a cluster in the middle on, as one plays after a jump.
    middle = starts[3]
    later = run_js(READ_MKV, {"pieces": pieces(data[middle:], 3), "offset": middle}, "matroska.js")
    shown = [(round(time, 3), jpeg) for time, jpeg in later["frames"]]
    assert shown == frames[-len(shown) :] and later["clusters"][0]["at"] == middle


def test_what_is_no_recording_is_refused_and_never_hangs(tmp_path: Path) -> None:
    data, _ = recording(tmp_path, closed=True)
    rng = random.Random(4)
    cases = [rng.randbytes(3000) for _ in range(60)]
    for _ in range(60):
        mutant = bytearray(data)
        for _ in range(3):
            mutant[rng.randrange(600)] = rng.randrange(256)
        cases.append(bytes(mutant))
    script = """
    return given.map((data) => {
      const reader = new MatroskaReader();
      try { return ["frames", reader.feed(bytesOf(data)).length]; }
      catch (error) { return ["error", error.message]; }
    });"""
    outcomes = run_js(script, [case.hex() for case in cases], "matroska.js")
    told = [text for kind, text in outcomes if kind == "error"]
    assert told and all(
        re.search("recording of edgecnn|Matroska|Motion JPEG", text) for text in told
    )


def test_messages_are_put_together_from_any_pieces() -> None:
    rng = random.Random(5)
    sent, stream = [], b""
    for number in range(60):
        text = json.dumps({"kind": "frame", "n": number, "label": "Ünïcode " * rng.randrange(60)})
        jpeg = rng.randbytes(rng.choice((0, 1, 500, 300_000 if number == 30 else 900)))
        raw = text.encode()
        stream += struct.pack(">II", len(raw), len(jpeg)) + raw + jpeg
        sent.append([json.loads(text), jpeg.hex() or None])
    script = """
    const reader = new MessageReader();
    const found = given.flatMap((piece) => reader.feed(bytesOf(piece)));
    return found.map(({message, jpeg}) => [message, jpeg && hexOf(jpeg)]);"""
    assert run_js(script, pieces(stream, 6), "messages.js") == sent
    # What cannot be a message is refused before gigabytes are waited for.
    script = (
        "try { new MessageReader().feed(bytesOf(given)); } catch (error) { return error.message; }"
    )
    assert "too long" in run_js(script, struct.pack(">II", 0xFFFFFFFF, 0).hex(), "messages.js")


def run_lengths(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed form, straight from its definition."""
    counts, inside, run = [], False, 0
    for pixel in mask.T.ravel().tolist():
        if bool(pixel) != inside:
            counts.append(run)
            inside, run = not inside, 0
        run += 1
    return [*counts, run]


def test_masks_are_what_their_run_lengths_say() -> None:
    rng = np.random.default_rng(7)
    cases, wanted = [], []
    for height, width, longest in (
        (7, 9, 100),
        (40, 30, 100),
        (120, 200, 60),
        (200, 90, 64),
        (5, 300, 50),
    ):
        y, x = np.mgrid[:height, :width]
        blob = (x - width * rng.random()) ** 2 / width**2 + (y - height / 2) ** 2 / height**2 < 0.08
        for mask in (blob, rng.random((height, width)) < 0.5, np.ones((height, width), bool)):
            cases.append([[height, width], run_lengths(mask), longest])
            scale = max(1.0, max(height, width) / longest)
            w, h = (max(1, math.floor(side / scale + 0.5)) for side in (width, height))
            rows = ((np.arange(h) + 0.5) * height / h).astype(int)
            columns = ((np.arange(w) + 0.5) * width / w).astype(int)
            wanted.append((w, h, mask[np.ix_(rows, columns)].astype(int).ravel().tolist(), mask))
    script = """
    const masks = given.map((one) => smallMask(...one));
    return masks.map((mask) => [mask.width, mask.height, [...mask.inside], mask.label]);"""
    for (w, h, pixels, mask), found in zip(
        wanted, run_js(script, cases, "run_lengths.js"), strict=True
    ):
        assert (w, h, pixels) == tuple(found[:3])
        if mask.any():
            # The label's place lies inside of the mask.
            x, y = found[3][0] * mask.shape[1], found[3][1] * mask.shape[0]
            assert mask[int(y), int(x)] or mask[int(y - 0.5), int(x)]


def test_lengths_that_lie_do_no_harm() -> None:
    cases = [[[4, 4], [0, 10**9], 10], [[4, 4], [3], 10], [[4, 4], [], 10], [[1, 1], [0, 1], 10]]
    script = "return given.map((one) => [...smallMask(...one).inside]);"
    assert run_js(script, cases, "run_lengths.js") == [[1] * 16, [0] * 16, [0] * 16, [1]]


def options(start: dict[str, float], limits: dict[str, float]) -> list[str]:
    script = "return thresholdOptions(given[0], given[1]);"
    return shlex.split(run_js(script, [start, limits], "tools.js", "classes.js"))


def test_the_option_says_what_was_moved() -> None:
    start = {"person": 0.5, "it's; $(a) dog": 0.5, "cat": 0.4}
    assert options(start, start) == []
    assert options(start, {**start, "person": 0.62}) == ["--threshold", "person=0.62"]
    # A shell gives the very label back, whatever it is.
    assert options(start, {**start, "it's; $(a) dog": 0.3}) == ["--threshold", "it's; $(a) dog=0.3"]
    many = {f"class {k}": 0.5 for k in range(80)}
    moved = {**dict.fromkeys(many, 0.25), "class 7": 0.9}
    assert options(many, moved) == ["--threshold", "0.25", "--threshold", "class 7=0.9"]
    # Of --classes dog alone the others are not wanted, and are not spoken of.
    left_out = {"person": 1.0, "cat": 1.0, "dog": 0.5}
    assert options(left_out, {**left_out, "dog": 0.3}) == ["--threshold", "dog=0.3"]


def test_classes_have_the_colours_of_the_loops_own_drawings() -> None:
    found = run_js("return given.map(classColour);", list(range(100)), "draw.js")
    own = [class_colour(number) for number in range(100)]
    assert found == [f"#{red:02x}{green:02x}{blue:02x}" for blue, green, red in own]
