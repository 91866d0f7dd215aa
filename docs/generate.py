"""``make docs``: writes the pages that are made from the code; ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path

from edgecnn.core.files import write_atomic
from firmware_glue.compiler.docs import ops_markdown
from firmware_glue.device.docs import boards_markdown
from targets.coral.docs import coral_ops_markdown

FOLDER = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name → text."""
    return {
        "ops.md": ops_markdown(),
        "coral_ops.md": coral_ops_markdown(),
        "boards.md": boards_markdown(),
    }


def stale() -> list[str]:
    """Names of pages that differ from what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Writes or checks."""
    if "--check" in sys.argv:
        names = stale()
        if names:
            sys.stderr.write(f"error: stale: {', '.join(names)}\nhint: run make docs\n")
        return 1 if names else 0
    for name, text in pages().items():
        write_atomic(FOLDER / name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
