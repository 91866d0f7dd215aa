"""detect and eval on every kind of target, through the real command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgecnn.core.postprocess import DetectSpec, GridLevel, ListedSpec, to_json
from edgecnn.core.preprocess import ImageInput, PreprocessSpec
from firmware_glue.device.toolchain import build_shared
from tests.builders import ModelBuilder, tiny_classifier
from tests.data.boxes.sets import voc_object, voc_xml
from tests.data.pictures import write_folder
from tests.firmware_glue.compiler.cases.detection import options
from tests.run import in_process, shared
from tests.targets.edge_tpu import StandIn, plug_in
from tests.targets.test_coral_compiler import fake_compiler

CELL, CELLS, FRAMES = 8, 4, 4
SIDE = CELLS * CELL
BRIGHT, GRAY, DARK = 230, 128, 20
LABELS = {BRIGHT: "bright", DARK: "dark"}
PRE = PreprocessSpec((ImageInput("image", SIDE, SIDE, "rgb", "stretch", scale=(1 / 255,)),))
POST = DetectSpec(
    "scores", "boxes", tuple(LABELS.values()), (GridLevel(CELLS, CELLS, CELL),), score_threshold=0.9
)
LISTED = ListedSpec(
    "how", "where", POST.labels, CELLS**2, "what", "count", box_units=(SIDE, SIDE),
    score_threshold=0.9,
)  # fmt: skip
IMAGENET_505 = "coffee mug"  # of 1,001 classes, the first of which is the background
EMULATED, ON_HOST = ("-t", "cortex-m4"), ("-t", "cortex-m4", "--on-host")


def detector(*, on_edge_tpu: bool = False, lists: bool = False) -> bytes:
    """An int8 detector that finds each cell of 8 × 8 pixels that is bright or dark.

    Args:
        on_edge_tpu: the input goes through an op of the Edge TPU compiler's, whose input the
            stand-in copies: the file answers as it does without.
        lists: TFLite_Detection_PostProcess makes a list of boxes, whose outputs have no shapes in
            the file, as in TensorFlow's SSD files.
    """
    build = ModelBuilder(description="bright and dark cells")
    size = (1, SIDE, SIDE, 3)
    image = given = build.tensor(size, "int8", 1 / 255, -128, name="image")
    if on_edge_tpu:
        given = build.tensor(size, "int8", 1 / 255, -128, name="copied")
        build.op("CUSTOM", [image], [given], custom_code="edgetpu-custom-op")
    ones = np.ones((1, CELL, CELL, 3))
    outputs = {}
    for name, weights, bias, scale in (
        ("scores", np.concatenate([127 * ones, -127 * ones]), [-6, 6], 12 / (127 * ones.size)),
        # A box is its cell: half a stride to each side, or its anchor as it is.
        ("boxes", np.concatenate([0 * ones] * 4), [0 if lists else 0.5] * 4, 1e-4),
    ):
        count = len(weights)
        w = build.tensor(weights.shape, "int8", [scale] * count, data=weights.astype(np.int8))
        codes = np.rint(np.array(bias) * 255 / scale).astype(np.int32)
        b = build.tensor((count,), "int32", [scale / 255] * count, data=codes)
        outputs[name] = build.tensor((1, CELLS, CELLS, count), "int8", 0.05, 0, name=name)
        stride = {"stride_w": CELL, "stride_h": CELL}
        build.op("CONV_2D", [given, w, b], [outputs[name]], padding="VALID", **stride)
    if lists:
        outputs = _listed(build, outputs)
    build.signature("serving_default", {"image": image}, outputs)
    return build.build([image], list(outputs.values()))


def _listed(build: ModelBuilder, outputs: dict[str, int]) -> dict[str, int]:
    """Scores and boxes become SSD's list."""
    reals = []
    for name, values in (("scores", 2), ("boxes", 4)):
        shape = (1, CELLS**2, values)
        code = outputs[name]
        if name == "scores":
            code = build.tensor((1, CELLS, CELLS, values), "int8", 1 / 256, -128)
            build.op("LOGISTIC", [outputs[name]], [code])
        size = build.tensor((3,), "int32", data=np.array(shape, np.int32))
        scale = (1 / 256, -128) if name == "scores" else (0.05, 0)
        flat, real = build.tensor(shape, "int8", *scale), build.tensor(shape, "float32")
        build.op("RESHAPE", [code, size], [flat], new_shape=list(shape))
        build.op("DEQUANTIZE", [flat], [real])
        reals.append(real)
    middle = (np.arange(CELLS) + 0.5) / CELLS
    y, x = (grid.ravel() for grid in np.meshgrid(middle, middle, indexing="ij"))
    side = np.full(CELLS**2, 1 / CELLS)
    boxes = np.stack([y, x, side, side], axis=1).astype(np.float32)
    anchors = build.tensor(boxes.shape, "float32", data=boxes)
    made = {
        key: build.tensor((), "float32", name=key) for key in ("where", "what", "how", "count")
    }  # fmt: skip
    packed = options(
        max_detections=CELLS**2, max_classes_per_detection=1, use_regular_nms=False,
        nms_score_threshold=0.5, nms_iou_threshold=0.5, num_classes=2,
        y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0,
    )  # fmt: skip
    build.op(
        "CUSTOM", [reals[1], reals[0], anchors], list(made.values()),
        custom_code="TFLite_Detection_PostProcess", custom_options=packed,
    )  # fmt: skip
    return made


def cells_of(seed: int) -> np.ndarray:
    """(4, 4): the brightness of each cell."""
    return np.random.default_rng(seed).choice([BRIGHT, GRAY, DARK], (CELLS, CELLS))


def truth(cells: np.ndarray) -> set[tuple[str, int, int]]:
    """What is to be found: label, column and row of each cell that is not gray."""
    found = zip(*np.nonzero(cells != GRAY), strict=True)
    return {(LABELS[int(cells[row, column])], int(column), int(row)) for row, column in found}


def picture(cells: np.ndarray) -> np.ndarray:
    return np.kron(cells, np.ones((CELL, CELL)))[..., None].repeat(3, axis=2).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The detector with its specs, a clip of four frames, and photos with boxes."""
    (tmp_path / "m.tflite").write_bytes(detector())
    (tmp_path / "m_edgetpu.tflite").write_bytes(detector(on_edge_tpu=True))
    (tmp_path / "pre.json").write_text(json.dumps(PRE.to_json()))
    (tmp_path / "post.json").write_text(json.dumps(to_json(POST)))
    clip = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (SIDE, SIDE)
    )
    photos = {}
    for seed in range(FRAMES):
        cells = cells_of(seed)
        clip.write(picture(cells))
        objects = "".join(
            voc_object(label, (x * CELL + 1, y * CELL + 1, (x + 1) * CELL, (y + 1) * CELL))
            for label, x, y in sorted(truth(cells))
        )
        photos[f"JPEGImages/{seed}.png"] = cv2.imencode(".png", picture(cells))[1].tobytes()
        photos[f"Annotations/{seed}.xml"] = voc_xml(f"{seed}.png", objects, (SIDE, SIDE))
    clip.release()
    write_folder(tmp_path / "photos", photos)
    return tmp_path


def detect(folder: Path, *flags: str, model: str = "m.tflite") -> tuple[list[Any], dict[str, Any]]:
    """The detections of each frame, and the summary."""
    specs = ("--preprocess", "pre.json", "--postprocess", "post.json")
    words = ("detect", "--model", model, "--source", "clip.avi", "--json", *specs, *flags)
    result = in_process(*words, cwd=folder)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return [line["detections"] for line in lines[:-1]], lines[-1]


def evaluate(folder: Path, *flags: str, model: str = "m.tflite") -> dict[str, Any]:
    specs = ("--preprocess", "pre.json", "--postprocess", "post.json")
    words = ("eval", model, "--data", "photos", "--split", "all", "--json", *specs, *flags)
    result = in_process(*words, cwd=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_found(frames: list[Any]) -> None:
    """Every cell of every frame that is bright or dark, and no other; each box is its cell."""
    assert len(frames) == FRAMES
    for seed, found in enumerate(frames):
        middles = set()
        for item in found:
            x1, y1, x2, y2 = item["box_xyxy"]
            assert abs(x2 - x1 - CELL) < 1 and abs(y2 - y1 - CELL) < 1
            middles.add((item["label"], int((x1 + x2) / 2) // CELL, int((y1 + y2) / 2) // CELL))
        assert middles == truth(cells_of(seed))


def test_detect_here_on_the_core_and_with_its_c(folder: Path) -> None:
    runs = {}
    for flags in ((), ("-t", "host", "--threads", "1"), ("-t", "pi5", "-d", "local"), ON_HOST):
        frames, summary = detect(folder, *flags)
        assert_found(frames)
        assert summary["target"] == (flags[1] if flags else None)
        runs[flags] = frames
    for core in ("cortex-m4", "microbit-v2"):
        frames, summary = detect(folder, "-t", core)
        assert (frames, summary["target"]) == (runs[ON_HOST], core)


def test_boxes_that_the_model_lists_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The op of SSD files runs on the CPU beside an Edge TPU, and on a core in C."""
    (folder / "post.json").write_text(json.dumps(to_json(LISTED)))
    for name in ("m.tflite", "m_edgetpu.tflite"):
        (folder / name).write_bytes(detector(on_edge_tpu="edgetpu" in name, lists=True))
    library = StandIn(folder)
    plug_in(library.path, monkeypatch)
    runs = [detect(folder, *flags)[0] for flags in ((), ON_HOST, EMULATED)]
    runs.append(detect(folder, "-t", "coral-usb", model="m_edgetpu.tflite")[0])
    for frames in runs:
        assert_found(frames)
    assert runs[1] == runs[2] and runs[0] == runs[3]
    assert library.count("runs") == FRAMES


def test_eval_here_on_the_core_and_with_its_c(folder: Path) -> None:
    emulated, on_host = evaluate(folder, *EMULATED), evaluate(folder, *ON_HOST)
    assert emulated["metrics"] == on_host["metrics"]
    assert emulated["metrics"]["map50"] > 0.99
    assert [row["name"] for row in emulated["compared"]] == ["model", "cortex-m4"]
    runs = [result["compared"][1]["runs"] for result in (emulated, on_host)]
    assert "unicorn" in runs[0] or "QEMU" in runs[0]
    assert runs[1] == "C on this machine, dsp kernels, litert-ref"
    other = evaluate(folder, *ON_HOST, "--numerics", "tflm")
    assert other["compared"][1]["runs"].endswith("tflm")
    [row] = evaluate(folder, "-t", "host", "--threads", "1")["compared"]
    assert (row["name"], row["runs"]) == ("host", "LiteRT, 1 thread")


def test_the_model_runs_where_it_says(folder: Path) -> None:
    words = ("--preprocess", "pre.json", "--postprocess", "post.json", "--source", "clip.avi")
    result = in_process("detect", "--model", "m.tflite", *words, *ON_HOST, cwd=folder)
    said = "runs on cortex-m4: C on this machine, dsp kernels, litert-ref"
    assert said in result.stderr.splitlines()
    photos = ("--data", "photos", "--split", "all", *words[:4])
    result = in_process("eval", "m.tflite", *photos, *ON_HOST, cwd=folder)
    assert "cortex-m4" in result.stdout and "C on this machine" in result.stdout


def test_an_edge_tpu_by_a_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = StandIn(folder)
    plug_in(library.path, monkeypatch)
    frames, summary = detect(folder, "-t", "coral-usb", model="m_edgetpu.tflite")
    assert frames == detect(folder)[0] and summary["target"] == "coral-usb"
    assert (library.count("nodes"), library.count("runs")) == (1, FRAMES)
    assert library.count("delegates") == 0, "the delegate is left to the interpreter"
    judged = evaluate(folder, "-t", "coral-usb", model="m_edgetpu.tflite")
    assert judged["metrics"]["map50"] > 0.99
    assert [row["name"] for row in judged["compared"]] == ["coral-usb"]
    assert library.count("runs") == 2 * FRAMES


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")
def test_a_file_that_is_not_compiled_is_compiled_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = StandIn(folder)
    plug_in(library.path, monkeypatch)
    fake_compiler(
        folder,
        "out = pathlib.Path(arguments[arguments.index('-o') + 1])\n"
        f"made = pathlib.Path({str(folder / 'm_edgetpu.tflite')!r}).read_bytes()\n"
        "(out / 'm_edgetpu.tflite').write_bytes(made)\n",
    )
    monkeypatch.setenv("PATH", str(folder))
    judged = evaluate(folder, "-t", "coral-usb")
    assert [row["name"] for row in judged["compared"]] == ["model", "coral-usb"]
    assert judged["compared"][0]["metric"] == judged["compared"][1]["metric"]
    assert library.count("runs") == FRAMES


def test_a_real_compiled_file_is_loaded_through_the_delegate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in copies the image's first bytes into the scores: the brightest one wins."""
    name = "edgetpu_pairs/coral/mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    model = shared() / "models" / name
    library = StandIn(tmp_path)
    plug_in(library.path, monkeypatch)
    image = np.random.default_rng(3).integers(0, 200, (128, 128, 3), dtype=np.uint8)
    image[1, 40, 1] = 255  # row 1, pixel 40, green: byte 505
    cv2.imwrite(str(tmp_path / "frame.png"), image)
    words = ("detect", "-t", "coral-usb", "--model", model, "--source", "frame.png", "--json")
    result = in_process(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    frame = json.loads(result.stdout.splitlines()[0])
    assert frame["detections"][0]["label"] == IMAGENET_505
    assert library.count("runs") == 2, "once to see what it gives, once for the frame"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-t", "nowhere"), "unknown target 'nowhere'"),
        (("-t", "ethos-u55-128"), "'ethos-u55-128' runs no model here"),
        (("-t", "pi5", "-d", "pi@box"), "'pi@box' over the network is not available yet"),
        (("-t", "cortex-m4", "-d", "/dev/x"), "there is no '/dev/x'"),
        (("-t", "pico", "-d", "/dev/x"), "not on '/dev/x'"),
        (("-t", "cortex-m4", "--threads", "2"), "--threads means nothing on 'cortex-m4'"),
        (("-t", "host", "--on-host"), "--on-host means nothing on 'host'"),
        (("--on-host",), "there is no -t"),
        (("-d", "local"), "there is no -t"),
        (("-t", "coral-usb"), "no Edge TPU found to run on (no Edge TPU on USB, no libedgetpu)"),
    ],
)
def test_what_does_not_run_is_one_line(
    flags: tuple[str, ...], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.coral.device.usb_device_present", lambda ids: False)
    monkeypatch.setattr("targets.coral.device.find_library", lambda name: None)
    for verb in (("detect", "--source", "clip.avi", "--model"), ("eval", "--data", "photos")):
        result = in_process(*verb, "m.tflite", *flags, cwd=folder)
        first, hint = result.stderr.splitlines()[-2:]
        assert result.returncode in (1, 2) and result.stdout == ""
        assert first.startswith("error: ") and said in first and hint.startswith("hint: ")


def test_an_edge_tpu_takes_compiled_files_and_only_it_does(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(StandIn(folder).path, monkeypatch)
    monkeypatch.setattr("targets.coral.target.shutil.which", lambda name: None)
    words = ("detect", "--source", "clip.avi", "--model")
    for model, target, said in (
        ("m.tflite", "coral-usb", "is not compiled for the Edge TPU, and edgetpu_compiler"),
        ("m_edgetpu.tflite", "host", "the model is compiled for the Edge TPU"),
        ("m_edgetpu.tflite", "cortex-m4", "edgetpu-custom-op"),
    ):
        result = in_process(*words, model, "-t", target, cwd=folder)
        assert result.returncode == 1 and said in result.stderr, result.stderr
        assert result.stderr.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize("content", [b"no library", None])
def test_a_library_that_is_no_delegate(
    content: bytes | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = folder / "libedgetpu.so"
    library.write_bytes(content or build_shared("int nothing;", library.name))
    plug_in(library, monkeypatch)
    words = ("--source", "clip.avi", "--model", "m_edgetpu.tflite", "-t", "coral-usb")
    result = in_process("detect", *words, cwd=folder)
    assert result.returncode == 1
    assert f"the delegate '{library}' cannot be loaded" in result.stderr


@pytest.mark.parametrize("verb", [("detect", "--source", "clip.avi", "--model"), ("bench",)])
def test_a_library_that_crashes_does_not_take_the_command_down(
    verb: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = StandIn(folder, crashes=True)
    plug_in(library.path, monkeypatch)
    result = in_process(*verb, "m_edgetpu.tflite", "-t", "coral-usb", cwd=folder)
    assert result.returncode == 1 and library.count("runs") == 0
    error, hint = result.stderr.splitlines()[-2:]
    assert error.startswith(f"error: '{library.path}' crashes in ") and "issue 812" in hint


def test_a_core_without_the_memory(tmp_path: Path) -> None:
    (tmp_path / "wide.tflite").write_bytes(tiny_classifier(size=128))
    words = ("--source", "none.avi", "--input-range", "0..255", "--colour", "rgb")
    result = in_process("detect", "--model", "wide.tflite", *words, "-t", "microbit", cwd=tmp_path)
    assert result.returncode == 1 and "microbit" in result.stderr and "bytes" in result.stderr
