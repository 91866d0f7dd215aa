"""A command whose help has its options under headings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class SectionedCommand(click.Command):
    """A command with more options than one list can be read of.

    Args:
        sections: the option that a section begins with → its heading; an option belongs to the
            section that has begun before it.
        more: of :class:`click.Command`.
    """

    def __init__(self, *args: Any, sections: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options; see :class:`click.Command`."""
        heading, found = "Options", dict[str, list[tuple[str, str]]]()
        for parameter in self.get_params(ctx):
            for name in parameter.opts:
                heading = self._sections.get(name, heading)
            record = parameter.get_help_record(ctx)
            if record is not None:
                found.setdefault(heading, []).append(record)
        for title, records in found.items():
            with formatter.section(title):
                formatter.write_dl(records)
