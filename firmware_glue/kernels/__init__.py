"""The C kernels: headers that a C developer can read, lint and debug on their own."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from edgecnn import __version__

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


@cache
def kernels_id() -> str:
    """What tells one version's headers from another's: a C literal of 32 bits.

    It stands for the version and the text of all headers, because between two releases headers
    change and the version does not.
    """
    digest = hashlib.sha256(__version__.encode())
    root = resources.files(__package__)
    for folder in FOLDERS:
        for file in sorted((root / folder).iterdir(), key=lambda found: found.name):
            if file.name.endswith(".h"):
                digest.update(file.name.encode() + file.read_text(encoding="utf-8").encode())
    return f"0x{digest.hexdigest()[:8]}u"


def one_version(macro: str) -> str:
    """C that stops the compiler where files of two versions meet in one translation unit.

    Args:
        macro: what all of these files call the version's number.
    """
    return (
        f"#if !defined({macro})\n#define {macro} {kernels_id()}\n"
        f"#elif {macro} != {kernels_id()}\n"
        '#error "C of two versions of edgecnn in one program: compile all models with one"\n#endif'
    )


def same_version() -> str:
    """C that stops the compiler where kernels of another version, or of none, were included."""
    return (
        f"#if !defined(EDGECNN_KERNELS) || EDGECNN_KERNELS != {kernels_id()}\n"
        '#error "kernel headers of another version of edgecnn were included"\n#endif'
    )


def with_includes(headers: set[str]) -> dict[str, str]:
    """``headers`` and all headers that they include: file name → text, sorted by name.

    Each names its version and refuses to be mixed with others. The check stands before the include
    guard: behind it, the header that comes second would be skipped in silence.
    """
    texts: dict[str, str] = {}
    wanted = sorted(headers)
    while wanted:
        header = wanted.pop()
        if header not in texts:
            license_line, text = kernel_text(header).split("\n", 1)
            stamp = f"/* Kernels of edgecnn {__version__}. */\n{one_version('EDGECNN_KERNELS')}"
            texts[header] = f"{license_line}\n{stamp}\n{text}"
            wanted += _INCLUDE.findall(text)
    return dict(sorted(texts.items()))
