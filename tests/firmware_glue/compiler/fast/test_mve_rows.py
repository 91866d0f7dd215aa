"""The Helium kernels by rows: chains over row buffers, on the host and in QEMU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler import api
from firmware_glue.device.board_file import load_board
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_model
from firmware_glue.device.toolchain import find_toolchain
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.firmware_glue.compiler.stream.nets import Grouping, mobile_net, random_net


def _chains(compiled: api.CompiledModel) -> set[str]:
    """The kernels that run by rows."""
    steps = [step for step in compiled.program.steps if step.chain is not None]
    return {call.kernel for step in steps for call in step.calls}


def test_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library, models, kernels = Library(tmp_path), {}, set()
    for index in range(24):
        name = f"m{index}"
        models[name] = random_net(np.random.default_rng([11, index]), "int8")
        monkeypatch.setattr(api, "planned", Grouping((5, index)))
        model = read_model(models[name])
        compiled = api.compile_model(model, name=name, max_ram=0, kernels="mve")
        library.models[name] = compiled
        kernels |= _chains(compiled)
    library.build()
    for index, (name, data) in enumerate(models.items()):
        inputs = random_inputs(read_model(data), np.random.default_rng(index))
        pairs = zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True)
        assert all(np.array_equal(got, want) for got, want in pairs), name
    wanted = {"ec_mve_gemm_rows", "ec_mve_depthwise_rows", "ec_mve_pool_rows"}
    assert wanted <= kernels, kernels


def test_core() -> None:
    data = mobile_net()
    model, board = read_model(data), load_board("cortex-m55")
    points = api.stream_curve(model, kernels="mve")
    assert len(points) > 1
    compiled = api.compile_model(model, name="m", kernels="mve", max_ram=points[-1].arena_bytes)
    assert _chains(compiled)
    inputs = random_inputs(model, np.random.default_rng(1))
    built = build_model(compiled, board, find_toolchain())
    with find_emulator(board).open(built.program, board) as session:
        result = session.run([value.tobytes() for value in inputs])
    for raw, want in zip(result.outputs, Reference(data)(inputs), strict=True):
        assert raw == want.tobytes()
