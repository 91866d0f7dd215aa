"""Embedded specs cost nothing in firmware that does not call what was made from them."""

from __future__ import annotations

import pytest

from edgecnn.core.postprocess import ClassifySpec
from edgecnn.core.preprocess import ImageInput
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.stage_models import with_specs


def test_unused_stages_are_dropped_by_the_linker() -> None:
    pytest.importorskip("ziglang", reason="no C compiler for the board")
    plain = tiny_classifier()
    labels = tuple(f"a label of some length {k}" for k in range(4))
    image = ImageInput("image", 16, 16, scale=(0.01, 0.02, 0.03))
    models = [
        compile_model(read_model(data), name="tiny")
        for data in (plain, with_specs(plain, image, ClassifySpec("scores", labels)))
    ]
    assert "tiny_postprocess.c" not in models[0].files
    assert "tiny_postprocess.c" in models[1].files
    assert models[0].weight_bytes == models[1].weight_bytes
    board, toolchain = load_board("cortex-m4"), find_toolchain()
    before, after = (build_model(model, board, toolchain).size for model in models)
    assert before == after
