"""Passes: pure functions Graph → Graph, in the order of ``PASSES``."""

from __future__ import annotations

from collections.abc import Callable

from firmware_glue.compiler.ir import Graph
from firmware_glue.compiler.passes.activations import fuse_activations
from firmware_glue.compiler.passes.constant_channels import leave_out_constant_channels
from firmware_glue.compiler.passes.dead_ops import remove_dead_ops
from firmware_glue.compiler.passes.fold_constants import fold_constants
from firmware_glue.compiler.passes.outputs import materialize_outputs
from firmware_glue.compiler.passes.pads import fuse_pads
from firmware_glue.compiler.passes.tables import join_tables
from firmware_glue.compiler.passes.views import make_views
from firmware_glue.compiler.verify import verify

FIRST: Callable[[Graph], Graph] = fold_constants
"""Runs before the limits are checked: what folds away needs no kernel."""

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    # Views first: their copies of constants and identities leave nothing behind.
    make_views,
    remove_dead_ops,
    fuse_pads,
    fuse_activations,
    join_tables,
    leave_out_constant_channels,
    # Last: needs to know which outputs ended up constant.
    materialize_outputs,
)


def run_passes(graph: Graph) -> Graph:
    """All passes in order, verified after each.

    Raises:
        GraphError: a pass broke the graph.
    """
    for step in PASSES:
        graph = verify(step(graph), step.__name__)
    return graph


__all__ = ["FIRST", "PASSES", "run_passes"]
