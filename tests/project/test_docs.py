"""What the pages say is so: generated ones are fresh, the C example compiles."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import stale
from edgecnn.core import postprocess as post
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.core.tflite import metadata
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.builders import ModelBuilder
from tests.run import ROOT


def test_generated_pages_are_fresh() -> None:
    assert stale() == [], "run make docs"


def detector_model() -> bytes:
    """An input and two outputs of a detector's shapes, with both specs embedded."""
    import json

    build = ModelBuilder()
    image = build.tensor((1, 16, 16, 3), "int8", scale=1 / 127.5, zero_point=-1, name="image")
    small = build.tensor((1, 2, 2, 3), "int8", scale=1 / 127.5, zero_point=-1, name="small")
    scores = build.tensor((1, 2, 2, 6), "int8", scale=1 / 127.5, zero_point=-1, name="scores")
    boxes = build.tensor((1, 2, 2, 4), "int8", scale=0.05, zero_point=-1, name="boxes")
    build.op(
        "AVERAGE_POOL_2D", [image], [small], padding="VALID", stride_w=8, stride_h=8,
        filter_width=8, filter_height=8,
    )  # fmt: skip
    build.op("CONCATENATION", [small, small], [scores], axis=3)
    weights = build.tensor((4, 1, 1, 3), "int8", scale=[0.1] * 4, data=1)
    bias = build.tensor((4,), "int32", scale=[0.1 / 127.5] * 4, data=0)
    build.op("CONV_2D", [small, weights, bias], [boxes], padding="SAME")
    pre = PreprocessSpec((ImageInput("image", 16, 16, scale=(1 / 127.5,), offset=(-1.0,)),))
    labels = tuple("abcdef")
    after = DetectSpec("scores", "boxes", labels, (GridLevel(2, 2, 8),))
    return metadata.embed(
        build.build([image], [scores, boxes]),
        {
            metadata.PREPROCESS: json.dumps(pre.to_json()).encode(),
            metadata.POSTPROCESS: json.dumps(post.to_json(after)).encode(),
        },
    )


def test_the_firmware_example_compiles(tmp_path: Path) -> None:
    page = (ROOT / "docs/firmware.md").read_text(encoding="utf-8")
    example = re.search(r"```c\n(.*?)```", page, re.S)
    assert example
    compiled = compile_model(read_model(detector_model()), name="detect")
    for name, text in compiled.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "example.c").write_text(example[1], encoding="utf-8")
    pytest.importorskip("ziglang")
    done = subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-std=c11", "-Wall", "-Wextra", "-Wconversion",
         "-Werror", "-c", "example.c", "-o", "example.o"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
