"""Chains over row buffers equal LiteRT's reference, whatever the groups and bands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from tests.firmware_glue.compiler.exactness import wrong_elements
from tests.firmware_glue.compiler.graphs import random_graph
from tests.firmware_glue.compiler.harness import STRICT, Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import Grouping, random_net

COUNT = {"int8": 40, "uint8": 12, "int16": 12, "float32": 12, "graphs": 20}


def _model(kind: str, index: int) -> bytes:
    rng = np.random.default_rng([7, index])
    return random_graph(rng) if kind == "graphs" else random_net(rng, kind)


def _check(
    kind: str, count: int, folder: Path, monkeypatch: pytest.MonkeyPatch, *flags: str
) -> int:
    """How many chains were checked."""
    library, models, chains = Library(folder), {}, 0
    for index in range(count):
        name = f"m{index}"
        models[name] = _model(kind, index)
        monkeypatch.setattr(api, "planned", Grouping((len(kind), index)))
        compiled = api.compile_model(read_model(models[name]), name=name, max_ram=0)
        library.models[name] = compiled
        chains += sum(step.chain is not None for step in compiled.program.steps)
    library.build(*flags)
    wrong = []
    for index, (name, data) in enumerate(models.items()):
        inputs = random_inputs(read_model(data), np.random.default_rng(index))
        pairs = zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True)
        if any(wrong_elements(got, want) for got, want in pairs):
            wrong.append(name)
    assert not wrong, f"{kind}: {len(wrong)} of {count} wrong, {wrong[:10]}"
    return chains


@pytest.mark.parametrize("kind", sorted(COUNT))
def test_random_chains(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _check(kind, COUNT[kind], tmp_path, monkeypatch, "-O1", *STRICT) >= COUNT[kind]


def test_shared_kernels_under_sanitizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("-DEDGECNN_SHARE_ALL", "-fsanitize=undefined", "-fno-sanitize-recover=all")
    assert _check("int8", 12, tmp_path, monkeypatch, *flags)
