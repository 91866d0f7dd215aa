"""Random single-op models, seeded: ``"CODE:dtype"`` → generator; one module per family.

The dtype is that of the op's variant (the input that picks the kernel).
"""

from tests.firmware_glue.compiler.cases import (
    binary,
    convolution,
    detection,
    logic,
    matmul,
    movement,
    normalization,
    reduce,
    resize,
    state,
    unary,
    window,
)
from tests.firmware_glue.compiler.cases.common import Maker

FAMILIES: dict[str, dict[str, Maker]] = {
    "binary": binary.CASES,
    "convolution": convolution.CASES,
    "detection": detection.CASES,
    "logic": logic.CASES,
    "matmul": matmul.CASES,
    "movement": movement.CASES,
    "normalization": normalization.CASES,
    "reduce": reduce.CASES,
    "resize": resize.CASES,
    "state": state.CASES,
    "unary": unary.CASES,
    "window": window.CASES,
}
CASES: dict[str, Maker] = {
    key: make for family in FAMILIES.values() for key, make in family.items()
}
