"""What the pages say is so: generated ones are fresh, the C example compiles."""

import dataclasses
import functools
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from docs.generate import stale
from edgecnn.core import postprocess as post
from edgecnn.core.postprocess import DetectSpec, GridLevel
from edgecnn.core.preprocess import SCHEMA as PREPROCESS
from edgecnn.core.preprocess import ImageInput, PreprocessSpec, StateInput
from edgecnn.core.tflite import metadata
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from tests.builders import ModelBuilder
from tests.run import ROOT


def test_generated_pages_are_fresh() -> None:
    assert stale() == [], "run make docs"


def detector_model() -> bytes:
    """An input and two outputs of a detector's shapes, with both specs embedded."""
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


@pytest.mark.parametrize("language", ["c99", "c11", "c++11", "c++20"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_firmware_example_compiles(compiler: str, language: str, tmp_path: Path) -> None:
    """As it stands on the page, without a warning."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    page = (ROOT / "docs/firmware.md").read_text(encoding="utf-8")
    example = re.search(r"```c\n(.*?)```", page, re.S)
    assert example
    for name, text in detector_c().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "example.c").write_text(example[1], encoding="utf-8")
    kind = "c++" if "+" in language else "c"
    done = subprocess.run(
        [compiler, "-x", kind, f"-std={language}", "-Wall", "-Wextra", "-Wconversion", "-Wshadow",
         "-Wpedantic", "-Werror", "-fsyntax-only", "example.c"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@functools.cache
def detector_c() -> Mapping[str, str]:
    return compile_model(read_model(detector_model()), name="detect").files


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def spec_examples() -> list[dict]:
    text = (ROOT / "docs/specs.md").read_text()
    blocks = [
        json.loads(block) for block in re.findall(r"```json\n(\{.*?\})\n```", text, re.DOTALL)
    ]
    return [block for block in blocks if block.get("schema", "").startswith("edgecnn.")]


def test_every_example_of_a_spec_can_be_read() -> None:
    kinds = []
    for example in spec_examples():
        if example["schema"] == PREPROCESS:
            PreprocessSpec.from_json(example)
        else:
            kinds.append(post.from_json(example).kind)
    assert set(kinds) == set(post.KINDS)


def test_every_key_of_a_spec_is_in_the_docs() -> None:
    text = (ROOT / "docs/specs.md").read_text()
    carried = [post.CandidatePoints, post.CenterPoints, post.MaskCoefficients, post.Skeleton]
    records = [*post.KINDS.values(), *carried, GridLevel, ImageInput, StateInput]
    names = {field.name for record in records for field in dataclasses.fields(record)}
    told = set(re.findall(r'"(\w+)":|`(\w+)`', text.replace("```", "")))
    told = {name for names_ in told for name in names_}
    assert sorted(names - told) == []
