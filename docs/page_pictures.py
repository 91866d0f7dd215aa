"""The pictures of the live page in the README: ``python -m docs.page_pictures``.

Runs the loop on the test pattern with the network of ``examples/shapes.py``, looks at its page in
Chromium, and writes ``docs/img/page.png`` and the clip ``docs/img/page.webp``, in which thresholds
are moved and the colours change.
"""

from __future__ import annotations

import base64
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.camera.page.browser import Loop, shapes_model, start_chromium, until

IMAGES = Path(__file__).parent / "img"
PLACES = (
    "--line", "gate=46%,4%,46%,96%",
    "--zone", "yard=62%,12%,96%,16%,93%,62%,60%,56%",
)  # fmt: skip
#: Seconds that the loop has run when the picture is taken: plots and counts want something to show.
SEEN_S = 45.0
WIDTH, HEIGHT = 1280, 800
CLIP_WIDTH, CLIP_RATE, CLIP_QUALITY = 960, 10, 62
_MOST_PICTURE, _MOST_CLIP = 300_000, 1_500_000


def main() -> int:
    """Writes both."""
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        loop = Loop(
            "--model", shapes_model(folder), "--source", "test", *PLACES,
            "--snapshots", folder / "snapshots",
        )  # fmt: skip
        browser = start_chromium(folder)
        try:
            _open(browser, loop.address)
            time.sleep(SEEN_S)
            picture = _shot(browser, "png")
            frames = _clip(browser)
        finally:
            browser.quit()
            loop.end()
    _write_picture(IMAGES / "page.png", picture)
    _write_clip(IMAGES / "page.webp", frames)
    for name, most in (("page.png", _MOST_PICTURE), ("page.webp", _MOST_CLIP)):
        size = (IMAGES / name).stat().st_size
        sys.stdout.write(f"{name}: {size} bytes\n")
        if size > most:
            sys.stderr.write(f"error: {name} has more than {most} bytes\n")
            return 1
    return 0


def _open(browser: Any, address: str) -> None:
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    _theme(browser, "light")
    browser.get(address)
    until(lambda: "live" in browser.execute_script("return document.body.innerText"))


def _theme(browser: Any, name: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _shot(browser: Any, kind: str) -> np.ndarray:
    """What is seen: uint8 (HEIGHT, WIDTH, 3) BGR."""
    asked = {"format": kind, **({"quality": 92} if kind == "jpeg" else {})}
    data = browser.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def _clip(browser: Any) -> list[np.ndarray]:
    """Some seconds of the page: a threshold goes up and down, a count unfolds, it becomes dark."""
    moves = {
        12 + step: ("Threshold of circle", 0.5 + 0.5 * min(step, 10) / 10) for step in range(11)
    }
    moves |= {36 + step: ("Threshold of circle", 1 - 0.5 * step / 10) for step in range(11)}
    frames = []
    for number in range(100):
        began = time.monotonic()
        if number in moves:
            label, value = moves[number]
            browser.execute_script(
                "const slider = document.querySelector(`input[aria-label='${arguments[0]}']`);"
                "slider.value = arguments[1]; slider.dispatchEvent(new Event('input'));",
                label,
                value,
            )
        if number == 66:
            _theme(browser, "dark")
        shown = _shot(browser, "jpeg")
        size = (CLIP_WIDTH, CLIP_WIDTH * HEIGHT // WIDTH)
        frames.append(cv2.resize(shown, size, interpolation=cv2.INTER_AREA))
        time.sleep(max(0.0, 1 / CLIP_RATE - (time.monotonic() - began)))
    return frames


def _write_picture(path: Path, picture: np.ndarray) -> None:
    """As a PNG, in steps of four: the ground's texture takes a fifth less, and nobody sees it."""
    coarse = (picture & 0xFC) | (picture >> 6)
    cv2.imwrite(str(path), coarse, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def _write_clip(path: Path, frames: list[np.ndarray]) -> None:
    clip = cv2.Animation()
    clip.frames = frames
    clip.durations = [round(1000 / CLIP_RATE)] * len(frames)
    cv2.imwriteanimation(str(path), clip, [cv2.IMWRITE_WEBP_QUALITY, CLIP_QUALITY])


if __name__ == "__main__":
    sys.exit(main())
