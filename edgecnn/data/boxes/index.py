"""Finds the image that an annotation means among the images that are there, never outside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from edgecnn.data.boxes.split_names import named_part

_LONGEST = 4096  # characters of a path


class AmbiguousImageError(LookupError):
    """Several images fit a name equally well; the text says which."""


class OutsideFolderError(LookupError):
    """A name leads out of the data set's folder."""


class ImageIndex:
    """The images of a source by path, name and stem.

    A name is untrusted: it is only ever compared with the paths that are there, so nothing outside
    the folder or archive can be reached.
    """

    def __init__(self, images: Iterable[str]) -> None:
        self.images = tuple(images)
        self._paths = {path.lower(): path for path in self.images}
        self._names: dict[str, list[str]] = defaultdict(list)
        self._stems: dict[str, list[str]] = defaultdict(list)
        for path in self.images:
            pure = PurePosixPath(path.lower())
            self._names[pure.name].append(path)
            self._stems[pure.stem].append(path)

    def find(self, name: str, near: str) -> str | None:
        """The image that ``name`` means in the annotation file ``near``; None: it is not there.

        Its whole path is tried first, then the end of the path, then the file's name alone, then
        the name without its extension (files in the wild lack it or have another). Of several
        the one nearest to the annotation file is taken.

        Raises:
            AmbiguousImageError: several are equally near.
            OutsideFolderError: the name leads out of the folder and no image has the file's name.
        """
        wanted = name.strip().replace("\\", "/").lower()
        pure = PurePosixPath(wanted)
        if not pure.name or len(wanted) > _LONGEST:
            return None
        exact = self._exact(pure, near)
        if exact is not None:
            return exact
        named = self._names.get(pure.name, [])
        ends = [path for path in named if f"/{path.lower()}".endswith(f"/{wanted.lstrip('./')}")]
        found = self._nearest(ends or named, near) or self.by_stem(pure.name, near)
        if found is None and leads_out(wanted, near):
            raise OutsideFolderError(f"'{name}' leads out of the folder")
        return found

    def by_stem(self, name: str, near: str) -> str | None:
        """The image with the stem of ``name``, or with ``name`` as its stem; None: there is none.

        Raises:
            AmbiguousImageError: several are equally near.
        """
        pure = PurePosixPath(name.lower())
        candidates = self._stems.get(pure.stem, []) or self._stems.get(pure.name, [])
        return self._nearest(candidates, near)

    def _exact(self, wanted: PurePosixPath, near: str) -> str | None:
        beside = PurePosixPath(near.lower()).parent / wanted
        for path in (beside, wanted):
            if ".." not in path.parts and path.as_posix() in self._paths:
                return self._paths[path.as_posix()]
        return None

    def _nearest(self, candidates: Sequence[str], near: str) -> str | None:
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        ranks = {path: _nearness(path, near) for path in candidates}
        best = max(ranks.values())
        found = [path for path, rank in ranks.items() if rank == best]
        if len(found) > 1:
            raise AmbiguousImageError(f"{len(found)} images fit: {found[0]}, {found[1]}")
        return found[0]


def leads_out(name: str, near: str) -> bool:
    """Whether a path, seen from the root or from the file ``near``, leaves the root."""
    name = name.replace("\\", "/")
    if name.startswith(("/", "~")) or ":" in name.split("/")[0]:
        return True
    depth = len(PurePosixPath(near).parent.parts)
    for part in PurePosixPath(name).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return True
    return False


def _nearness(path: str, near: str) -> tuple[int, int, int]:
    """Higher is nearer: shared leading folders, the same split, shared folders at all."""
    own, other = PurePosixPath(path).parent.parts, PurePosixPath(near).parent.parts
    shared = 0
    for one, two in zip(own, other, strict=False):
        if one != two:
            break
        shared += 1
    part = named_part(near)
    same = int(part is not None and part == named_part(path))
    return shared, same, len(set(own) & set(other))
