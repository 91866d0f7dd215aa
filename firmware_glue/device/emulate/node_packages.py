"""Node.js and the package rp2040js: where they are, and what to install."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecnn.core.errors import TargetError

PACKAGE = "rp2040js"
VERSION = "1.4.1"
_INSTALL = f"npm install -g {PACKAGE}@{VERSION}"
_TIMEOUT_S = 60


@dataclass(frozen=True)
class NodePackage:
    """Node.js, and a package's folder and version."""

    node: str
    folder: Path
    version: str


def find_rp2040js() -> NodePackage:
    """Node.js with the package rp2040js.

    Raises:
        TargetError: one of them is not installed, or the package has another version.
    """
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        raise TargetError(
            "emulating a Pico needs Node.js ('node'), which is not installed",
            hint="install it (Debian, Ubuntu: apt install nodejs npm; macOS: brew install node;"
            f" Windows: choco install nodejs), then {_INSTALL}",
        )
    seen = []
    for folder in _folders(node):
        version = _version(folder / PACKAGE)
        if version == VERSION:
            return NodePackage(node, folder / PACKAGE, version)
        if version:
            seen.append(version)
    found = f"found: {', '.join(seen)}" if seen else "which is not installed"
    raise TargetError(f"emulating a Pico needs {PACKAGE} {VERSION}, {found}", hint=_INSTALL)


def _version(folder: Path) -> str:
    try:
        described = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    version = described.get("version") if isinstance(described, dict) else None
    return version if isinstance(version, str) else "unknown version"


def _folders(node: str) -> Iterator[Path]:
    """Where npm puts packages, the most particular place first."""
    for entry in os.environ.get("NODE_PATH", "").split(os.pathsep):
        if entry:
            yield Path(entry)
    here = Path.cwd()
    for folder in (here, *here.parents):
        yield folder / "node_modules"
    prefix = Path(node).resolve().parent
    yield prefix.parent / "lib" / "node_modules"
    yield prefix / "node_modules"
    root = _npm_root(shutil.which("npm") or "")
    if root:
        yield Path(root)


@cache
def _npm_root(npm: str) -> str:
    """Npm's folder of global packages; it takes half a second to say."""
    if not npm:
        return ""
    try:
        done = subprocess.run(
            [npm, "root", "-g"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
