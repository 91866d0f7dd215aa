"""The generated decoders on emulated cores: boxes and key points of Python, and their sizes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecnn.core.decode import decode
from edgecnn.core.detections import Detections
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_image
from tests.firmware_glue.compiler.box_cases import CENTERS, LISTED
from tests.firmware_glue.compiler.compare_boxes import Case
from tests.firmware_glue.compiler.dense_cases import DENSE
from tests.firmware_glue.compiler.harness import run_tool, write
from tests.firmware_glue.compiler.pose_cases import MAPS, POSES
from tests.firmware_glue.compiler.stage_cases import DETECTORS, fill, same_boxes
from tests.firmware_glue.compiler.stage_models import BoxC, KeypointC
from tests.firmware_glue.device.programs import toolchain
from tests.share import long_but_for

CASES: dict[str, Case] = {**DETECTORS, **DENSE, **LISTED, **CENTERS, **POSES, **MAPS}
RUN = ("pose", "faces", "levels", "multipose", "centerface", "posenet")
MOST = 60
MAIN = """
#include <stddef.h>
int main(void);
void edgecnn_ready(void);
/* While it stands here, the host places outputs and reads results. */
__attribute__((noinline, used)) void edgecnn_ready(void) { __asm__ volatile(""); }
ec_box boxes[60];
ec_keypoint points[60 * 8];
volatile int count;
static ec_candidate scratch[200];
"""


@dataclass
class _Memory:
    """What :func:`fill` needs of a runner."""

    model: CompiledModel
    arena: np.ndarray


def _turn(name: str, model: CompiledModel) -> tuple[str, str]:
    """The model's memory, and what one turn of the loop does with it."""
    points = " points," if "_KEYPOINTS" in model.files[f"{name}_postprocess.h"] else ""
    given = "boxes, points" if name in POSES else f"boxes,{points} {MOST}, scratch, 200"
    memory = (
        f"{name}_ALIGNED uint8_t {name}_arena[{name}_ARENA_BYTES];\nstatic {name}_state {name}_s;\n"
    )
    return memory, (
        f"  if ({name}_init(&{name}_s, {name}_arena) != 0) {{ return 1; }}\n"
        f"  edgecnn_ready();\n  count = {name}_postprocess(&{name}_s, NULL, {given});\n"
    )


@pytest.mark.parametrize(
    ("core", "compiler"),
    long_but_for(
        [("cortex-m4", "gcc"), ("cortex-m0plus", "gcc"), ("cortex-m4", "zig"), ("rv32imc", "zig")],
        ("cortex-m4", "gcc"),
    ),
)
def test_boxes_equal_python(core: str, compiler: str) -> None:
    models = {name: compile_model(read_model(CASES[name][0]), name=name) for name in RUN}
    turns = [_turn(name, model) for name, model in models.items()]
    main = "".join(f'#include "{name}_postprocess.h"\n' for name in RUN) + MAIN
    main += "".join(memory for memory, _ in turns)
    body = "".join(call for _, call in turns)
    main += f"int main(void) {{ for (;;) {{\n{body}  }} }}\n"
    board = load_board(core)
    elf = read_elf(build_image(list(models.values()), main, board, toolchain(core, compiler)))
    machine = find_emulator(board, "unicorn").machine(elf, board, 60.0)
    ready, rng = elf.address("edgecnn_ready"), np.random.default_rng(4)
    machine.run_until(ready)
    seen = 0
    for _, name in ((turn, name) for turn in range(2) for name in RUN):
        memory = _Memory(models[name], np.zeros(models[name].arena_bytes, np.uint8))
        outputs, infos = fill(memory, rng, 1.2)  # type: ignore[arg-type]
        machine.write(elf.address(f"{name}_arena"), memory.arena.tobytes())
        machine.run_until(elf.address(f"{name}_postprocess"))
        machine.run_until(ready)
        expected = decode(CASES[name][1], outputs, infos, None)
        assert isinstance(expected, Detections)
        found = int.from_bytes(machine.read(elf.address("count"), 4), "little")
        same_boxes(_results(machine, elf, found, expected), expected, 8.0)
        seen += found
    machine.close()
    assert seen > 20


def _results(machine: Any, elf: Any, count: int, expected: Detections) -> Detections:
    """The first of the arrays in the core's memory."""
    each = 0 if expected.keypoints is None else expected.keypoints.shape[1]
    sizes = count * ctypes.sizeof(BoxC), count * each * ctypes.sizeof(KeypointC)
    raw = [
        machine.read(elf.address(name), size) if size else b""
        for name, size in zip(("boxes", "points"), sizes, strict=True)
    ]
    boxes = (BoxC * count).from_buffer_copy(raw[0])
    points = np.frombuffer(raw[1], np.float32).reshape(count, each, 3) if each else None
    return Detections(
        np.array([(b.x1, b.y1, b.x2, b.y2) for b in boxes], np.float32).reshape(count, 4),
        np.array([b.score for b in boxes], np.float32),
        np.array([b.label for b in boxes], np.int64),
        points,
    )


# Bytes of code and of stack on the M4 with GCC 12 -O2: a fifth more than measured.
LIMITS = {
    "ltrb": (2600, 300),
    "ssd": (3150, 350),
    "yolov5": (2550, 250),
    "levels": (3300, 350),
    "faces": (4250, 420),
    "ssdop": (2050, 230),
    "centernet": (2300, 240),
    "movenet": (1950, 160),
    "posenet": (2800, 200),
    "argmax": (300, 50),
}


@pytest.mark.long
@pytest.mark.parametrize("name", LIMITS)
def test_a_decoder_holds_what_its_spec_needs(name: str, tmp_path: Path) -> None:
    tool, board = toolchain("cortex-m4", "gcc"), load_board("cortex-m4")
    write(compile_model(read_model(CASES[name][0]), name=name), tmp_path)
    made = tmp_path / f"{name}_postprocess.o"
    flags = [*tool.flags(board), "-fstack-usage", "-c", made.with_suffix(".c"), "-o", made]
    run_tool([*tool.command, *flags])
    code = sum(section.size for section in read_elf(made.read_bytes()).sections
               if section.name.startswith(".text"))  # fmt: skip
    lines = made.with_suffix(".su").read_text().splitlines()
    stack = max(int(line.split("\t")[1]) for line in lines)
    assert code <= LIMITS[name][0] and stack <= LIMITS[name][1], (code, stack)
