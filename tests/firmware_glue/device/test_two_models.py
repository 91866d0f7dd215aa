"""Two models in one program, in one arena, turn by turn."""

import numpy as np
import pytest

from edgecnn.core.errors import TargetError
from edgecnn.core.runtime import LiteRTPredictor
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model
from firmware_glue.device.board_file import load_board
from firmware_glue.device.elf import read_elf
from firmware_glue.device.emulate.table import find_emulator
from firmware_glue.device.image import build_image
from tests.builders import tiny_classifier
from tests.firmware_glue.compiler.cases import CASES
from tests.firmware_glue.device.programs import need_qemu, toolchain

MAIN = """
#include "first.h"
#include "second.h"
#define LARGER(a, b) ((a) > (b) ? (a) : (b))

#define ALIGN LARGER(first_ARENA_ALIGN, second_ARENA_ALIGN)

int main(void);
void edgecnn_ready(void);
void edgecnn_fault(void);

/* While it stands here, the host places the next model's inputs and reads outputs. */
__attribute__((noinline, used)) void edgecnn_ready(void) { __asm__ volatile(""); }

uint8_t edgecnn_arena[LARGER(first_ARENA_BYTES, second_ARENA_BYTES)]
    __attribute__((section(".edgecnn.arena"), aligned(ALIGN)));
static first_state one;
static second_state two;

int main(void) {
  if (first_init(&one, edgecnn_arena) != 0 || second_init(&two, edgecnn_arena) != 0) {
    edgecnn_fault();
  }
  for (;;) {
    edgecnn_ready();
    if (first_invoke(&one) != 0) { edgecnn_fault(); }
    edgecnn_ready();
    if (second_invoke(&two) != 0) { edgecnn_fault(); }
  }
}
"""


def compiled(data: bytes, name: str) -> CompiledModel:
    return compile_model(read_model(data), name=name)


def case() -> bytes:
    """A convolution that is not the classifier's."""
    return CASES["CONV_2D:int8"](np.random.default_rng(11))


@pytest.mark.parametrize(
    ("core", "emulator", "compiler"),
    [("cortex-m4", "unicorn", "zig"), ("cortex-m0plus", "unicorn", "gcc"),
     ("cortex-m55", "qemu", "zig"), ("rv32imc", "unicorn", "gcc")],
)  # fmt: skip
def test_two_models_share_an_arena(core: str, emulator: str, compiler: str) -> None:
    if emulator == "qemu":
        need_qemu(core)
    data = (tiny_classifier(), case())
    models = [compiled(data[0], "first"), compiled(data[1], "second")]
    board = load_board(core)
    elf = read_elf(build_image(models, MAIN, board, toolchain(core, compiler)))
    assert elf.section_bytes(".arena") == max(model.arena_bytes for model in models)
    arena, ready = elf.address("edgecnn_arena"), elf.address("edgecnn_ready")
    machine = find_emulator(board, emulator).machine(elf, board, 60.0)
    rng = np.random.default_rng(5)
    machine.run_until(ready)
    for turn in (0, 1, 0, 1, 0):
        model = models[turn]
        predictor = LiteRTPredictor(data[turn], threads=1, resolver="reference")
        given = {
            info.name: rng.integers(-128, 128, info.shape).astype(np.int8)
            for info in predictor.inputs
        }
        for io, array in zip(model.inputs, given.values(), strict=True):
            machine.write(arena + io.offset, array.tobytes())
        machine.run_until(elf.address(f"{model.name}_invoke"))
        machine.run_until(ready)
        expected = predictor.predict(given)
        for io, info in zip(model.outputs, predictor.outputs, strict=True):
            got = np.frombuffer(machine.read(arena + io.offset, io.nbytes), np.int8)
            assert np.array_equal(got, expected[info.name].ravel())
    machine.close()


def test_two_models_of_one_name_are_refused() -> None:
    model = compiled(tiny_classifier(), "same")
    with pytest.raises(TargetError, match="called same, same") as caught:
        build_image([model, model], MAIN, load_board("cortex-m4"), toolchain("cortex-m4", "zig"))
    assert "a name of its own" in caught.value.hint
