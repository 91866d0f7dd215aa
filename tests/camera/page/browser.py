"""Chromium and a running loop, for the tests of the page."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.run import ROOT

T = TypeVar("T")

PROGRAMS = (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))


def need_chromium() -> tuple[str, str]:
    """Paths of the browser and its driver; skips where one is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    found = [next(filter(None, map(shutil.which, names)), None) for names in PROGRAMS]
    if found[0] is None or found[1] is None:
        pytest.skip("needs Chromium and its driver (chromium, chromium-driver)")
    return found[0], found[1]


def start_chromium(downloads: Path) -> Any:
    """A browser without a window; it also runs as root."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    browser, driver = need_chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    flags = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,800")
    for flag in (*flags, "--disable-gpu", "--no-first-run", "--disable-background-networking"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    chromium.set_script_timeout(20)
    return chromium


def shapes_model(folder: Path, labels: tuple[str, ...] | None = None) -> Path:
    """The network of ``examples/shapes.py``; ``labels``: instead of circle, square, triangle."""
    spec = importlib.util.spec_from_file_location("shapes", ROOT / "examples" / "shapes.py")
    assert spec is not None and spec.loader is not None
    shapes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shapes)
    if labels is not None:
        shapes.LABELS = labels
    file = folder / "shapes.tflite"
    file.write_bytes(shapes.network())
    return file


class Loop:
    """``edgecnn detect`` with a page, in a process of its own."""

    def __init__(self, *arguments: object, serve: str = "127.0.0.1:0", **env: str) -> None:
        words = ["-m", "edgecnn", "detect", *map(str, arguments), "--serve", serve]
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        )
        self.said = ""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            address = re.search(r"http://\S+", line)
            if address:
                self.address = address[0]
                return
        pytest.fail(f"no page was served: {self.said}")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        found = re.match(r"http://[^/]+", self.address)
        assert found is not None
        return found[0]

    def get(self, path: str) -> Any:
        """JSON of the server, by another client than the browser."""
        with urllib.request.urlopen(self.origin + path, timeout=10) as answer:
            return json.load(answer)

    def post_limit(self, label: str | None, score: float) -> None:
        request = urllib.request.Request(
            f"{self.origin}/limits",
            json.dumps({"label": label, "score": score}).encode(),
            {"Content-Type": "application/json", "Origin": self.origin},
        )
        urllib.request.urlopen(request, timeout=10).close()

    def frames(self) -> Iterator[dict[str, Any]]:
        """The frames' messages, as another viewer gets them."""
        with urllib.request.urlopen(f"{self.origin}/live?camera=", timeout=10) as stream:
            while head := stream.read(8):
                text, jpeg = struct.unpack(">II", head)
                message = json.loads(stream.read(text))
                stream.read(jpeg)
                if message["kind"] == "frame":
                    yield message

    def end(self) -> int:
        """Ends it as Ctrl-C does; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        self.said += self.process.stderr.read()
        return self.process.wait(30)


def until(what: Callable[[], T], seconds: float = 15.0) -> T:
    """The first true answer; fails when there is none for so long."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
