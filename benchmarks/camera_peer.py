"""ultralytics' predict beside the camera loop: the same clip, the same .tflite."""

from __future__ import annotations

from pathlib import Path

from benchmarks.camera_cells import Figure
from benchmarks.camera_models import YOLO_SIDE, yolo_detector
from benchmarks.camera_runs import SKIPPED, Scene, alternated
from benchmarks.peers.venvs import ULTRALYTICS_LITERT, PeerFailedError, python_of, run_script

_LAYERS, _FRAMES = 12, 140


def peer_figures(clip: Path, folder: Path, venvs: Path, pairs: int) -> tuple[Figure, ...]:
    """Both on a model in the form of YOLOv8's exports; nothing where the peer cannot be had."""
    try:
        python = python_of(ULTRALYTICS_LITERT, venvs)
    except PeerFailedError as error:
        print(f"ultralytics left out: {error}", flush=True)
        return ()
    model = folder / "yolo.tflite"
    model.write_bytes(yolo_detector(_LAYERS))
    scene = Scene(clip, model, _FRAMES)
    words = (clip, model, str(_FRAMES), str(SKIPPED), str(YOLO_SIDE), folder)
    taken = alternated(
        {
            "ours": scene.ours,
            "peer": lambda: run_script(python, "camera_ultralytics", *words),
        },
        pairs,
    )

    def values(who: str, key: str) -> tuple[float, ...]:
        return tuple(pair[who][key] for pair in taken)

    return (
        Figure("FPS", values("ours", "fps")),
        Figure("CPU ms a frame", values("ours", "cpu_ms")),
        Figure("FPS of ultralytics' predict", values("peer", "fps")),
        Figure("CPU ms a frame of ultralytics' predict", values("peer", "cpu_ms")),
        Figure(
            "FPS over ultralytics'",
            tuple(pair["ours"]["fps"] / pair["peer"]["fps"] for pair in taken),
        ),
        Figure("peak of the process, MiB", values("ours", "peak_mib")),
        Figure("peak of ultralytics' process, MiB", values("peer", "peak_mib")),
    )
