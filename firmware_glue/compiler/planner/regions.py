"""Buffers → regions of memory, and their offsets in each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.planner.bound import lower_bound
from firmware_glue.compiler.planner.fit import Constraints
from firmware_glue.compiler.planner.layout import WORK, plan_layout, reversed_steps
from firmware_glue.compiler.planner.program import Allowance, Buffer, MemoryPlan, Program, Region

ARENA = (Region("arena"),)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_RESERVED = (
    "hook", "hook_context", "weights", "weights_bytes", "variables", "clock", "ticks",
    "state", "int", "char", "long", "void", "auto", "float", "double", "short",
)  # fmt: skip
"""What the state struct and C itself call otherwise."""
_RETRIES = 24
"""Buffers that may ask for a fast region to be laid out anew around them."""
_RETRY_WORK = 200_000
"""What one of them may cost; see :func:`plan_layout`."""


def plan_memory(
    program: Program, regions: Sequence[Region] = ARENA, work: int = WORK
) -> MemoryPlan:
    """Where every buffer of a program lies. Deterministic.

    Each buffer lies in one region. The first region takes the buffers with the most bytes read
    and written per byte of their size, as long as they fit beside each other in time; the next
    region goes on with what is left. If that leaves something without a place, the largest
    buffers choose first instead.

    Args:
        program: steps and buffers.
        regions: in the order of preference, the fastest first.
        work: what one layout of all buffers may cost: see :func:`plan_layout`.

    Raises:
        PlanError: the buffers do not fit; its details tell what each region has and lacks.
    """
    names = [region.name for region in regions]
    good = [_NAME.fullmatch(name) and name not in _RESERVED for name in names]
    if len(set(names)) != len(names) or not names or not all(good):
        raise PlanError(
            f"memory regions are called {', '.join(names) or 'nothing'}; expected different"
            " lower-case C identifiers",
            hint="give every region a name of its own, for example dtcm and sram",
        )
    whole = plan_layout(program.buffers, program.allowances, work)
    if regions[0].nbytes is None or whole.arena_bytes <= regions[0].nbytes:
        return _one_region(whole, regions)
    traffic = _traffic(program)
    sizes = [_whole(program.buffers, i).nbytes for i in range(len(program.buffers))]
    keys: tuple[Callable[[int], tuple[float, ...]], ...] = (
        lambda i: (-traffic[i] / max(1, sizes[i]), sizes[i]),
        lambda i: (-sizes[i],),
    )
    tried = [_distribute(program, regions, key) for key in keys]
    for attempt in tried:
        if all(fits for _, fits in attempt):
            return _joined(program, regions, [part for part, _ in attempt])
    raise _too_small(program, regions, whole, tried[0])


@dataclass(frozen=True)
class _Part:
    """What one region holds."""

    buffers: tuple[int, ...]
    plan: MemoryPlan


def _one_region(plan: MemoryPlan, regions: Sequence[Region]) -> MemoryPlan:
    """A plan that fits into the first region; the others stay empty."""
    return replace(
        plan,
        region_names=tuple(region.name for region in regions),
        region_bytes=(plan.arena_bytes, *(0 for _ in regions[1:])),
    )


def _distribute(
    program: Program, regions: Sequence[Region], key: Callable[[int], tuple[float, ...]]
) -> list[tuple[_Part, bool]]:
    """Fills region after region; the last one takes the rest, and may be too small for it."""
    left = list(range(len(program.buffers)))
    parts: list[tuple[_Part, bool]] = []
    for number, region in enumerate(regions):
        rest = regions[number + 1 :]
        if region.nbytes is None or not rest:
            part = _laid_out(program, left)
            fits = region.nbytes is None or part.plan.arena_bytes <= region.nbytes
        else:
            roots = [i for i in left if program.buffers[i].parent is None]
            most = max(2**63 if r.nbytes is None else r.nbytes for r in rest)
            # What fits nowhere else goes first.
            roots.sort(key=lambda i: (program.buffers[i].nbytes <= most, key(i), i))
            part = _fill(program, roots, region.nbytes)
            fits = True
        parts.append((part, fits))
        left = [i for i in left if i not in part.buffers]
    return parts


def _fill(program: Program, roots: Sequence[int], limit: int) -> _Part:
    """As many buffers as fit, asked in this order."""
    constraints = Constraints(program.buffers, program.allowances)
    unit_of = {i: u for u, unit in enumerate(constraints.units) for i, _ in unit.members}
    offsets = [-1] * len(constraints.units)
    refused = []
    for root in roots:
        u = unit_of[root]
        at = constraints.lowest(u, offsets)
        if at + constraints.size[u] <= limit:
            offsets[u] = at
        else:
            refused.append(root)

    def members(*more: int) -> list[int]:
        units = {u for u, at in enumerate(offsets) if at >= 0} | {unit_of[i] for i in more}
        return sorted(i for u in units for i, _ in constraints.units[u].members)

    retries = 0
    for root in refused:
        wanted = members(root)
        if retries == _RETRIES or lower_bound(*_only(program, wanted)) > limit:
            continue
        retries += 1
        plan = plan_layout(*_only(program, wanted), work=_RETRY_WORK)
        if plan.arena_bytes <= limit:
            for i, at in zip(wanted, plan.offsets, strict=True):
                if program.buffers[i].parent is None:
                    offsets[unit_of[i]] = at
    best = _laid_out(program, chosen := members())
    if best.plan.arena_bytes <= limit:
        return best
    # The search came out higher than the placement at hand.
    at_hand = constraints.spread(offsets, len(program.buffers))
    return _Part(tuple(chosen), _given(program, chosen, [at_hand[i] for i in chosen]))


def _given(program: Program, chosen: Sequence[int], offsets: Sequence[int]) -> MemoryPlan:
    """Some buffers where they are."""
    buffers, allowances = _only(program, chosen)
    end = max((at + b.nbytes for at, b in zip(offsets, buffers, strict=True)), default=0)
    bound = lower_bound(buffers, allowances)
    turned = reversed_steps(buffers, allowances, offsets)
    return MemoryPlan(tuple(offsets), end, bound, "first fit", turned)


def _laid_out(program: Program, chosen: Sequence[int]) -> _Part:
    return _Part(tuple(chosen), plan_layout(*_only(program, chosen)))


def _only(program: Program, chosen: Sequence[int]) -> tuple[list[Buffer], list[Allowance]]:
    """Some buffers, renumbered, and the allowances among them."""
    number = {i: k for k, i in enumerate(chosen)}
    buffers = [
        replace(b, parent=None if b.parent is None else number[b.parent])
        for b in (program.buffers[i] for i in chosen)
    ]
    allowances = [
        replace(a, read=number[a.read], written=number[a.written])
        for a in program.allowances
        if a.read in number and a.written in number
    ]
    return buffers, allowances


def _joined(program: Program, regions: Sequence[Region], parts: Sequence[_Part]) -> MemoryPlan:
    """One plan of all regions. Its bound holds for this distribution over the regions."""
    offsets, region_of = [0] * len(program.buffers), [0] * len(program.buffers)
    for number, part in enumerate(parts):
        for i, at in zip(part.buffers, part.plan.offsets, strict=True):
            offsets[i], region_of[i] = at, number
    sizes = tuple(part.plan.arena_bytes for part in parts)
    return MemoryPlan(
        tuple(offsets), sum(sizes), sum(part.plan.lower_bound_bytes for part in parts),
        ", ".join(part.plan.strategy for part in parts),
        frozenset().union(*(part.plan.reversed for part in parts)),
        tuple(region_of), tuple(region.name for region in regions), sizes,
    )  # fmt: skip


def _traffic(program: Program) -> list[int]:
    """Bytes read from and written to each buffer in one inference, scratch taken as both once."""
    traffic = [0] * len(program.buffers)
    for step in program.steps:
        for tensor_id in (*step.inputs, *step.outputs):
            if tensor_id in program.homes:
                whole = _root(program.buffers, program.homes[tensor_id])
                traffic[whole] += program.graph.tensors[tensor_id].nbytes
        if step.scratch is not None:
            traffic[step.scratch] += 2 * program.buffers[step.scratch].nbytes
    return traffic


def _root(buffers: Sequence[Buffer], index: int) -> int:
    parent = buffers[index].parent
    return index if parent is None else parent


def _whole(buffers: Sequence[Buffer], index: int) -> Buffer:
    return buffers[_root(buffers, index)]


def _too_small(
    program: Program,
    regions: Sequence[Region],
    whole: MemoryPlan,
    attempt: Sequence[tuple[_Part, bool]],
) -> PlanError:
    lines = []
    for region, (part, fits) in zip(regions, attempt, strict=True):
        if fits:
            size = "no limit" if region.nbytes is None else f"{region.nbytes:,} bytes"
            lines.append(f"{region.name}: {size}, {part.plan.arena_bytes:,} used")
            continue
        largest = max(part.buffers, key=lambda i: program.buffers[i].nbytes)
        lines.append(
            f"{region.name}: {region.nbytes:,} bytes, {part.plan.arena_bytes:,} needed for what is"
            f" left; its largest buffer is '{program.buffers[largest].name}'"
            f" of {program.buffers[largest].nbytes:,} bytes"
        )
    have = " + ".join(f"{region.name} {region.nbytes or 0:,}" for region in regions)
    return PlanError(
        f"the model needs {whole.arena_bytes:,} bytes of memory for its tensors, given: {have}",
        hint="use a smaller input or fewer channels, or a board with more memory",
        details=lines,
    )
