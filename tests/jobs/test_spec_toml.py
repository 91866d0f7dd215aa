"""Both specs in one TOML: written, read back, refused."""

from pathlib import Path

import pytest

from edgecnn.core import postprocess as post
from edgecnn.core.errors import EdgecnnError
from edgecnn.core.postprocess import (
    CandidatePoints,
    ClassifySpec,
    DetectSpec,
    GridLevel,
    MaskCoefficients,
    SegmentSpec,
    Skeleton,
)
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from edgecnn.jobs.spec_toml import read_spec_toml, write_spec_toml

IMAGE = PreprocessSpec((ImageInput("x", 32, 48, "bgr", "letterbox", scale=(1 / 3,)),))
FULL = DetectSpec(
    "s", "b", ('a "quoted" \\ name', "b\ttab", "café"),
    (GridLevel(4, 4, 7.5, ((1.0, 2.5),)), GridLevel(2, 2, 16, ((3.0, 4.0),))),
    coding="center-size", thresholds=(0.25, 0.5, 1.0),
    keypoints=CandidatePoints(Skeleton(("nose", "tail"), ((0, 1),)), "s", 4),
    masks=MaskCoefficients("s", 8, "p", 8, 8, 4, 32, 32),
)  # fmt: skip


@pytest.mark.parametrize(
    "spec", [FULL, ClassifySpec("s", ("a",)), SegmentSpec("s", ("a", "b"), 4, 6, background=0)]
)
def test_what_is_written_is_read(tmp_path: Path, spec: post.PostprocessSpec) -> None:
    path = tmp_path / "spec.toml"
    write_spec_toml(path, IMAGE.to_json(), post.to_json(spec), remarks=("a remark",))
    pair = read_spec_toml(path)
    assert (pair.preprocess, pair.postprocess) == (IMAGE, spec)


def test_missing_keys_are_comments_to_fill(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    draft = {"kind": "classify", "scores": "s"}
    write_spec_toml(path, None, draft, missing={"labels": "one name per class"})
    with pytest.raises(EdgecnnError, match="labels"):
        read_spec_toml(path)
    text = path.read_text()
    assert "# labels =   # missing: one name per class" in text
    path.write_text(text.replace("# labels =", 'labels = ["a"]'))
    assert read_spec_toml(path).postprocess == ClassifySpec("s", ("a",))


def test_labels_and_anchors_may_be_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "anchors.csv").write_text("# cx, cy, w, h\n1, 2, 3, 4\n\n5;6;7;8\n")
    path = tmp_path / "spec.toml"
    path.write_text(
        '[postprocess]\nkind = "detect"\nscores = "s"\nboxes = "b"\nlabels = "labels.txt"\n'
        'levels = []\ncoding = "center-size"\nanchor_boxes = "anchors.csv"\n'
    )
    spec = read_spec_toml(path).postprocess
    assert isinstance(spec, DetectSpec)
    assert spec.labels == ("cat", "dog")
    assert spec.anchor_boxes == ((1, 2, 3, 4), (5, 6, 7, 8))
    (tmp_path / "anchors.csv").write_text("1, 2, 3, 4\n1, 2, three, 4\n")
    with pytest.raises(EdgecnnError, match=r"anchors.csv', line 2: .*expected four numbers"):
        read_spec_toml(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing in it"),
        ("[post]\n", r"\['post'\]"),
        ("postprocess = 3\n", "postprocess is no table"),
        ("[preprocess]\ninputs = 3\n", "inputs = 3"),
        ("preprocess = 3\n", "inputs = 3"),
        ("[postprocess]\nkind = 'video'\n", "kind = 'video', expected classify"),
        ("[postprocess]\nkind = 'classify'\nscores = 's'\nlabels = 'no.txt'\n", "no.txt"),
        ("[postprocess]\nkind = 'classify'\nsurprise = 1\n", "surprise = 1, expected one of"),
        ("not toml", "cannot read the spec"),
        ("a = [" * 5000, "cannot read the spec"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(EdgecnnError, match=words) as caught:
        read_spec_toml(path)
    assert caught.value.hint


def test_no_file_and_no_text(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(EdgecnnError, match="cannot read the spec"):
            read_spec_toml(path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EdgecnnError, match="cannot read the spec"):
        read_spec_toml(tmp_path / "b.toml")
