"""``edgecnn targets``."""

from __future__ import annotations

import click

from edgecnn.cli.options import common
from edgecnn.cli.output import print_json, print_table


@click.command("targets")
@common
def command(as_json: bool, verbose: bool, quiet: bool) -> None:
    """List the targets for -t."""
    from targets.table import all_targets

    targets = all_targets(lambda line: click.echo(f"warning: {line}", err=True))
    rows = [
        {
            "name": target.name,
            "summary": target.summary,
            "dtypes": list(target.capabilities.dtypes),
            "granularity": target.capabilities.granularity,
            "unit": target.capabilities.unit,
            "extra": target.capabilities.extra or None,
            "tried": getattr(target, "tried", None),
        }
        for target in targets
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("target", "what it is", "runs", "measures in", "tried on", "extra"),
        [
            (
                str(row["name"]),
                str(row["summary"]),
                ", ".join(target.capabilities.dtypes),
                str(row["unit"]),
                str(row["tried"] or ""),
                f"[{row['extra']}]" if row["extra"] else "",
            )
            for row, target in zip(rows, targets, strict=True)
        ],
    )
