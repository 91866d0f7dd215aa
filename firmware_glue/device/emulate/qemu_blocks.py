"""Counts blocks of code in QEMU by a plug-in of ours, where QEMU takes plug-ins.

The plug-in writes to a file that this side maps as well, so that it can be read at every stop.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from edgecnn.core.errors import EdgecnnError
from firmware_glue.device.emulate.block_counter import SLOTS, entered_blocks, hook_source
from firmware_glue.device.emulate.counts import Block
from firmware_glue.device.toolchain import build_shared

_BYTES = (SLOTS + 1) * 16
_NAME = "edgecnn_blocks.so"


class QemuBlocks:
    """The table of one QEMU process, and the plug-in in a folder of its own."""

    def __init__(self, plugin: bytes) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="edgecnn-qemu-")
        root = Path(self._folder.name)
        (root / _NAME).write_bytes(plugin)
        table = root / "table"
        with table.open("w+b") as file:
            file.truncate(_BYTES)
            self._table = mmap.mmap(file.fileno(), _BYTES)
        # A comma separates QEMU's options; two stand for one.
        path = str(root).replace(",", ",,")
        self.arguments = ("-plugin", f"{path}/{_NAME},table={path}/table")

    def snapshot(self) -> Mapping[Block, int]:
        """How often each block was entered since the start.

        Raises:
            TargetError: more blocks than can be counted.
        """
        return entered_blocks(self._table[:])

    def loaded(self) -> None:
        """Removes the folder: QEMU has opened both files, and nothing is left if all is killed."""
        self._folder.cleanup()

    def close(self) -> None:
        """Removes what is left; may be called again."""
        self._table.close()
        self._folder.cleanup()


def find_blocks(qemu_version: str) -> QemuBlocks | None:
    """A table for a QEMU of that version; None where the plug-in cannot be made."""
    major = qemu_version.partition(".")[0]
    plugin = _plugin(1 if major.isdecimal() and int(major) < 9 else 2)
    try:
        return None if plugin is None else QemuBlocks(plugin)
    except OSError:
        return None


def since(before: Mapping[Block, int], after: Mapping[Block, int]) -> Mapping[Block, int]:
    """What was entered between two snapshots."""
    grown = {key: n - before.get(key, 0) for key, n in after.items()}
    return {key: n for key, n in grown.items() if n}


@cache
def _plugin(api: int) -> bytes | None:
    """The plug-in for a version of QEMU's interface, built once per process."""
    flags = (f"-DEDGECNN_QEMU_API={api}", f"-DEDGECNN_SLOTS={SLOTS}u")
    try:
        return build_shared(hook_source(), _NAME, flags=flags)
    except EdgecnnError:
        return None
