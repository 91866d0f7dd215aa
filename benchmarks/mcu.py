"""Instructions, RAM and flash on microcontroller cores against TensorFlow Lite Micro."""

from __future__ import annotations

import shutil
from math import prod

from benchmarks.record import Record, conditions, shared
from targets.base import RunOptions
from targets.model_file import load_model_file
from targets.table import get_target

NOTE = (
    "Ours: counted in the emulator on lcg:1, one inference, generic C kernels, clang -O2. TFLM:"
    " tflite-micro 90b983c2 with CMSIS-NN 4ab83cc3, arm-none-eabi-gcc 12.2, project defaults on M4"
    " and -O3 on M0+ and M55, instructions counted by QEMU 7.2 -icount shift=0. RAM = arena +"
    " static + stack. Flash = code + what is kept of the model (TFLM keeps the whole file)."
    " Instructions, not cycles. Ratios are ours / TFLM: below 1 is better."
)
#: (file, name) → core → TFLM's (instructions, RAM, code bytes)
PEER = {
    ("vww_96_int8.tflite", "vww"): {
        "cortex-m4": (24_101_520, 100_708 + 584 + 892, 53_588),
        "cortex-m0plus": (86_877_840, 100_708 + 584 + 892, 58_500),
        "cortex-m55": (6_433_531, 100_756 + 584 + 892, 44_676),
    },
    ("kws_ref_model.tflite", "kws"): {
        "cortex-m4": (7_697_720, 22_820 + 584 + 892, 53_588),
        "cortex-m0plus": (29_003_840, 22_820 + 584 + 892, 58_500),
        "cortex-m55": (1_785_750, 27_300 + 584 + 892, 44_676),
    },
}


def run() -> Record | None:
    """Measures every model on every core; None where the models are not at hand."""
    folder = shared()
    if folder is None:
        return None
    rows = []
    ratios: list[tuple[float, float, float]] = []
    for (file, name), cores in PEER.items():
        model = load_model_file(folder / "models/mlperf_tiny" / file)
        for core, (instructions, ram, code) in cores.items():
            if core == "cortex-m55" and shutil.which("qemu-system-arm") is None:
                continue  # only QEMU has its vector unit
            report = get_target(core).benchmark(model, RunOptions())
            our_ram = sum(
                part or 0 for part in (report.arena_bytes, report.static_bytes, report.stack_bytes)
            )
            our_flash = (report.code_bytes or 0) + (report.weight_bytes or 0)
            ratio = (
                (report.instructions or 0) / instructions,
                our_ram / ram,
                our_flash / (code + len(model.data)),
            )
            ratios.append(ratio)
            rows.append(
                (name, core, report.instructions, instructions, round(ratio[0], 2), our_ram, ram,
                 round(ratio[1], 2), our_flash, code + len(model.data), round(ratio[2], 2),
                 "yes" if report.bit_exact else "no")
            )  # fmt: skip
    means = [round(prod(part) ** (1 / len(ratios)), 2) for part in zip(*ratios, strict=True)]
    rows.append(("geometric mean", "", "", "", means[0], "", "", means[1], "", "", means[2], ""))
    columns = ("model", "core", "instructions", "TFLM", "ratio", "RAM", "TFLM RAM", "RAM ratio",
               "flash", "TFLM flash", "flash ratio", "bit-exact")  # fmt: skip
    return Record("mcu", columns, tuple(rows), NOTE, conditions())
