"""The page of edgecnn data preview: everything on it, nothing loaded, names escaped."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.cli import main
from edgecnn.core.errors import UsageError
from edgecnn.core.progress import SilentProgress
from edgecnn.jobs.data_preview import DataPreviewRequest, run
from tests.data.boxes.sets import TRUTH, voc, voc_object, voc_xml
from tests.data.pictures import write_folder


def page(tmp_path: Path, **options) -> str:
    goal = tmp_path / "page.html"
    run(DataPreviewRequest(str(tmp_path / "set"), goal, **options), SilentProgress())
    return goal.read_text(encoding="utf-8")


def test_the_page_shows_photos_boxes_counts_and_training(tmp_path: Path) -> None:
    rows = {f"n{i:02}": TRUTH["a"] for i in range(8)} | {"empty": []}
    write_folder(tmp_path / "set", voc(rows))
    text = page(tmp_path, count=9, input_size=(48, 64))
    photos, training = text.split('id="training"')
    assert photos.count('<svg viewBox="0 0 60 40"') == 9
    assert photos.count("<rect x=") >= 16 and "9 images (train" in photos
    pictures = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', training)
    assert len(pictures) == 12
    for encoded in pictures:
        image = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (48, 64, 3)
    assert text == page(tmp_path, count=9, input_size=(48, 64))
    assert "://" not in text


def test_names_are_escaped_and_marked_boxes_dashed(tmp_path: Path) -> None:
    evil = "&lt;script&gt;alert(1)&lt;/script&gt;"
    hard = voc_object(evil, (1, 1, 20, 20), "<difficult>1</difficult>")
    broken = voc_object(evil, (5, 5, 5, 5))
    files = voc() | {"Annotations/a.xml": voc_xml("a.jpg", hard + broken)}
    write_folder(tmp_path / "set", files)
    text = page(tmp_path, count=3)
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text
    assert 'class="k0 off"' in text and "1 fault in the annotations" in text


@pytest.mark.parametrize("options", [{"count": 0}, {"input_size": (8, 8)}])
def test_what_cannot_be_shown_is_refused(tmp_path: Path, options) -> None:
    write_folder(tmp_path / "set", voc())
    with pytest.raises(UsageError, match="expected"):
        page(tmp_path, **options)


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys) -> None:
    write_folder(tmp_path / "set", voc())
    goal = str(tmp_path / "p.html")
    assert main(["data", "preview", str(tmp_path / "set"), "-o", goal, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "schema": "edgecnn.data-preview/1", "file": goal, "images": 3, "boxes": 3, "photos": 3,
    }  # fmt: skip
