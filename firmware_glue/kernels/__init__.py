"""The C kernels: headers that a C developer can read, lint and debug on their own."""

from __future__ import annotations

import re
from importlib import resources

_INCLUDE = re.compile(r'^#include "(\w+\.h)"$', re.MULTILINE)


def kernel_text(header: str) -> str:
    """The text of one kernel header, for example ``edgecnn_conv2d.h``."""
    return (resources.files(__package__) / "generic" / header).read_text(encoding="utf-8")


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
