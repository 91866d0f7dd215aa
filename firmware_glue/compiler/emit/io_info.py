"""What the compiled C says about one input or output."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_glue.compiler.ir import Shape


@dataclass(frozen=True)
class IoInfo:
    """One input or output.

    Attributes:
        name: tensor name in the file.
        dtype: numpy name.
        nbytes: size.
        offset: bytes from the start of its memory region.
        region: the region's field in the state struct.
        accessor: the C function that returns a pointer to it.
        scale, zero_point: None where it is not quantized.
    """

    name: str
    shape: Shape
    dtype: str
    nbytes: int
    offset: int
    accessor: str
    scale: float | None
    zero_point: int | None
    region: str = "arena"
