"""The C kernels: headers that a C developer can read, lint and debug on their own."""

from __future__ import annotations

import re
from importlib import resources

FOLDERS = ("generic", "v6m", "dsp", "mve", "rv32")
"""Generic code, and what is made for a kind of core; file names are distinct over all of them."""
_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.MULTILINE)


def kernel_text(header: str) -> str:
    """The text of one kernel header, for example ``edgecnn_conv2d.h``.

    Raises:
        FileNotFoundError: there is none of that name.
    """
    root = resources.files(__package__)
    for folder in FOLDERS:
        file = root / folder / header
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise FileNotFoundError(header)


def with_includes(headers: set[str]) -> dict[str, str]:
    """``headers`` and all headers that they include: file name → text, sorted by name."""
    texts: dict[str, str] = {}
    wanted = sorted(headers)
    while wanted:
        header = wanted.pop()
        if header not in texts:
            texts[header] = kernel_text(header)
            wanted += _INCLUDE.findall(texts[header])
    return dict(sorted(texts.items()))
