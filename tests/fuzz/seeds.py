"""Sound models that mutants are made of."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgecnn.core import postprocess as post
from edgecnn.core.preprocess import ImageInput
from tests.builders import ModelBuilder, tiny_classifier
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.compiler.graphs import GRAPHS, random_graph
from tests.firmware_glue.compiler.stage_models import with_specs

SHARED = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[2] / "../shared"))
SHARED_BYTES = 600_000


@functools.cache
def own_seeds() -> Mapping[str, bytes]:
    """Models made here: every op, some graphs, metadata."""
    seeds = {"tiny_classifier": tiny_classifier()}
    for code, make in CASES.items():
        seeds[f"op {code}"] = make(np.random.default_rng(5))
    for name, make in GRAPHS.items():
        seeds[f"graph {name}"] = make(np.random.default_rng(5))
    for k in range(4):
        seeds[f"random graph {k}"] = random_graph(np.random.default_rng(k))
    image = ImageInput("image", 16, 16)
    labels = ("ant", "bee", "cat", "dog")
    seeds["specs"] = with_specs(
        tiny_classifier(), image, post.ClassifySpec("scores", labels, "none")
    )
    seeds["everything constant"] = _constants()
    return seeds


def _constants() -> bytes:
    """A chain of ops on constants: what the compiler folds."""
    build = ModelBuilder()
    rng = np.random.default_rng(0)
    x = build.tensor((1, 4, 4, 2), "int8", 0.1)
    f = build.tensor((2, 3, 3, 2), "int8", 0.1, data=rng.integers(-9, 9, (2, 3, 3, 2)))
    b = build.tensor((2,), "int32", 0.01, data=[5, -5])
    k = build.tensor((1, 4, 4, 2), "int8", 0.1, data=rng.integers(-9, 9, (1, 4, 4, 2)))
    y, z, w = (build.tensor((1, 4, 4, 2), "int8", 0.1) for _ in range(3))
    reps = build.tensor((4,), "int32", data=[1, 2, 2, 1])
    tiled = build.tensor((1, 8, 8, 2), "int8", 0.1)
    build.op("CONV_2D", [k, f, b], [y], padding="SAME")
    build.op("MAX_POOL_2D", [y], [z], padding="SAME", filter_width=3, filter_height=3)
    build.op("TILE", [z, reps], [tiled])
    build.op("ADD", [x, z], [w])
    return build.build([x], [w, tiled])


@functools.cache
def seeds(shared: bool = True) -> Mapping[str, bytes]:
    """Our own, and the small shared models where they are at hand."""
    found = dict(own_seeds())
    if shared and SHARED.is_dir():
        for path in sorted((SHARED / "models").rglob("*.tflite")):
            if path.stat().st_size < SHARED_BYTES:
                found[f"shared {path.relative_to(SHARED)}"] = path.read_bytes()
    return found
