"""Finds segmentation masks among images: by names and by what is in them, never by one of the two.

A mask belongs to a photo and holds few values. Class folders may well be called ``label``, or have
files of the same names, and signs in black on white hold few values too. So both must hold: the
names (a word such as ``mask``, or two folders that agree file for file) and the values of sampled
pairs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError
from edgecnn.data.decode import decode_image
from edgecnn.data.images import Files

_SAMPLES = 8
_AGREE = 0.85
_MAX_VALUES, _MAX_SHARED_VALUES, _MIN_PHOTO_VALUES = 32, 8, 48
_PIXELS_PER_VALUE = 64  # a picture of 8 × 8 holds few values whatever it shows
_MAX_PIXELS = 1 << 18
_LOSSLESS = (".png", ".bmp", ".ppm")
_WORDS = (
    r"masks?|labels?|gts?|gtfine|ground[ _-]?truths?|annot(ation)?s?|segs?|segmentations?|trimaps?"
    r"|mattes?|segmentation(class|object)(aug)?|labelids?|labels?t[rs]"
)
_FOLDER = re.compile(rf"(^|[^a-z])({_WORDS})([^a-z]|$)|(annot|masks?)$", re.IGNORECASE)
_SUFFIX = re.compile(rf"(.+?)[ _.-]+({_WORDS})([ _-]?\d+)?", re.IGNORECASE)
_PHOTOS = re.compile(
    r"images?|imgs?|photos?|jpegimages|pictures?|inputs?|raw|x|leftimg8bit", re.IGNORECASE
)


@dataclass(frozen=True)
class Masks:
    """What was found.

    Attributes:
        paths: every image that is a mask.
        photo, mask: a pair.
        pairs: how many masks have a photo of the same name.
        values: how many different values the sampled masks hold at most.
    """

    paths: frozenset[str]
    photo: str
    mask: str
    pairs: int
    values: int


@dataclass(frozen=True)
class _Candidate:
    """Images that may be masks; ``photo_of`` says whose; ``named``: a word says so too."""

    masks: Sequence[str]
    photo_of: Mapping[str, str]
    named: bool


def find_masks(files: Files) -> Masks | None:
    """The masks of a set of photos and masks; None where there are none.

    Reads a few pairs, and nothing where neither names nor folders suggest masks.
    """
    images = files.images
    for find in (_named_folders, _named_files, _twin_folders):
        for candidate in find(images):
            values = _confirmed(files, candidate)
            if values:
                mask, photo = next(iter(candidate.photo_of.items()))
                return Masks(
                    frozenset(candidate.masks), photo, mask, len(candidate.photo_of), values
                )
    return None


def _named_folders(images: Sequence[str]) -> Iterator[_Candidate]:
    """Folders such as ``masks/`` or ``train/label/``, beside others with files of the same names.

    Where several masks of a photo have names of their own, folders ``images/`` beside ``masks/``.
    """
    folders = {_folder(path) for path in images}
    named = {folder for folder in folders if any(map(_FOLDER.search, folder.split("/")))}
    masks = [path for path in images if _folder(path) in named]
    photos = [path for path in images if _folder(path) not in named]
    photo_of = _partners(masks, photos)
    if 2 * len(photo_of) < len(masks):
        beside: dict[str, str] = {}
        for path in photos:
            if _PHOTOS.fullmatch(PurePosixPath(path).parent.name):
                beside.setdefault(_folder(_folder(path)), path)
        above = {path: _folder(_folder(path)) for path in masks}
        photo_of = {path: beside[up] for path, up in above.items() if up in beside}
    if masks and 2 * len(photo_of) >= len(masks):
        yield _Candidate(masks, photo_of, named=True)


def _named_files(images: Sequence[str]) -> Iterator[_Candidate]:
    """Files such as ``x_mask.png`` beside ``x.jpg``, a fifth of all or more."""
    stems = {(_folder(path), PurePosixPath(path).stem.lower()): path for path in images}
    photo_of = {}
    for (folder, stem), path in stems.items():
        match = _SUFFIX.fullmatch(stem)
        photo = stems.get((folder, match[1])) if match else None
        if photo is not None:
            photo_of[path] = photo
    if len(photo_of) >= 2 and 5 * len(photo_of) >= len(images):
        yield _Candidate(list(photo_of), photo_of, named=True)


def _twin_folders(images: Sequence[str]) -> Iterator[_Candidate]:
    """Two folders of any name (in each split), nearly all files of the same names.

    Which of them holds the masks only reading tells: both are tried.
    """
    children: dict[str, set[str]] = defaultdict(set)
    for folder in {_folder(path) for path in images} - {"."}:
        children[_folder(folder)].add(PurePosixPath(folder).name)
    pairs = {frozenset(names) for names in children.values()}
    if len(pairs) != 1 or len(next(iter(pairs))) != 2:
        return
    for name in sorted(next(iter(pairs))):
        masks = [path for path in images if PurePosixPath(path).parent.name == name]
        photos = [path for path in images if PurePosixPath(path).parent.name != name]
        photo_of = _partners(masks, photos)
        lossless = all(path.lower().endswith(_LOSSLESS) for path in masks)
        if lossless and 10 * len(photo_of) >= 9 * max(len(masks), len(photos)):
            yield _Candidate(masks, photo_of, named=False)


def _partners(masks: Sequence[str], photos: Sequence[str]) -> dict[str, str]:
    """Mask → the photo of the same name, in the folder most like the mask's."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in photos:
        by_name[_key(path)].append(path)
    found = {}
    for path in masks:
        near = by_name.get(_key(path), ())
        parts = set(path.split("/"))
        if near:
            found[path] = max(near, key=lambda photo: len(parts & {*photo.split("/")}))
    return found


def _key(path: str) -> str:
    """What photo and mask have in common: the stem without words such as ``_mask``."""
    stem = PurePosixPath(path).stem.lower()
    match = _SUFFIX.fullmatch(stem)
    return match[1] if match else stem


def _folder(path: str) -> str:
    return str(PurePosixPath(path).parent)


def _confirmed(files: Files, candidate: _Candidate) -> int | None:
    """Most values of a sampled mask where nearly all sampled pairs are a photo and a mask."""
    every = list(candidate.photo_of.items())
    picks = np.unique(np.linspace(0, len(every) - 1, min(_SAMPLES, len(every))).round())
    good, read, counts = 0, 0, []
    colours: set[int] = set()
    for pick in picks.astype(int):
        name, photo_name = every[pick]
        mask, photo = _pixels(files, name), _pixels(files, photo_name)
        if mask is None or photo is None:
            continue
        read += 1
        found = _colours(mask)
        counts.append(len(found))
        colours.update(found.tolist())
        good += _mask_of(mask, photo) if candidate.named else _twin_of(mask, photo)
    if not read or good < _AGREE * read:
        return None
    # Two folders that no word tells apart: all masks draw with the same few values.
    if not candidate.named and not 2 <= len(colours) <= _MAX_SHARED_VALUES:
        return None
    return max(counts)


def _mask_of(mask: NDArray[np.uint8], photo: NDArray[np.uint8]) -> bool:
    if _few(photo) or _mostly_extreme(photo):
        return False
    ratios = [image.shape[0] / image.shape[1] for image in (mask, photo)]
    alike = abs(ratios[0] - ratios[1]) <= 0.02 * ratios[1]
    # A mask that went through JPEG has more values, most of them black or white.
    return (alike and _few(mask)) or (mask.shape == photo.shape and _mostly_extreme(mask))


def _twin_of(mask: NDArray[np.uint8], photo: NDArray[np.uint8]) -> bool:
    many = len(_colours(photo)) >= _MIN_PHOTO_VALUES
    return mask.shape == photo.shape and many and _few(mask)


def _pixels(files: Files, path: str) -> NDArray[np.uint8] | None:
    try:
        return decode_image(files.read(path), path)
    except (OSError, DataError):
        return None


def _few(image: NDArray[np.uint8]) -> bool:
    pixels = image.shape[0] * image.shape[1]
    return len(_colours(image)) <= min(_MAX_VALUES, pixels // _PIXELS_PER_VALUE)


def _mostly_extreme(image: NDArray[np.uint8]) -> bool:
    thin = _thinned(image)
    return bool(((thin <= 24) | (thin >= 231)).mean() >= 0.97)


def _colours(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The different colours that a (height, width, 3) image holds, packed."""
    thin = _thinned(image).astype(np.uint32)
    return np.unique(thin[..., 0] | thin[..., 1] << 8 | thin[..., 2] << 16)


def _thinned(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = int(np.ceil(np.sqrt(max(1.0, image.shape[0] * image.shape[1] / _MAX_PIXELS))))
    return image[::step, ::step]
