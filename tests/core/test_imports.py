"""Each core module, imported alone in a fresh process, brings numpy and nothing heavy."""

from pathlib import Path

import pytest

from tests.run import ROOT, python

MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "edgecnn/core").rglob("*.py")
    if path.name != "__init__.py"
)
BANNED = (
    "click", "keras", "cv2", "tensorflow", "targets", "quantization", "firmware_glue", "rich",
    "ai_edge_litert", "tflite_runtime", "flatbuffers", "tflite", "edgecnn.cli", "edgecnn.models",
)  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_module_alone(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        f"found = [name for name in {BANNED!r} if name in sys.modules]\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    result = python("-c", code)
    assert result.returncode == 0, result.stderr


def test_core_works_without_tensorflow_cv2_and_flatbuffers(tmp_path: Path) -> None:
    from tests.builders import tiny_classifier

    (tmp_path / "m.tflite").write_bytes(tiny_classifier())
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'cv2', 'flatbuffers', 'tflite', 'click'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from edgecnn.core.imaging import Preprocessor\n"
        "from edgecnn.core.preprocess import ImageInput\n"
        "from edgecnn.core.runtime import LiteRTPredictor\n"
        "from edgecnn.core.tflite.reader import read_model_file\n"
        "data, _ = read_model_file(Path(sys.argv[1]))\n"
        "predictor = LiteRTPredictor(data)\n"
        "spec = ImageInput('image', 16, 16, fit='letterbox')\n"
        "tensor, _ = Preprocessor(spec, predictor.inputs[0])(np.zeros((30, 50, 3), np.uint8))\n"
        "print(predictor.predict({'image': tensor})['scores'].shape)\n"
    )
    result = python("-c", code, str(tmp_path / "m.tflite"))
    assert result.returncode == 0, result.stderr
    assert result.stdout == "(1, 4)\n"
