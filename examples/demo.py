"""The main job end to end, as a user would type it: make demo.

Trains a digit classifier and a digit detector, quantizes both, checks and measures them on every
target, runs the detector over a video, and writes one report. Everything lands in ``demo/``.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

OUT = Path("demo")
#: 30 epochs reach mAP@0.5 0.98; the demo's 8 reach 0.95 and have a time budget for slow machines,
#: which the learning rate schedule follows.
SHORT = ("--epochs", "8", "--max-minutes", "3")
FULL = ("--epochs", "30")
TARGETS = ("host", "cortex-m4", "cortex-m0plus", "ethos-u55-128")


def run(*arguments: str) -> None:
    """Runs one edgecnn command, shown as a user would type it; ends the demo if it fails."""
    print(f"\n$ edgecnn {shlex.join(arguments)}", flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "edgecnn", *arguments], check=False).returncode
    if code != 0:
        sys.exit(code)
    print(f"  ({time.monotonic() - started:.0f} s)", flush=True)


def on_targets(bundle: str) -> None:
    """Quantizes a bundle, then checks and measures it everywhere."""
    run("quantize", bundle)
    run("check", bundle, "-t", "coral-usb")
    run("compile", bundle, "-t", "cortex-m4")
    targets = [part for name in TARGETS for part in ("-t", name)]
    run("bench", bundle, *targets)


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="train the detector for longer")
    full = parser.parse_args().full
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    classify, detect = str(OUT / "classify"), str(OUT / "detect")
    run("train", "--task", "classify", "-o", classify)
    on_targets(classify)
    run("train", "--task", "detect", "-o", detect, *(FULL if full else SHORT))
    on_targets(detect)
    video = str(OUT / "scene.mp4")
    run("new", str(OUT / "project"), "--task", "detect", "-q")
    shutil.copyfile(OUT / "project/samples/scene.mp4", video)
    shutil.rmtree(OUT / "project")
    run("detect", "--source", video, "--model", detect, "-o", str(OUT))
    run("report", classify, detect, "-o", str(OUT))
    print(f"\nThe whole road took {time.monotonic() - started:.0f} s. Open {OUT / 'report.html'}.")


if __name__ == "__main__":
    main()
