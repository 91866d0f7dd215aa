"""Streaming: ops that run as a chain over row buffers instead of one after the other.

**What.** Neighbouring ops of a net (convolution → depthwise → pointwise → …, residual blocks) work
row by row. A *chain* is a run of such ops in the schedule that becomes one step: a tensor that only
the chain reads is no longer a buffer of its own but a *ring* of as many rows as are needed at a
time, row y at y mod rows. Tensors that come from outside, or are read outside, stay whole. Nothing
is computed twice: a row stays in its ring until its last reader has gone by.

**Bands and turns.** In a turn one op of the chain (*stage*) computes its next rows, at most its
*band*. A stage takes a turn when the stage behind it asks for rows that are not there yet, the last
stage being the one that asks first (``flow.py``): so every stage is as late as it can be, and rings
are as small as they can be for these bands. The turns depend on shapes alone, so they are worked
out here, once, and written down as a table of stage numbers. The same replay gives the size of the
rings, and how far the chain's output may lie over an input that it consumes. In C a chain is a loop
over the table; each stage is a function that computes one band.

**Stages** (``stages.py``). An op can be a stage if its kernel has a rows form (``Lowered.rows``;
an ``ec_rows`` argument), or if its output rows are made of the same rows of its inputs: then it is
lowered for tensors of one row, and called row by row (elementwise ops, channel concatenation).

**Which chains** (``segments.py``, ``search.py``). In a fixed order of ops, what a chain of ops i…j
needs in memory while it runs does not depend on how the others are grouped: the whole tensors alive
then, its rings, its scratch. So the best grouping for a limit is a shortest path over positions,
where each edge is one op on its own or one chain with one band height, and costs the instructions
that calls by bands take more than calls for the whole. Higher bands cost less and need more rows.

**Fitting** (``fit.py``). :func:`fit` asks the search for groupings that should fit, has the planner
lay them out, and takes the cheapest that does; without one it names the smallest arena found. Ops
may also take slower kernels that need less scratch memory (``options.py``), each where it pays.
``trades.py`` gives the trades between bytes and instructions.

To the planner a chain is one step with scratch memory, which holds its rings. ``check.py`` replays
all turns on the finished plan, byte range by byte range, and shares no code with ``flow.py``.
"""
