"""Removable drives of Windows, asked from its kernel32."""

from __future__ import annotations

import ctypes
import string
from typing import Any

_REMOVABLE = 2
_FAIL_SILENTLY = 1
"""SEM_FAILCRITICALERRORS: no dialog that asks for a disk, for card readers without a card."""
_LABEL_CHARACTERS = 261


def windows_volumes(kernel32: Any = None) -> tuple[tuple[str, str], ...]:
    """``(folder, label)`` of each removable drive that can be read; empty elsewhere.

    Functions: Microsoft, Win32 API, "fileapi.h": GetLogicalDrives, GetDriveTypeW,
    GetVolumeInformationW.
    """
    kernel = kernel32 or getattr(getattr(ctypes, "windll", None), "kernel32", None)
    if kernel is None:
        return ()
    before = kernel.SetErrorMode(_FAIL_SILENTLY)
    try:
        mask = kernel.GetLogicalDrives()
        found = []
        for number, letter in enumerate(string.ascii_uppercase):
            folder = f"{letter}:\\"
            if not mask >> number & 1 or kernel.GetDriveTypeW(folder) != _REMOVABLE:
                continue
            label = ctypes.create_unicode_buffer(_LABEL_CHARACTERS)
            if kernel.GetVolumeInformationW(
                folder, label, _LABEL_CHARACTERS, None, None, None, None, 0
            ):
                found.append((folder, label.value))
        return tuple(found)
    finally:
        kernel.SetErrorMode(before)
