"""Small image folders and archives, written by cv2."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np


def encoded(seed: int, ext: str = ".png", size: tuple[int, int] = (12, 10)) -> bytes:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return cv2.imencode(ext, image)[1].tobytes()


def class_files(classes: Mapping[str, int], prefix: str = "", first: int = 0) -> dict[str, bytes]:
    """``{prefix}{class}/{i}.png`` → different images."""
    files, seed = {}, first
    for name, count in classes.items():
        for i in range(count):
            files[f"{prefix}{name}/{i}.png"] = encoded(seed)
            seed += 1
    return files


def write_folder(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w:xz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
