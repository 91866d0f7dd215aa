"""``python -m edgecnn``."""

import os
import sys
from pathlib import Path


def _drop_current_folder() -> None:
    """Takes the current folder off the search path, where ``python -m`` has put it first.

    A ``targets.py`` of the user's in that folder would otherwise be imported in place of our
    package. A checkout that is run without being installed stays: edgecnn itself is found there.
    """
    first = sys.path[0] if sys.path and not sys.flags.safe_path else None
    try:
        here = Path.cwd()
    except OSError:  # it was removed: nothing can be imported from it
        return
    if first in ("", os.fspath(here)) and here.resolve() != Path(__file__).resolve().parents[1]:
        del sys.path[0]


if __name__ == "__main__":
    _drop_current_folder()
    from edgecnn.cli import main

    sys.exit(main())
