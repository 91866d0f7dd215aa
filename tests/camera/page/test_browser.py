"""The page in a real browser on a running loop: one of each for everything that is looked at."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.camera.page.browser import Loop, need_chromium, shapes_model, start_chromium, until

HOSTILE = '<img src=x onerror="window.hacked=1">'
LABELS = ("circle", "square", HOSTILE)
# The colours of classes 0 to 2, B, G, R, as the README's pictures have them.
BLUE, LIME, PINK = (255, 160, 56), (56, 255, 218), (255, 56, 234)


class Viewer:
    """The browser with the page, and what a person would see or do there."""

    def __init__(self, chromium: Any, loop: Loop) -> None:
        self.chromium, self.loop = chromium, loop

    def run(self, script: str, *given: Any) -> Any:
        return self.chromium.execute_script(script, *given)

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def frame(self) -> int:
        return int(self.run("return document.querySelector('canvas.picture').dataset.frame ?? -1"))

    def picture(self) -> np.ndarray:
        """What the canvas shows: uint8 (H, W, 3) BGR."""
        url = self.run("return document.querySelector('canvas.picture').toDataURL('image/png')")
        data = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
        return cv2.imdecode(data, cv2.IMREAD_COLOR)

    def pixels(self, colour: tuple[int, int, int]) -> int:
        """How many have this very colour: plates and boxes of a class have."""
        return int((self.picture() == colour).all(axis=2).sum())

    def press(self, key: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.chromium).send_keys(key).perform()

    def find(self, selector: str) -> Any:
        from selenium.webdriver.common.by import By

        return self.chromium.find_element(By.CSS_SELECTOR, selector)


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def viewer(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    need_chromium()
    folder = tmp_path_factory.mktemp("loop")
    loop = Loop(
        "--model", shapes_model(folder, LABELS), "--source", "test,size=480x270,rate=10", "--line",
        "gate=50%,0,50%,100%", "--record", folder / "recordings", "--record-raw",
    )  # fmt: skip
    chromium = None
    try:
        chromium = start_chromium(downloads)
        chromium.get(loop.address)
        found = Viewer(chromium, loop)
        until(lambda: found.frame() >= 0)
        yield found
    finally:
        if chromium is not None:
            chromium.quit()
        loop.end()


def test_the_picture_is_live_with_boxes_labels_and_the_line(viewer: Viewer) -> None:
    first = viewer.frame()
    until(lambda: viewer.frame() > first + 3)
    assert viewer.text("#state") == "live"
    picture = viewer.picture()
    assert picture.std() > 15
    for colour in (BLUE, LIME, PINK):
        assert (picture == colour).all(axis=2).sum() > 150
    # The line stands in the middle, from top to bottom.
    line = (picture == (0x66, 0xD1, 0xFF)).all(axis=2)
    middle = picture.shape[1] // 2
    assert line[:, middle - 3 : middle + 4].any(axis=1).mean() > 0.7
    assert "gate" in viewer.text("#counts")
    assert float(viewer.text("[data-figure=fps] b")) > 0
    until(lambda: "infer" in viewer.text("#stages-legend"))


def test_labels_are_text_whatever_they_say(viewer: Viewer) -> None:
    until(lambda: HOSTILE in viewer.text("#classes"))
    until(lambda: HOSTILE in viewer.text("#events"))
    assert viewer.run("return window.hacked ?? document.querySelectorAll('img[src=x]').length") == 0


def test_a_threshold_moved_with_the_keyboard_holds_in_the_loop(viewer: Viewer) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = viewer.find("input[aria-label='Threshold of circle']")
    slider.send_keys(Keys.END)
    until(
        lambda: viewer.loop.get("/about")["limits"] == {"circle": 1.0, "square": 0.5, HOSTILE: 0.5}
    )
    frames = viewer.loop.frames()
    shown = [{item["label"] for item in next(frames)["detections"]} for _ in range(4)][-1]
    assert "circle" not in shown and "square" in shown
    until(lambda: viewer.pixels(BLUE) == 0)
    assert viewer.text("#threshold-option") == "--threshold circle=1"
    # What somebody else moves is seen here.
    viewer.loop.post_limit("circle", 0.25)
    until(lambda: slider.get_property("value") == "0.25")
    until(lambda: viewer.pixels(BLUE) > 0)
    viewer.loop.post_limit("circle", 0.5)
    until(lambda: not viewer.find(".keep").is_displayed())


def test_a_class_is_hidden_for_this_viewer_alone(viewer: Viewer) -> None:
    tick = viewer.find("input[aria-label='Draw square']")
    viewer.run("arguments[0].click()", tick)
    until(lambda: viewer.pixels(LIME) == 0)
    assert "square" in {item["label"] for item in next(viewer.loop.frames())["detections"]}
    viewer.chromium.refresh()
    until(lambda: viewer.frame() >= 0)
    until(lambda: viewer.pixels(PINK) > 0)
    assert viewer.pixels(LIME) == 0
    viewer.run("arguments[0].click()", viewer.find("input[aria-label='Draw square']"))
    until(lambda: viewer.pixels(LIME) > 0)


def test_the_keyboard_does_what_the_buttons_do(viewer: Viewer, downloads: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    viewer.run("document.activeElement.blur()")
    viewer.press(" ")
    paused = viewer.frame()
    before = next(viewer.loop.frames())["frame"]
    assert viewer.text("#pause") == "Go on" and viewer.text("#state") == "paused"
    for key, layer in (("l", "labels"), ("b", "boxes"), ("t", "trails")):
        viewer.press(key)
        chosen = f"[data-layer={layer}][aria-pressed=false]"
        until(lambda chosen=chosen: viewer.find(chosen))
    until(lambda: viewer.pixels(PINK) == 0)
    for key in "lbt":
        viewer.press(key)
    until(lambda: viewer.pixels(PINK) > 0)
    assert viewer.frame() == paused
    assert next(viewer.loop.frames())["frame"] > before
    viewer.press("?")
    assert "full screen" in viewer.text("dialog[open]")
    viewer.press(" ")
    assert viewer.frame() == paused, "in a dialog keys are the dialog's"
    viewer.press(Keys.ESCAPE)
    viewer.press(" ")
    until(lambda: viewer.frame() > paused)
    viewer.press("s")
    (file,) = until(lambda: list(downloads.glob("edgecnn_*.jpg")))
    data = file.read_bytes()
    assert data[:3] == b"\xff\xd8\xff" and data[-2:] == b"\xff\xd9"
    assert cv2.imread(str(file)).shape == (270, 480, 3)


def test_a_recording_plays_while_it_is_written(viewer: Viewer) -> None:
    play = until(lambda: viewer.run("return document.querySelector('.files [aria-label^=Play]')"))
    viewer.run("arguments[0].click()", play)
    time = "return Number(document.querySelector('#player canvas').dataset.time ?? -1)"
    until(lambda: viewer.run(time) > 0.2)
    assert viewer.run("return document.querySelector('#player canvas').width") == 480
    viewer.run("document.querySelector('#player').close()")


def test_a_narrow_page_is_not_wider_than_its_screen(viewer: Viewer) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    viewer.chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    # Twice the pixels on a screen that has them.
    until(lambda: viewer.run("return document.querySelector('canvas.picture').width") > 600)
    assert viewer.run("return document.documentElement.scrollWidth") == 360
    viewer.chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    nameless = """
    const controls = [...document.querySelectorAll('button, input, a, canvas[role]')];
    const named = (one) => one.ariaLabel || one.textContent || one.labels?.length;
    return controls.filter((one) => !one.hidden && !named(one)).length;"""
    assert viewer.run(nameless) == 0


def test_nothing_is_loaded_from_elsewhere_and_nothing_complains(viewer: Viewer) -> None:
    script = "return performance.getEntriesByType('resource').map((one) => one.name)"
    asked = [name for name in viewer.run(script) if not name.startswith("data:")]
    assert asked and all(name.startswith(viewer.loop.origin) for name in asked)
    assert [line["message"] for line in viewer.chromium.get_log("browser")] == []


def test_the_page_says_that_the_loop_has_ended(viewer: Viewer) -> None:
    assert viewer.loop.end() == 0
    until(
        lambda: (
            viewer.text("#state") in ("the loop was ended by hand", "connection lost, trying again")
        )
    )
    assert viewer.picture().std() > 15
