"""The independent verifier: replays a plan byte by byte. Always run; shares no code with layout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import PlanError
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Step

_FREE = -1


def check_plan(program: Program, plan: MemoryPlan) -> None:
    """Runs the program on a map of owners: who wrote each byte of the arena last.

    A step's inputs must still own all their bytes; what it writes takes them over, and may cover
    bytes that it reads only as far as the kernel allows; the outputs must own theirs at the end.

    Raises:
        PlanError: the plan does not hold.
    """
    owners = np.full(plan.arena_bytes, _FREE, np.int64)
    for index, (block, offset) in enumerate(zip(program.buffers, plan.offsets, strict=True)):
        if offset < 0 or offset + block.nbytes > plan.arena_bytes or offset % block.align:
            _fail(f"buffer {index} '{block.name}' at {offset} leaves the arena or is misaligned")
    for tensor_id in program.graph.inputs:
        _take(owners, program, plan, program.homes[tensor_id])
    for number, step in enumerate(program.steps):
        for buffer in step.reads:
            _require(owners, program, plan, buffer, f"step {number}")
        _check_overlaps(program, plan, number, step)
        if step.scratch is not None:
            _take(owners, program, plan, step.scratch)
            for buffer in step.reads:
                _require(owners, program, plan, buffer, f"step {number} after its scratch")
        for buffer in step.writes:
            _take(owners, program, plan, buffer)
        if step.scratch is not None:
            _require(owners, program, plan, step.scratch, f"step {number}, scratch")
        for buffer in step.writes:
            _require(owners, program, plan, buffer, f"step {number}, output")
    for tensor_id in program.graph.outputs:
        _require(owners, program, plan, program.homes[tensor_id], "the end")


def _check_overlaps(program: Program, plan: MemoryPlan, number: int, step: Step) -> None:
    for written in step.writes:
        for read in step.reads:
            start, at = plan.offsets[written], plan.offsets[read]
            stop = start + program.buffers[written].nbytes
            end = at + program.buffers[read].nbytes
            if start >= end or at >= stop:
                continue
            leads = [
                a.lead
                for a in program.allowances
                if (a.step, a.read, a.written) == (number, read, written)
            ]
            if not leads or start > at - leads[0]:
                _fail(f"step {number} writes buffer {written} over buffer {read} that it reads")


def _span(program: Program, plan: MemoryPlan, buffer: int) -> slice:
    start = plan.offsets[buffer]
    return slice(start, start + program.buffers[buffer].nbytes)


def _take(owners: NDArray[np.int64], program: Program, plan: MemoryPlan, buffer: int) -> None:
    owners[_span(program, plan, buffer)] = buffer


def _require(
    owners: NDArray[np.int64], program: Program, plan: MemoryPlan, buffer: int, when: str
) -> None:
    if np.any(owners[_span(program, plan, buffer)] != buffer):
        name = program.buffers[buffer].name
        _fail(f"at {when} buffer {buffer} '{name}' has been overwritten")


def _fail(message: str) -> None:
    raise PlanError(f"memory plan: {message}", hint="this is a bug of the compiler: report it")
