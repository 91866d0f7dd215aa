"""``edgecnn doctor``."""

from __future__ import annotations

import click

from edgecnn.cli.options import common
from edgecnn.cli.output import print_json, print_table


@click.command("doctor")
@common
def command(as_json: bool, verbose: bool, quiet: bool) -> None:
    """Say what is installed, what each part is for, and what to install."""
    from edgecnn.jobs.doctor import examine

    findings = examine()
    if as_json:
        print_json([finding.to_json() for finding in findings])
        return
    print_table(
        "",
        ("part", "version", "for", "what to do"),
        [
            (item.name, item.version or "missing", item.purpose, "" if item.ok else item.advice)
            for item in findings
        ],
    )
