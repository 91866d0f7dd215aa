"""In place: the leads of sliding windows, by brute force and by running the C at exactly them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.ir import Op
from firmware_glue.compiler.ops import window
from firmware_glue.compiler.ops.spec import Overlap
from firmware_glue.compiler.planner.program import Allowance, MemoryPlan, Program
from firmware_glue.compiler.stream import fit
from tests.firmware_glue.compiler.cases import convolution, matmul, reduce
from tests.firmware_glue.compiler.cases import window as pools
from tests.firmware_glue.compiler.exactness import rng_of, wrong_elements
from tests.firmware_glue.compiler.fast.any_offer import OFFERED, SETS, take_any
from tests.firmware_glue.compiler.fast.layer_cases import model_of
from tests.firmware_glue.compiler.fast.test_pool import mean
from tests.firmware_glue.compiler.harness import Library, Reference, random_inputs
from tests.share import long_but_for

PAIRS = ("ADD", "SUB", "MUL")
"""These have two inputs, and no limit: see test_in_place."""
_WIDE_MEAN = "MEAN of many channels"
_OP = Op("CONV_2D", (0, 1), (2,), None, (0,), "op")
Access = tuple[range, range]
"""Bytes that are read, then bytes that are written."""


@dataclass(frozen=True)
class Case:
    """A kernel's accesses, in order, going forwards; and the overlap claimed for it."""

    accesses: list[Access]
    backwards: list[Access]
    in_bytes: int
    out_bytes: int
    overlap: Overlap


def _inputs(w: convolution.Window, axis: int, at: int, pad: int) -> list[int]:
    taps = (at * w.stride[axis] - pad + k * w.dilation[axis] for k in range(w.kernel[axis]))
    return [position for position in taps if 0 <= position < w.size[axis]]


def _case(rng: np.random.Generator, *, depthwise: bool) -> Case | None:
    w = convolution.random_window(rng, top=8)
    batches, in_c, width = (int(v) for v in rng.integers(1, (3, 6, 5)))
    factor = int(rng.integers(1, 4))
    out_c = in_c * factor if depthwise else int(rng.integers(1, 10))
    stride, dilation, kernel = ((p[0], p[1]) for p in (w.stride, w.dilation, w.kernel))
    chosen = window.Window(stride, w.padding == "SAME", dilation)
    g = window.geometry((batches, *w.size, in_c), kernel, out_c, chosen)
    pending = (out_c - in_c, out_c - in_c) if depthwise else window.rereading(out_c)
    overlaps = g.overlaps(_OP, width, pending)
    if not overlaps:
        return None
    pixels = [(n, y, x) for n in range(batches) for y in range(w.out[0]) for x in range(w.out[1])]

    def steps(order: Sequence[tuple[int, int, int]], channels: Sequence[int]) -> Iterator[Access]:
        for n, oy, ox in order:
            rows, columns = _inputs(w, 0, oy, g.pad[0]), _inputs(w, 1, ox, g.pad[1])
            found = [((n * w.size[0] + y) * w.size[1] + x) * in_c for y in rows for x in columns]
            to = ((n * w.out[0] + oy) * w.out[1] + ox) * out_c
            for channel in channels:
                first, last = (channel // factor,) * 2 if depthwise else (0, in_c - 1)
                span = range(0)
                if found:
                    span = range((min(found) + first) * width, (max(found) + last + 1) * width)
                yield span, range((to + channel) * width, (to + channel + 1) * width)

    # A convolution's channels go forwards within a pixel in both directions.
    turned = range(out_c)[::-1] if depthwise else range(out_c)
    return Case(
        list(steps(pixels, range(out_c))), list(steps(pixels[::-1], turned)),
        batches * w.size[0] * w.size[1] * in_c * width, len(pixels) * out_c * width, overlaps[0],
    )  # fmt: skip


def _survives(accesses: list[Access], shift: int) -> bool:
    """Whether no byte is read after it was overwritten, the output ``shift`` behind the input."""
    written: set[int] = set()
    for read, write in accesses:
        if not written.isdisjoint(read):
            return False
        written.update(address + shift for address in write)
    return True


def _tightest(accesses: list[Access]) -> int:
    """The smallest lead that is fine for all outputs further off as well."""
    end, lead = 0, -(10**9)
    for read, write in accesses:
        if read and end:
            lead = max(lead, end - read.start)
        end = max(end, write.stop)
    return lead


@pytest.mark.parametrize("depthwise", [False, True])
def test_leads_by_brute_force(depthwise: bool) -> None:
    tight = 0
    for seed in range(150):
        case = _case(np.random.default_rng([seed, depthwise]), depthwise=depthwise)
        if case is None:
            continue
        lead, back = case.overlap.lead, case.overlap.reverse_lead
        assert back is not None
        behind = case.in_bytes + back - case.out_bytes
        for further in (0, 1, 5, case.in_bytes // 2):
            assert _survives(case.accesses, -lead - further), seed
            assert _survives(case.backwards, behind + further), seed
        mirrored = [
            (range(case.in_bytes - r.stop, case.in_bytes - r.start) if r else r,
             range(case.out_bytes - w.stop, case.out_bytes - w.start))
            for r, w in case.backwards
        ]  # fmt: skip
        for claimed, accesses in ((lead, case.accesses), (back, mirrored)):
            best = _tightest(accesses)
            # A negative lead, the output within the input, is not claimed where pixel 0 reads.
            assert claimed == best or best < claimed <= 0, seed
            tight += claimed == best
    assert tight > 200


def test_leads_of_huge_windows_are_cheap() -> None:
    """No memory for each of 10^12 pixels. The output grows faster, so the last pixel decides."""
    n = 10**6
    g = window.geometry((1, n, n, 3), (3, 3), 8, window.Window((1, 1), True))
    (overlap,) = g.overlaps(_OP, 1, (8, 8))
    assert overlap.lead == 8 * n * n - 3 * ((n - 2) * n + n - 2)
    assert g.overlaps(replace(_OP, inputs=(0, 0)), 1, (8, 8)) == ()


@dataclass
class _AtTheLimit:
    """A planner that puts output and input of a single step exactly as far apart as allowed.

    Attributes:
        place: of the output: ``forwards``, ``backwards`` or ``same``.
        moved: models that it could do so for.
        original: plans the others.
    """

    place: str
    moved: int = 0
    original: Callable[..., MemoryPlan] = fit.plan_memory

    def __call__(self, program: Program, *rest: Any) -> MemoryPlan:
        found, buffers = self.original(program, *rest), program.buffers
        if len(program.allowances) != 1:
            return found
        (a,) = program.allowances
        shift = _shift(a, program, self.place)
        if shift is None:
            return found
        self.moved += 1
        offsets = [0] * len(buffers)
        offsets[a.read], offsets[a.written] = max(0, -shift), max(0, shift)
        end = max(offsets[i] + buffers[i].nbytes for i in (a.read, a.written))
        for i in set(range(len(buffers))) - {a.read, a.written}:  # filters given at run time
            offsets[i] = -(-end // 8) * 8
            end = offsets[i] + buffers[i].nbytes
        return replace(
            found, offsets=tuple(offsets), arena_bytes=end, region_bytes=(end,),
            reversed=frozenset({a.step} if self.place == "backwards" else ()),
        )  # fmt: skip


def _shift(a: Allowance, program: Program, place: str) -> int | None:
    """Bytes from the input to the output; None where the kernel allows no such place."""
    read, written = program.buffers[a.read], program.buffers[a.written]
    align = max(read.align, written.align)
    if place == "forwards":
        return -a.lead // align * align
    if place == "same":
        return 0 if a.same else None
    if a.reverse_lead is None:
        return None
    return -(-(read.nbytes + a.reverse_lead - written.nbytes) // align) * align


def _wide_mean(rng: np.random.Generator) -> bytes:
    """One that kernels take several channels of at once, with many of them."""
    return model_of(mean, int(rng.integers(1 << 30)), 1)


def _check_at_the_limit(keys: Sequence[str], count: int, folder: Path, kernels: str) -> int:
    """``count`` models of each generator equal LiteRT; how many run backwards."""
    makers = {**convolution.CASES, **pools.CASES, **matmul.CASES, **reduce.CASES}
    makers[_WIDE_MEAN] = _wide_mean
    library, models = Library(folder, options={"kernels": kernels}), {}
    for number, key in enumerate(keys):
        for index in range(count):
            name = f"k{number}m{index}"
            models[name] = makers[key](rng_of(key, 500 + index))
            library.add(models[name], name)
    library.build("-DEDGECNN_SHARE_ALL")
    for number, (name, data) in enumerate(models.items()):
        inputs = random_inputs(read_model(data), np.random.default_rng(number))
        for got, want in zip(library.runner(name)(inputs), Reference(data)(inputs), strict=True):
            assert wrong_elements(got, want) == 0, (name, library.models[name].steps[0].kernel)
    return sum(bool(model.plan.reversed) for model in library.models.values())


@pytest.mark.parametrize("place", ["forwards", "backwards"])
def test_c_is_exact_at_the_limit(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "plan_memory", _AtTheLimit(place))
    keys = [key for key in (*convolution.CASES, *pools.CASES) if "RESIZE" not in key]
    backwards = _check_at_the_limit(keys, 8, tmp_path, "generic")
    assert backwards > 100 if place == "backwards" else backwards == 0


@pytest.mark.parametrize(
    ("kernels", "place"),
    long_but_for(
        [*((kernels, "forwards") for kernels in SETS), ("v6m", "backwards"),
         ("dsp", "backwards"), ("dsp", "same"), ("mve", "same")],
        ("rv32", "forwards"), ("v6m", "backwards"), ("dsp", "same"), ("mve", "same"),
    ),
)  # fmt: skip
def test_every_set_is_exact_at_the_limit(
    kernels: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_any(monkeypatch)
    planner = _AtTheLimit(place)
    monkeypatch.setattr(fit, "plan_memory", planner)
    codes = [code for known, code in OFFERED if known == kernels and code not in PAIRS]
    if place == "same":
        codes = ["DEPTHWISE_CONV_2D"]
    keys, count = [f"{code}:int8" for code in codes], (144 if place == "same" else 72) // len(codes)
    keys += [_WIDE_MEAN] * ("MEAN" in codes)
    backwards = _check_at_the_limit(keys, count, tmp_path, kernels)
    assert planner.moved >= (3 if place == "same" else 20)
    assert place != "backwards" or backwards == planner.moved
