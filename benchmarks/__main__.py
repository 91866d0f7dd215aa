"""``python -m benchmarks [SUBJECT …]``: prints the tables and writes ``results/*.json``."""

from __future__ import annotations

import importlib
import sys

from edgecnn.cli.output import print_table, thousands

SUBJECTS = ("start", "host", "mcu", "memory")


def main(arguments: list[str]) -> int:
    """Runs the named subjects, or all."""
    unknown = [name for name in arguments if name not in SUBJECTS]
    if unknown:
        print(f"error: unknown benchmark '{unknown[0]}'\nhint: known: {', '.join(SUBJECTS)}",
              file=sys.stderr)  # fmt: skip
        return 2
    for name in arguments or SUBJECTS:
        record = importlib.import_module(f"benchmarks.{name}").run()
        if record is None:
            print(f"{name}: skipped, the shared models are not at hand (set EDGECNN_SHARED)")
            continue
        rows = [
            tuple(thousands(cell) if isinstance(cell, int) else str(cell) for cell in row)
            for row in record.rows
        ]
        print_table(name, record.columns, rows, numeric=range(1, len(record.columns)))
        print(record.note)
        print(f"wrote {record.save()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
