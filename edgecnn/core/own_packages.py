"""Whether Python imports our packages, or modules of other projects that have the same names."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from edgecnn.core.errors import ShadowedPackageError

#: The packages that edgecnn ships, all in one folder.
PACKAGES = ("edgecnn", "targets", "quantization", "firmware_glue")
_HOME = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ForeignModule:
    """A module that Python finds before our package of the same name.

    Attributes:
        name: of the package.
        file: what is imported instead.
        distribution: the installed distribution that owns the file; "" where none is known to.
    """

    name: str
    file: str
    distribution: str

    def __str__(self) -> str:
        owner = f" (of the distribution '{self.distribution}')" if self.distribution else ""
        return f"'{self.name}' is imported from '{self.file}'{owner}"


def foreign_modules() -> tuple[ForeignModule, ...]:
    """Finds modules of others under the names of our packages, without importing anything."""
    found = []
    for name in PACKAGES:
        file = _origin(name)
        if file is not None and file.resolve().parent != _HOME / name:
            found.append(ForeignModule(name, str(file), _owner(name, file)))
    return tuple(found)


def require_own_packages() -> None:
    """Refuses to go on where a module of another project stands in for a package of ours.

    Raises:
        ShadowedPackageError: one does; its file is named.
    """
    for module in foreign_modules():
        raise ShadowedPackageError(str(module), str(_HOME / module.name))


def _origin(name: str) -> Path | None:
    """The file that ``import name`` would run; None: there is none, and the import will say so."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _owner(name: str, file: Path) -> str:
    """The distribution that installed ``file``, or ""."""
    from importlib.metadata import files as files_of
    from importlib.metadata import packages_distributions

    for owner in packages_distributions().get(name, ()):
        files = files_of(owner) or ()
        if any(Path(str(item.locate())) == file for item in files if item.name == file.name):
            return owner
    return ""
