"""Turns of chains: rings no larger than they have to be, and every row where it is needed."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_glue.compiler.emit.chain_c import repeats
from firmware_glue.compiler.ops.spec import RowReach
from firmware_glue.compiler.stream.chain import Stage
from firmware_glue.compiler.stream.flow import Flow, flow


def _stage(output: int, height: int, *reads: RowReach, band: int = 1) -> Stage:
    return Stage("s", "S", "s", (), (), False, reads, (), output, height, band)


def _flow(*stages: Stage, whole: tuple[int, ...] = ()) -> Flow:
    heights = {stage.output: stage.height for stage in stages}
    heights |= {r.input: 32 for s in stages for r in s.reads if r.input not in heights}
    extents = {i: (height, 10) for i, height in heights.items()}
    return flow(stages, extents, frozenset({stages[-1].output, *whole}))


def _replayed(stages: tuple[Stage, ...], found: Flow, whole: tuple[int, ...] = ()) -> None:
    """Follows the turns; independent of how they were found."""
    made = {stage.output: 0 for stage in stages}
    held: dict[tuple[int, int], int] = {}
    for number, rows in found.turns:
        stage = stages[number]
        assert 0 < rows <= stage.band
        first = made[stage.output]
        for y in range(first, first + rows):
            for reach in stage.reads:
                start = y * reach.stride - reach.pad
                for row in range(max(0, start), start + reach.span):
                    if reach.input in made and row < _height(stages, reach.input):
                        assert row < made[reach.input]
                        ring = found.rings.get(reach.input, 1 << 20)
                        assert held[reach.input, row % ring] == row
        for y in range(first, first + rows):
            held[stage.output, y % found.rings.get(stage.output, 1 << 20)] = y
        made[stage.output] += rows
    for stage in stages:
        if stage.output not in found.rings:
            assert made[stage.output] == stage.height


def _height(stages: tuple[Stage, ...], tensor: int) -> int:
    return next(stage.height for stage in stages if stage.output == tensor)


def test_a_window_needs_its_span() -> None:
    found = _flow(
        _stage(1, 32, RowReach(0, 1, 0, 1)),
        _stage(2, 32, RowReach(1, 1, 1, 3)),
        _stage(3, 16, RowReach(2, 2, 0, 3)),
        _stage(4, 16, RowReach(3, 1, 0, 1)),
    )
    assert found.rings == {1: 3, 2: 3, 3: 1}


@pytest.mark.parametrize("band", [2, 3, 4, 8])
def test_higher_bands_need_the_rows_of_a_band(band: int) -> None:
    stages = (
        _stage(1, 32, RowReach(0, 1, 0, 1), band=band),
        _stage(2, 32, RowReach(1, 1, 1, 3), band=band),
        _stage(3, 16, RowReach(2, 2, 0, 3), band=band),
    )
    found = _flow(*stages)
    assert found.rings == {1: band + 2, 2: 2 * band + 1}
    _replayed(stages, found)


def test_a_residual_block_keeps_what_its_end_needs() -> None:
    found = _flow(
        _stage(1, 32, RowReach(0, 1, 0, 1)),
        _stage(2, 32, RowReach(1, 1, 1, 3)),
        _stage(3, 32, RowReach(2, 1, 1, 3)),
        _stage(4, 32, RowReach(1, 1, 0, 1), RowReach(3, 1, 0, 1)),
    )
    # Row y of the sum needs row y + 2 of the source, through two windows.
    assert found.rings[1] <= 4


def test_rows_behind_the_last_window_are_not_computed() -> None:
    stages = _stage(1, 32, RowReach(0, 1, 0, 1)), _stage(2, 10, RowReach(1, 3, 0, 2))
    found = _flow(*stages)
    assert sum(rows for number, rows in found.turns if number == 0) == 29


def test_outputs_in_the_middle_are_completed() -> None:
    stages = (
        _stage(1, 32, RowReach(0, 1, 0, 1)),
        _stage(2, 32, RowReach(1, 1, 0, 1)),
        _stage(3, 10, RowReach(1, 3, 0, 2)),
    )
    found = _flow(*stages, whole=(2,))
    assert found.rings[1] <= 4
    _replayed(stages, found)


def test_lead_of_a_halving_chain_is_negative() -> None:
    found = _flow(_stage(1, 32, RowReach(0, 1, 1, 3)), _stage(2, 16, RowReach(1, 2, 0, 3)))
    # 10 bytes written per 20 consumed: the output may start at, or a little after, the input.
    assert -320 < found.leads[0, 2] <= 0


@pytest.mark.parametrize("seed", range(40))
def test_random_chains_hold_what_they_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heights = {0: 32}
    stages = []
    for output in range(1, int(rng.integers(3, 9))):
        reads, height = [], None
        for _ in range(int(rng.integers(1, 3))):
            source = int(rng.integers(max(0, output - 3), output))
            stride, span = int(rng.integers(1, 4)), int(rng.integers(1, 6))
            pad = int(rng.integers(0, span))
            high = -(-heights[source] // stride)
            reads.append(RowReach(source, stride, pad, span))
            height = high if height is None else min(height, high)
        heights[output] = max(1, height or 1)
        band = int(rng.integers(1, 6))
        stages.append(_stage(output, heights[output], *reads, band=band))
    read = {r.input for s in stages for r in s.reads}
    whole = tuple(s.output for s in stages if s.output not in read)
    found = _flow(*stages, whole=whole)
    _replayed(tuple(stages), found, whole)


def test_the_table_of_turns_is_folded() -> None:
    period = [(2, 1), (3, 2), (2, 1)]
    turns = [(0, 1), *period * 5, (4, 1)]
    before, length, times = repeats(turns)
    table = turns[: before + length], turns[before + length * times :]
    assert [*table[0], *turns[before : before + length] * (times - 1), *table[1]] == turns
    assert len(table[0]) + len(table[1]) == 5
    assert repeats([]) == (0, 0, 1)
    assert repeats([(0, 1)]) == (0, 1, 1)
