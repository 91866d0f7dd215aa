"""Chains of elementwise ops and movements, planned over each other, equal LiteRT's reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from tests.builders import ModelBuilder
from tests.firmware_glue.compiler.cases.common import Rng, pick
from tests.firmware_glue.compiler.cases.operands import random_data
from tests.firmware_glue.compiler.exactness import rng_of, wrong_elements
from tests.firmware_glue.compiler.fast.any_offer import take_any
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.share import long_but_for

CHAINS = 40
_KINDS = {"int8": (0.1, 7), "int16": (0.01, 0), "int32": (), "float32": ()}
_STEPS = (
    "ADD", "SUB", "MAXIMUM", "SLICE", "STRIDED_SLICE", "PAD", "TRANSPOSE", "REVERSE_V2", "SPLIT",
    "CONCATENATION", "SELECT", "LESS", "CUMSUM", "MIRROR_PAD",
)  # fmt: skip


class _Chain:
    """A model that grows by one op after the other."""

    def __init__(self, rng: Rng, dtype: str) -> None:
        self.rng, self.dtype, self.build = rng, dtype, ModelBuilder()
        self.current = self._tensor(tuple(int(v) for v in rng.integers(2, 7, 3)))
        self.input, self.outputs = self.current, []

    @property
    def shape(self) -> tuple[int, ...]:
        return self.build.tensors[self.current].shape

    def _tensor(self, shape: tuple[int, ...], data: object = None) -> int:
        return self.build.tensor(shape, self.dtype, *_KINDS[self.dtype], data=data)

    def _ints(self, values: object) -> int:
        array = np.array(values)
        return self.build.tensor(array.shape, "int32", data=array)

    def _apply(self, code: str, operands: list[int], shape: tuple[int, ...], **o: object) -> None:
        result = self._tensor(shape)
        self.build.op(code, operands, [result], **o)
        self.current = result

    def _slice(self) -> None:
        begin = [int(self.rng.integers(n)) for n in self.shape]
        size = [
            int(self.rng.integers(1, n - b + 1)) for n, b in zip(self.shape, begin, strict=True)
        ]
        operands = [self.current, self._ints(begin), self._ints(size)]
        self._apply("SLICE", operands, tuple(size))

    def _strided(self) -> None:
        step = [int(pick(self.rng, 1, 2, -1)) for _ in self.shape]
        out = tuple(-(-n // abs(s)) for n, s in zip(self.shape, step, strict=True))
        zeros = [0] * len(step)
        operands = [self.current, self._ints(zeros), self._ints(zeros), self._ints(step)]
        every = (1 << len(step)) - 1
        self._apply("STRIDED_SLICE", operands, out, begin_mask=every, end_mask=every)

    def _pad(self, code: str) -> None:
        pads = self.rng.integers(0, 2, (len(self.shape), 2))
        pads = np.minimum(pads, np.array(self.shape)[:, None] - 1)
        out = tuple(int(n + a + b) for n, (a, b) in zip(self.shape, pads, strict=True))
        options = {"mode": "REFLECT"} if code == "MIRROR_PAD" else {}
        self._apply(code, [self.current, self._ints(pads)], out, **options)

    def _split(self) -> None:
        axis = next((d for d, n in enumerate(self.shape) if n % 2 == 0), None)
        if axis is None:
            return
        half = tuple(n // 2 if d == axis else n for d, n in enumerate(self.shape))
        parts = [self._tensor(half) for _ in range(2)]
        self.build.op("SPLIT", [self._ints(axis), self.current], parts, num_splits=2)
        self.current = parts[0]
        self._apply("MAXIMUM", parts, half)

    def _choose(self) -> None:
        """Where x < constant: the constant, else x."""
        other = self._tensor(self.shape, random_data(self.rng, self.dtype, self.shape))
        condition = self.build.tensor(self.shape, "bool")
        self.build.op("LESS", [self.current, other], [condition])
        self._apply("SELECT_V2", [condition, other, self.current], self.shape)

    def _elementwise(self, code: str) -> None:
        other = self.current
        if self.rng.random() < 0.6:
            shape = tuple(1 if self.rng.random() < 0.4 else n for n in self.shape)
            other = self._tensor(shape, random_data(self.rng, self.dtype, shape))
        operands = [self.current, other]
        options = {"pot_scale_int16": False} if code in ("ADD", "SUB") else {}
        self._apply(code, operands, self.shape, **options)

    def step(self) -> None:
        """One more op."""
        code = str(pick(self.rng, *_STEPS))
        if code in ("ADD", "SUB", "MAXIMUM"):
            self._elementwise(code)
        elif code == "SLICE":
            self._slice()
        elif code == "STRIDED_SLICE":
            self._strided()
        elif code in ("PAD", "MIRROR_PAD"):
            self._pad(code)
        elif code == "TRANSPOSE":
            order = [int(v) for v in self.rng.permutation(len(self.shape))]
            out = tuple(self.shape[d] for d in order)
            self._apply(code, [self.current, self._ints(order)], out)
        elif code == "REVERSE_V2":
            self._apply(code, [self.current, self._ints([0])], self.shape)
        elif code == "SPLIT":
            self._split()
        elif code == "CONCATENATION":
            out = (2 * self.shape[0], *self.shape[1:])
            self._apply(code, [self.current, self.current], out, axis=0)
        elif code == "CUMSUM" and self.dtype in ("int32", "float32"):
            axis, reverse = int(self.rng.integers(3)), bool(self.rng.random() < 0.3)
            self._apply(code, [self.current, self._ints(axis)], self.shape, reverse=reverse)
        else:
            self._choose()
        if self.rng.random() < 0.15:
            self.outputs.append(self.current)

    def finish(self) -> bytes:
        outputs = [i for i in dict.fromkeys([*self.outputs, self.current]) if i != self.input]
        return self.build.build([self.input], outputs)


def _chain(index: int, dtype: str) -> bytes:
    rng = rng_of(f"chain {dtype}", index)
    chain = _Chain(rng, dtype)
    for _ in range(int(rng.integers(3, 12))):
        if int(np.prod(chain.shape)) < 2000:
            chain.step()
    return chain.finish()


@pytest.mark.parametrize(
    ("dtype", "kernels"),
    long_but_for(
        [*((dtype, "generic") for dtype in sorted(_KINDS)), ("int8", "v6m"), ("int8", "dsp"),
         ("int8", "mve")],
        ("int8", "generic"), ("float32", "generic"), ("int8", "dsp"),
    ),
)  # fmt: skip
def test_chains_in_shared_memory(
    dtype: str, kernels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rv32 adds as v6m does."""
    take_any(monkeypatch)
    library = Library(tmp_path, options={"kernels": kernels})
    models = {f"chain{i}": _chain(i, dtype) for i in range(CHAINS)}
    for name, data in models.items():
        library.add(data, name)
    library.build("-DEDGECNN_SHARE_ALL")
    wrong = []
    for name, data in models.items():
        inputs = random_inputs(read_model(data), rng_of(name, 1))
        pairs = zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True)
        wrong += [(name, bad) for got, want in pairs if (bad := wrong_elements(got, want))]
    assert not wrong
    assert any(model.program.allowances for model in library.models.values())
