"""Whole models and graphs: C == LiteRT's BUILTIN_REF, tensor by tensor, in the planned memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder, tiny_classifier
from tests.firmware_glue.compiler.cases import CASES as MAKERS
from tests.firmware_glue.compiler.exactness import check_steps
from tests.firmware_glue.compiler.graphs import GRAPHS, random_graph
from tests.firmware_glue.compiler.harness import STRICT, Library, Reference, Runner, random_inputs

SHARED = Path(os.environ.get("EDGECNN_SHARED", Path(__file__).parents[3] / "../shared"))
MLPERF = SHARED / "models" / "mlperf_tiny"
RANDOM = 40


def _models() -> dict[str, bytes]:
    models = {name: make(np.random.default_rng(5)) for name, make in GRAPHS.items()}
    models |= {f"dag_{i}": random_graph(np.random.default_rng([9, i])) for i in range(RANDOM)}
    models["tiny"] = tiny_classifier()
    return models


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, dict[str, bytes]]:
    library, models = Library(tmp_path_factory.mktemp("graphs")), _models()
    for name, data in models.items():
        library.add(data, name)
    # -O2 and the strict warnings; one case of every graph.
    library.build(*STRICT, "-O2")
    return library, models


@pytest.mark.parametrize("name", sorted(_models()))
def test_graph_equals_litert(name: str, graphs: tuple[Library, dict[str, bytes]]) -> None:
    library, models = graphs
    for seed in (1, 2):
        check_steps(models[name], library.runner(name), seed)


@pytest.fixture(scope="session")
def mlperf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, dict[str, bytes]]:
    if not MLPERF.is_dir():
        pytest.skip("EDGECNN_SHARED holds no models/mlperf_tiny")
    files = {"vww": "vww_96_int8.tflite", "kws": "kws_ref_model.tflite"}
    models = {name: (MLPERF / file).read_bytes() for name, file in files.items()}
    library = Library(tmp_path_factory.mktemp("mlperf"))
    for name, data in models.items():
        library.add(data, name)
    library.build(*STRICT, "-O2")
    return library, models


@pytest.mark.parametrize("name", ["vww", "kws"])
def test_mlperf_tensor_by_tensor(name: str, mlperf: tuple[Library, dict[str, bytes]]) -> None:
    library, models = mlperf
    check_steps(models[name], library.runner(name), 7)


def test_two_models_share_an_arena(mlperf: tuple[Library, dict[str, bytes]]) -> None:
    library, models = mlperf
    big, small = library.runner("vww"), library.runner("kws")
    shared = Runner(library.handle, library.models["kws"], memory_of=big)
    inputs = {
        name: random_inputs(read_model(data), np.random.default_rng(3))
        for name, data in models.items()
    }
    alone = {"vww": big(inputs["vww"]), "kws": small(inputs["kws"])}
    for name, runner in (("kws", shared), ("vww", big), ("kws", shared)):
        np.testing.assert_array_equal(runner(inputs[name])[0], alone[name][0])


def test_mlperf_memory(mlperf: tuple[Library, dict[str, bytes]]) -> None:
    library, _ = mlperf
    vww, kws = library.models["vww"], library.models["kws"]
    assert (vww.weight_bytes, kws.weight_bytes) == (33_122, 24_368)
    assert vww.lower_bound_bytes <= vww.arena_bytes <= 36_896
    assert kws.lower_bound_bytes <= kws.arena_bytes <= 10_048


LOOSE = (
    "AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "TRANSPOSE", "TILE", "SLICE", "STRIDED_SLICE",
    "SPLIT", "RESIZE_NEAREST_NEIGHBOR", "MAXIMUM", "MINIMUM",
)  # fmt: skip


def _with_other_output_scale(code: str) -> bytes:
    """The op's model, its int8 outputs given another scale and zero point."""
    made: list[bytes] = []
    plain = ModelBuilder.build

    def build(self: ModelBuilder, inputs: list[int], outputs: list[int]) -> bytes:
        for tensor in (self.tensors[i] for i in outputs):
            tensor.scale = [s * 1.7 for s in tensor.scale]
            tensor.zero_point = [max(-128, z - 11) for z in tensor.zero_point]
        made.append(plain(self, inputs, outputs))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelBuilder, "build", build)
        MAKERS[f"{code}:int8"](np.random.default_rng(12))
    return made[-1]


def test_mismatched_scales_are_ignored_as_litert_ignores_them(tmp_path: Path) -> None:
    library, models = Library(tmp_path), {c.lower(): _with_other_output_scale(c) for c in LOOSE}
    for name, data in models.items():
        library.add(data, name)
    library.build()
    for name, data in models.items():
        check_steps(data, library.runner(name), 1)


@pytest.mark.parametrize(("depth", "sane"), [(511, True), (512, False), (16384, False)])
def test_softmax_over_many_classes(depth: int, sane: bool, tmp_path: Path) -> None:
    """Equal logits: LiteRT's reference aborts from a sum of exponentials of 512 on."""
    build = ModelBuilder()
    x = build.tensor((1, depth), "int8", 0.001, 0)
    y = build.tensor((1, depth), "int8", 1 / 256, -128)
    build.op("SOFTMAX", [x], [y])
    data = build.build([x], [y])
    library, inputs = Library(tmp_path), [np.zeros((1, depth), np.int8)]
    library.add(data, "many")
    library.build()
    (got,) = library.runner("many")(inputs)
    expected = Reference(data)(inputs)[0] if sane else np.full((1, depth), -128, np.int8)
    np.testing.assert_array_equal(got, expected)
