"""``python -m benchmarks [SUBJECT …] [OPTION …]``: prints tables, writes ``results/*.json``.

Options belong to the one subject that has some: ``python -m benchmarks quantization --help``.
"""

from __future__ import annotations

import importlib
import sys
from itertools import takewhile

from benchmarks.record import Record
from edgecnn.cli.output import print_table, thousands

SUBJECTS = (
    "start", "host", "mcu", "mcu_size", "mcu_steps", "boards", "memory", "quantization",
    "quantization_speed", "quantization_foreign", "decoding", "decoding_maps",
    "detection", "camera", "tracking", "cameras", "page",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    """Runs the named subjects, or all."""
    names = list(takewhile(lambda word: not word.startswith("-"), arguments))
    options = arguments[len(names) :]
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        return _refuse(f"unknown benchmark '{unknown[0]}'", f"known: {', '.join(SUBJECTS)}")
    if options and len(names) != 1:
        return _refuse(f"options {options}, but no one subject", "name the subject first")
    for name in names or SUBJECTS:
        module = importlib.import_module(f"benchmarks.{name}")
        if options and not hasattr(module, "selection_of"):
            return _refuse(f"'{name}' takes no options", f"python -m benchmarks {name}")
        record = module.run(module.selection_of(options)) if options else module.run()
        if record is None:
            print(f"{name}: skipped, the shared data are not at hand (set EDGECNN_SHARED)")
            continue
        show(record)
        if record.whole:
            print(f"wrote {record.save()}\n")
        else:
            print("not written: a part of the table\n")
    return 0


def show(record: Record) -> None:
    """Prints the table and its note."""
    rows = [tuple(_cell(cell) for cell in row) for row in record.rows]
    print_table(record.subject, record.columns, rows, numeric=range(1, len(record.columns)))
    print(record.note)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return thousands(value) if isinstance(value, int) else str(value)


def _refuse(error: str, hint: str) -> int:
    print(f"error: {error}\nhint: {hint}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
