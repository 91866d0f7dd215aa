"""What the page does when others fail, and others when it does: a browser of its own for each."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.camera.page.browser import Loop, need_chromium, shapes_model, start_chromium, until

pytestmark = pytest.mark.long
SOURCE = ("--source", "test,size=480x270,rate=10")


@pytest.fixture
def chromium(tmp_path: Path) -> Any:
    need_chromium()
    browser = start_chromium(tmp_path)
    yield browser
    browser.quit()


def newest(browser: Any) -> int:
    script = "return document.querySelector('canvas.picture')?.dataset.frame ?? -1"
    return int(browser.execute_script(script))


def state(browser: Any) -> str:
    return browser.execute_script("return document.querySelector('#state').innerText")


def test_a_page_with_a_token(chromium: Any, tmp_path: Path) -> None:
    loop = Loop("--model", shapes_model(tmp_path), *SOURCE, serve="0.0.0.0:0")
    try:
        port, token = re.search(r"http://[^/]*:(\d+)/\?token=(\S+)", loop.said).groups()
        place = f"http://127.0.0.1:{port}/"
        chromium.get(place)
        assert newest(chromium) == -1
        assert token not in chromium.page_source
        chromium.get(f"{place}?token={token}")
        until(lambda: newest(chromium) > 0)
        # The token has gone into a cookie that no script can read.
        assert chromium.current_url == place
        assert chromium.execute_script("return document.cookie") == ""
        chromium.refresh()
        until(lambda: newest(chromium) > 0)
    finally:
        loop.end()


def test_the_loop_goes_on_when_its_viewer_is_killed(tmp_path: Path) -> None:
    need_chromium()
    loop = Loop("--model", shapes_model(tmp_path), *SOURCE)
    try:
        browser = start_chromium(tmp_path)
        browser.get(loop.address)
        until(lambda: newest(browser) > 0)
        until(lambda: loop.get("/about")["history"][-1]["viewers"] == 1)
        os.kill(browser.capabilities["goog:processID"], signal.SIGKILL)
        until(lambda: loop.get("/about")["history"][-1]["viewers"] == 0)
        frames = loop.frames()
        numbers = [next(frames)["frame"] for _ in range(10)]
        assert numbers == sorted(set(numbers))
        browser.service.stop()
    finally:
        assert loop.end() == 0


def test_the_page_comes_back_to_a_loop_that_was_started_again(
    chromium: Any, tmp_path: Path
) -> None:
    model = shapes_model(tmp_path)
    loop = Loop("--model", model, *SOURCE)
    chromium.get(loop.address)
    until(lambda: newest(chromium) > 0)
    loop.process.kill()
    loop.process.wait()
    until(lambda: state(chromium) == "connection lost, trying again")
    # With another model: its classes are shown, not those of the one before.
    other = shapes_model(tmp_path, ("ball", "box", "tent"))
    again = Loop("--model", other, *SOURCE, serve=loop.origin.removeprefix("http://"))
    try:
        until(lambda: state(chromium) == "live", 30)
        classes = "return document.querySelector('#classes').innerText"
        until(lambda: "tent" in chromium.execute_script(classes))
        assert "triangle" not in chromium.execute_script(classes)
    finally:
        again.end()


def test_cameras_side_by_side_and_each_alone(chromium: Any, tmp_path: Path) -> None:
    cameras: list[str] = []
    for number in range(5):
        cameras += ["--source", f"test,size=320x180,rate=5,seed={number + 1}"]
        cameras += ["--name", f"cam {number}"]
    loop = Loop("--model", shapes_model(tmp_path), *cameras)
    try:
        chromium.get(loop.address)
        live = """
        const canvases = [...document.querySelectorAll('.screen canvas')];
        return canvases.map((one) => Number(one.dataset.frame ?? -1));"""
        until(lambda: len(chromium.execute_script(live)) == 4)
        until(lambda: min(chromium.execute_script(live)) > 0, 30)
        # A browser holds six connections to a host: the fifth camera is a still.
        still = "return document.querySelector('img.picture').naturalWidth"
        until(lambda: chromium.execute_script(still) > 0)
        chromium.execute_script("document.querySelectorAll('#cameras .tab')[3].click()")
        until(lambda: len(chromium.execute_script(live)) == 1 and newest(chromium) > 0)
        shown = "return document.querySelector('.screen .name').innerText"
        assert chromium.execute_script(shown) == "cam 2"
    finally:
        loop.end()
