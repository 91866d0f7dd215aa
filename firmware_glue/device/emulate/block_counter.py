"""How often each block of code is entered: a hook in C where one can be built, else in Python.

Both count the same. The one in C runs at nearly the emulator's own speed; Python's takes about
half a microsecond per block, minutes for a large model.
"""

from __future__ import annotations

import ctypes
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgecnn.core.errors import EdgecnnError, TargetError
from firmware_glue.device.emulate.counts import Block
from firmware_glue.device.toolchain import build_shared

SLOTS = 1 << 16
_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}


class BlockCounter(Protocol):
    """Counts while it is attached; for one use."""

    def attach(self, uc: Any) -> None:
        """Starts counting; code translated before does not count."""

    def detach(self, uc: Any) -> None:
        """Stops counting."""

    def entered(self) -> Mapping[Block, int]:
        """How often each block was entered."""


class PythonCounter:
    """A hook in Python: works everywhere."""

    def __init__(self) -> None:
        self._entered: dict[Block, int] = {}
        self._handle = 0

    def attach(self, uc: Any) -> None:
        """Starts counting."""
        from unicorn import UC_HOOK_BLOCK

        entered, get = self._entered, self._entered.get

        def hook(_uc: Any, address: int, size: int, _user: Any) -> None:
            key = (address, size)
            entered[key] = get(key, 0) + 1

        self._handle = uc.hook_add(UC_HOOK_BLOCK, hook)

    def detach(self, uc: Any) -> None:
        """Stops counting."""
        uc.hook_del(self._handle)

    def entered(self) -> Mapping[Block, int]:
        """How often each block was entered."""
        return self._entered


class _Slot(ctypes.Structure):
    _fields_ = (("key", ctypes.c_uint64), ("entered", ctypes.c_uint64))


class _Table(ctypes.Structure):
    _fields_ = (
        ("slots", ctypes.POINTER(_Slot)),
        ("mask", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
    )


class NativeCounter:
    """The hook in C: unicorn's library is called directly, for its Python takes no C function."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._hook = ctypes.cast(library.edgecnn_block_hook, ctypes.c_void_p)
        self._slots = (_Slot * (SLOTS + 1))()
        self._table = _Table(ctypes.cast(self._slots, ctypes.POINTER(_Slot)), SLOTS - 1, 0)
        self._handle = ctypes.c_size_t()

    def attach(self, uc: Any) -> None:
        """Starts counting."""
        from unicorn import UC_HOOK_BLOCK, UcError

        status = _unicorn_library().uc_hook_add(
            uc._uch, ctypes.byref(self._handle), UC_HOOK_BLOCK, self._hook,
            ctypes.addressof(self._table), 1, 0,
        )  # fmt: skip
        if status:
            raise UcError(status)

    def detach(self, uc: Any) -> None:
        """Stops counting."""
        _unicorn_library().uc_hook_del(uc._uch, self._handle)

    def entered(self) -> Mapping[Block, int]:
        """How often each block was entered.

        Raises:
            TargetError: more blocks than the table holds.
        """
        return entered_blocks(bytes(self._slots))


def entered_blocks(table: bytes) -> Mapping[Block, int]:
    """How often each block was entered, from the table that ``block_hook.c`` fills.

    Raises:
        TargetError: more blocks than the table holds.
    """
    slots = np.frombuffer(table, np.uint64).reshape(SLOTS + 1, 2)
    if slots[SLOTS, 1]:
        raise TargetError(
            f"the program has more than {SLOTS * 3 // 4} blocks of code, too many to count",
            hint="please report this with the model",
        )
    used = slots[slots[:, 1] != 0].tolist()
    return {(key >> 32, key & 0xFFFFFFFF): entered for key, entered in used}


def block_counter() -> BlockCounter:
    """The fastest counter that works here."""
    library = _hook_library()
    return PythonCounter() if library is None else NativeCounter(library)


def _unicorn_library() -> Any:
    from unicorn.unicorn_py3.unicorn import uclib

    return uclib


def hook_source() -> str:
    """The C of the hook."""
    return (files(__package__) / "block_hook.c").read_text(encoding="utf-8")


@cache
def _hook_library() -> ctypes.CDLL | None:
    """The hook, built by the same compiler as the images; None where that does not work.

    A system may forbid to load libraries from its temporary folder, or lack the compiler; counting
    in Python needs neither.
    """
    name = f"hook{_SUFFIX.get(sys.platform, '.so')}"
    try:
        _unicorn_library()
        image = build_shared(hook_source(), name)
        # A loaded library cannot be removed on Windows: it stays in the temporary folder there.
        with tempfile.TemporaryDirectory(prefix="edgecnn-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / name
            path.write_bytes(image)
            library = ctypes.CDLL(str(path))
            _ = library.edgecnn_block_hook
            return library
    except (EdgecnnError, OSError, ImportError, AttributeError):
        return None
