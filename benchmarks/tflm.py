"""What TensorFlow Lite Micro with CMSIS-NN costs on MLPerf Tiny's int8 models.

tflite-micro 90b983c2 (2026-08) with CMSIS-NN 4ab83cc3, arm-none-eabi-gcc 12.2, newlib-nano; the
instructions of one invoke after a warm-up, counted by QEMU 7.2 with -icount shift=0 on lcg:1. The
project's defaults (core -Os, kernels -O2) on the M4, -O3 on the M0+ and the M55; resolvers with the
ops needed, int8 only. These figures are not measured anew by this benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CORES = ("cortex-m4", "cortex-m0plus", "cortex-m55")


@dataclass(frozen=True)
class Peer:
    """One model on one core.

    Attributes:
        instructions: of one inference.
        ram_bytes: arena, static data and stack.
        code_bytes: text, rodata and data, without the model and without an empty program.
        reachable: instructions by our own kernels, each measured alone, times the layers: an
            estimate of what the core can do; None where there is none.
    """

    instructions: int
    ram_bytes: int
    code_bytes: int
    reachable: int


@dataclass(frozen=True)
class TinyModel:
    """One model.

    Attributes:
        file: its name among MLPerf Tiny's files, or "" where a stand-in of the same layers runs.
        file_bytes: of the original, which the interpreter keeps whole.
        size_code_bytes: TFLM's code on the M4 with everything at -Os.
        shares: op → share of the M4's instructions.
        cores: by core.
    """

    name: str
    file: str
    file_bytes: int
    size_code_bytes: int
    shares: Mapping[str, float]
    cores: Mapping[str, Peer]


def _model(
    name: str, file: str, sizes: tuple[int, int], shares: dict[str, float],
    peers: dict[str, Peer],
) -> TinyModel:  # fmt: skip
    return TinyModel(name, file, *sizes, MappingProxyType(shares), MappingProxyType(peers))


#: Static data beside the arena, and the deepest stack.
_BESIDE = 584 + 892
_BESIDE_AD = 576 + 652

MODELS: tuple[TinyModel, ...] = (
    _model(
        "vww", "vww_96_int8.tflite", (333_288, 45_996),
        {"CONV_2D": 0.71, "DEPTHWISE_CONV_2D": 0.29},
        {
            "cortex-m4": Peer(24_101_520, 100_708 + _BESIDE, 53_588, 4_600_000),
            "cortex-m0plus": Peer(86_877_840, 100_708 + _BESIDE, 58_500, 18_200_000),
            "cortex-m55": Peer(6_433_531, 100_756 + _BESIDE, 44_676, 1_400_000),
        },
    ),
    _model(
        "ic", "", (98_496, 43_128), {"CONV_2D": 0.92, "ADD": 0.08},
        {
            "cortex-m4": Peer(29_863_920, 54_996 + _BESIDE, 51_360, 11_000_000),
            "cortex-m0plus": Peer(97_572_600, 54_980 + _BESIDE, 56_040, 38_800_000),
            "cortex-m55": Peer(4_811_969, 54_996 + _BESIDE, 41_404, 2_300_000),
        },
    ),
    _model(
        "kws", "kws_ref_model.tflite", (53_936, 45_996),
        {"CONV_2D": 0.69, "DEPTHWISE_CONV_2D": 0.31},
        {
            "cortex-m4": Peer(7_697_720, 22_820 + _BESIDE, 53_588, 2_700_000),
            "cortex-m0plus": Peer(29_003_840, 22_820 + _BESIDE, 58_500, 10_500_000),
            "cortex-m55": Peer(1_785_750, 27_300 + _BESIDE, 44_676, 800_000),
        },
    ),
    _model(
        "ad", "", (276_976, 22_808), {"FULLY_CONNECTED": 1.0},
        {
            "cortex-m4": Peer(582_920, 2_580 + _BESIDE_AD, 28_128, 240_000),
            "cortex-m0plus": Peer(1_763_120, 2_580 + _BESIDE_AD, 31_832, 950_000),
            "cortex-m55": Peer(285_406, 5_172 + _BESIDE_AD, 20_048, 50_000),
        },
    ),
)  # fmt: skip
