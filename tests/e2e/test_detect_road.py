"""People's own photos with boxes, through the real command line: check → train → … → eval."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.data.boxes.sets import voc_object, voc_xml
from tests.data.pictures import write_folder
from tests.run import in_process, shared

pytestmark = [pytest.mark.train, pytest.mark.long]
SIZE = (128, 96)
LABELS = ("plate", "tile")


def photo(seed: int) -> dict[str, bytes]:
    """One or two things on a noisy ground: round light plates, dark square tiles."""
    rng = np.random.default_rng(seed)
    image = rng.integers(90, 150, (SIZE[1] // 8, SIZE[0] // 8, 3)).astype(np.uint8)
    image = cv2.resize(image, SIZE, interpolation=cv2.INTER_CUBIC)
    objects = ""
    for place in range(1 + seed % 2):
        side, label = int(rng.integers(32, 52)), LABELS[(seed + place) % 2]
        x = int(rng.integers(0, SIZE[0] // 2 - side + 1)) + place * SIZE[0] // 2
        y = int(rng.integers(0, SIZE[1] - side + 1))
        if label == "plate":
            middle = (x + side // 2, y + side // 2)
            cv2.circle(image, middle, side // 2, (235, 235, 220), -1)
        else:
            cv2.rectangle(image, (x, y), (x + side - 1, y + side - 1), (30, 40, 120), -1)
        objects += voc_object(label, (x + 1, y + 1, x + side, y + side))
    name = f"p{seed:02}"
    return {
        f"JPEGImages/{name}.jpg": cv2.imencode(".jpg", image)[1].tobytes(),
        f"Annotations/{name}.xml": voc_xml(f"{name}.jpg", objects, SIZE),
    }


def answer(*arguments: object, cwd: Path, code: int = 0):
    result = in_process(*(str(argument) for argument in arguments), "--json", cwd=cwd)
    assert result.returncode == code, f"{result.stdout}\n{result.stderr}"
    return json.loads(result.stdout)


def test_photos_become_a_detector_on_the_device(tmp_path: Path) -> None:
    weights = shared() / "models/coral/mobilenet_v2_1.0_224_quant.tflite"
    files = {name: data for seed in range(24) for name, data in photo(seed).items()}
    write_folder(tmp_path / "photos", files)

    checked = answer("data", "check", "photos", cwd=tmp_path)
    assert (checked["images"], checked["boxes"], checked["faults"]) == (24, 36, [])

    flags = ("--task", "detect", "--data", "photos", "--model", "nano", "--weights", weights)
    flags = (*flags, "--epochs", 20, "--input-size", 96, 128, "-o", "out")
    plan = answer("train", *flags, "--dry-run", cwd=tmp_path)
    assert any("layers" in note and str(weights) in note for note in plan["notes"])
    assert not (tmp_path / "out").exists()
    trained = answer("train", *flags, cwd=tmp_path)
    assert trained["metric"]["name"] == "map50" and trained["metric"]["value"] > 0.6
    manifest = json.loads((tmp_path / "out/bundle.json").read_text())
    origin = manifest["training"]["initial_weights"]
    assert (origin["source"], origin["matched_by"]) == (str(weights), "structure")
    assert [row["epoch"] for row in manifest["training"]["history"]] == list(range(1, 21))
    assert sorted(manifest["labels"]) == sorted(LABELS)
    spec = json.loads((tmp_path / "out/postprocess.json").read_text())
    assert len(spec["thresholds"]) == 2

    quantized = answer("quantize", "out", cwd=tmp_path)
    assert quantized["metrics"]["quantized"]["value"] > 0.6
    flags = ("-t", "cortex-m7", "--on-host", "--data", "photos")
    judged = answer("eval", "out", *flags, cwd=tmp_path)
    names = [row["name"] for row in judged["compared"]]
    assert names == ["float32", "int8", "cortex-m7"]
    assert min(row["metric"]["value"] for row in judged["compared"]) > 0.6
