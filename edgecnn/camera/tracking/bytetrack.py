"""ByteTrack: boxes are known again by where they must be, the uncertain ones after the sure ones.

Y. Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", ECCV 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from edgecnn.camera.result import Item
from edgecnn.camera.tracking.assignment import best_pairs
from edgecnn.camera.tracking.found import Found, overlaps
from edgecnn.camera.tracking.kalman import BoxFilter, Noise
from edgecnn.camera.tracking.tracked import Sighting, Tracked


@dataclass(frozen=True)
class TrackRules:
    """When something is the same as before, and for how long it is waited for.

    Attributes:
        lost_s: a track is over when it was not seen for longer, seconds.
        recent_s: candidates belong only to tracks that were seen within so long, or on the frame
            before, seconds.
        young_s: what was seen too little to be confirmed is given up when it was not seen for
            longer and is missing, seconds.
        hits: a track is confirmed when it was seen so often.
        overlap: least intersection over union of a track's box and a detection's.
        candidate_overlap: likewise of a candidate.
        young_overlap: likewise of a track that is not confirmed.
        other_class: taken off the overlap where the classes differ.
        double: what overlaps something that is followed by so much does not begin a track.
    """

    lost_s: float = 2.0
    recent_s: float = 0.1
    young_s: float = 0.1
    hits: int = 2
    overlap: float = 0.2
    candidate_overlap: float = 0.4
    young_overlap: float = 0.3
    other_class: float = 0.3
    double: float = 0.85
    noise: Noise = field(default_factory=Noise)


@dataclass
class _Track:
    """What is known of a track beside its box.

    Attributes:
        class_index, label: the class that has the greatest sum of scores up to now.
        first_s, last_s: when it was seen first and last.
        number: None until it is confirmed.
        hits: how often it was seen.
        scores: the sum of its scores for each class.
        earlier: how it was seen up to now; emptied when it is confirmed.
    """

    class_index: int
    label: str
    first_s: float
    last_s: float
    number: int | None = None
    hits: int = 0
    scores: dict[int, float] = field(default_factory=dict)
    earlier: list[Item] = field(default_factory=list)

    def see(self, item: Item, time_s: float) -> None:
        """Takes a detection; its class is the track's where it has more behind it."""
        self.hits += 1
        self.last_s = time_s
        kind = item.class_index
        self.scores[kind] = self.scores.get(kind, 0.0) + item.score
        if kind != self.class_index and self.scores[kind] > self.scores[self.class_index]:
            self.class_index, self.label = kind, item.label

    def named(self, item: Item) -> Item:
        """The detection with number and class of the track."""
        return replace(
            item,
            label=self.label,
            class_index=self.class_index,
            track=self.number,
            candidate=False,
        )


class ByteTracker:
    """Implements :class:`~edgecnn.camera.tracking.tracked.Tracker`.

    Confirmed tracks choose among the detections that count first, then those seen a moment ago
    among the candidates; what still counts goes to tracks that are not confirmed, or begins one.
    Each time the pairs are those with the greatest sum of overlaps.

    Args:
        rules: when something is the same.
    """

    def __init__(self, rules: TrackRules | None = None) -> None:
        self._rules = rules or TrackRules()
        self._filter = BoxFilter(self._rules.noise)
        self._tracks: list[_Track] = []
        self._confirmed = 0
        self._now_s = self._before_s = 0.0

    def update(self, items: tuple[Item, ...], time_s: float) -> Tracked:
        """See :class:`~edgecnn.camera.tracking.tracked.Tracker`."""
        self._before_s, self._now_s = self._now_s, max(self._now_s, time_s)
        ended = self._end(lambda track: self._now_s - track.last_s > self._rules.lost_s)
        seen = np.array([track.last_s >= self._before_s for track in self._tracks], np.bool_)
        self._filter.predict(self._now_s - self._before_s, seen)
        found = Found.among(items)
        owners = self._owners(found)
        self._begin(found, owners)
        self._end(self._given_up)
        return self._tracked(items, found, owners, ended)

    def _owners(self, found: Found) -> dict[int, _Track]:
        """Detection, by its place in ``found`` → the track that it belongs to."""
        rules, tracks = self._rules, self._tracks
        owners: dict[int, _Track] = {}
        if not tracks or not found.items:
            return owners
        confirmed = np.array([track.number is not None for track in tracks])
        last_s = np.array([track.last_s for track in tracks])
        kinds = np.array([track.class_index for track in tracks])
        recent = (self._now_s - last_s <= rules.recent_s) | (last_s >= self._before_s)
        fits = overlaps(self._filter.place, found.boxes)
        fits[kinds[:, None] != found.classes] -= rules.other_class
        free, left = np.ones(len(tracks), np.bool_), np.ones(len(found.items), np.bool_)
        matched: list[tuple[int, int]] = []
        for those, which, least in (
            (confirmed, found.sure, rules.overlap),
            (confirmed & recent, ~found.sure, rules.candidate_overlap),
            (~confirmed, found.sure, rules.young_overlap),
        ):
            rows, columns = np.flatnonzero(those & free), np.flatnonzero(which & left)
            if not len(rows) or not len(columns):
                continue
            for row, column in best_pairs(fits[np.ix_(rows, columns)] - least):
                matched.append((int(rows[row]), int(columns[column])))
                free[rows[row]] = left[columns[column]] = False
        if matched:
            rows, columns = np.array(matched, np.intp).T
            self._filter.update(rows, found.boxes[columns])
        for row, column in sorted(matched):
            owners[column] = tracks[row]
            tracks[row].see(found.items[column], self._now_s)
        return owners

    def _begin(self, found: Found, owners: dict[int, _Track]) -> None:
        """New tracks of what is left and is no double of anything that is followed."""
        new: list[int] = []
        left = [place for place in np.flatnonzero(found.sure).tolist() if place not in owners]
        if not left:
            return
        alike = overlaps(found.boxes[left], found.boxes) >= self._rules.double
        for row, place in enumerate(left):
            if any(other in owners for other in np.flatnonzero(alike[row]).tolist()):
                continue
            item = found.items[place]
            owners[place] = track = _Track(item.class_index, item.label, self._now_s, self._now_s)
            track.see(item, self._now_s)
            self._tracks.append(track)
            new.append(place)
        self._filter.add(found.boxes[new])

    def _given_up(self, track: _Track) -> bool:
        """Whether it was not confirmed, and is not there."""
        missing_s = self._now_s - track.last_s
        return track.number is None and missing_s > self._rules.young_s

    def _end(self, over: Callable[[_Track], bool]) -> tuple[int, ...]:
        """Forgets tracks; returns the numbers of those that had one."""
        keep = [not over(track) for track in self._tracks]
        if all(keep):
            return ()
        gone = [track for track, stays in zip(self._tracks, keep, strict=True) if not stays]
        self._tracks = [track for track, stays in zip(self._tracks, keep, strict=True) if stays]
        self._filter.keep(np.array(keep, np.bool_))
        return tuple(track.number for track in gone if track.number is not None)

    def _tracked(
        self,
        items: tuple[Item, ...],
        found: Found,
        owners: dict[int, _Track],
        ended: tuple[int, ...],
    ) -> Tracked:
        """What is told of the frame; tracks that were seen often enough get their numbers."""
        earlier: dict[int, tuple[Item, ...]] = {}
        for place in sorted(owners):
            track = owners[place]
            if track.number is not None:
                continue
            if track.hits >= self._rules.hits:
                self._confirmed += 1
                track.number = self._confirmed
                earlier[place] = tuple(track.earlier)
                track.earlier.clear()
            else:
                track.earlier.append(found.items[place])
        told: list[Item] = []
        sightings: list[Sighting] = []
        at = {where: place for place, where in enumerate(found.places)}
        for where, item in enumerate(items):
            place = at.get(where, -1)
            owner = owners.get(place)
            if owner is not None and owner.number is not None:
                item = owner.named(item)
                sightings.append(Sighting(item, earlier.get(place, ())))
            if not item.candidate:
                told.append(item)
        return Tracked(tuple(told), tuple(sightings), ended)
