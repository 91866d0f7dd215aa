"""ByteTrack: boxes are known again by where they must be, the uncertain ones after the sure ones.

Y. Zhang et al., "ByteTrack: multi-object tracking by associating every detection box", ECCV 2022.
Beside it stand: time is in seconds; what no box overlaps may be taken by the nearest one, as far
as the filter is unsure, so that things hold which go on by more than their size between two frames
(buffered boxes do the same in F. Yang et al., "Hard to track objects with irregular motions and
similar appearances? Make it easier by buffering the matching space", WACV 2023); what turned back
is found where it was before (J. Cao et al., "Observation-centric SORT: rethinking SORT for robust
multi-object tracking", CVPR 2023); classes are weighed against overlap, since detectors confuse
some of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgecnn.camera.result import Item
from edgecnn.camera.tracking.assignment import best_pairs
from edgecnn.camera.tracking.found import Found, overlaps
from edgecnn.camera.tracking.kalman import BoxFilter, Noise
from edgecnn.camera.tracking.tracked import Sighting, Tracked

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TrackRules:
    """When something is the same as before, and for how long it is waited for.

    Overlap is intersection over union of a detection with where a track must be.

    Attributes:
        lost_s: a track is over when it was not seen for longer, seconds.
        young_s: likewise a track that is not confirmed.
        first_s: likewise what was seen once.
        hits: a track is confirmed when it was seen so often.
        plain_hits: so often is enough where overlap was at least ``plain`` once: something
            else hardly ever appears just there.
        plain: see there.
        overlap: least overlap.
        candidate_overlap: likewise of a candidate.
        young_candidate_overlap: likewise of a candidate and a track that is not confirmed.
        turned_overlap: likewise with where it was on the frame before: it has stopped, or turned
            back.
        other_class: overlap must be greater by so much where the classes differ.
        double: a detection that overlaps another one with a track by so much begins none.
        reach: without overlap, how far from where it must be something of its class may be,
            standard deviations of the filter.
        farthest: and how far at the most, sizes of the object.
        farthest_hidden: likewise where it was seen neither on the frame before nor within
            ``recent_s``: what comes forth elsewhere is more likely something else.
        recent_s: see there.
        noise: of the filter.
    """

    lost_s: float = 2.0
    young_s: float = 0.07
    first_s: float = 0.03
    hits: int = 3
    plain_hits: int = 2
    plain: float = 0.5
    overlap: float = 0.3
    candidate_overlap: float = 0.3
    young_candidate_overlap: float = 0.5
    turned_overlap: float = 0.3
    other_class: float = 0.2
    double: float = 0.75
    reach: float = 4.0
    farthest: float = 1.5
    farthest_hidden: float = 0.8
    recent_s: float = 0.2
    noise: Noise = field(default_factory=Noise)


@dataclass
class _Track:
    """What is known of a track beside its box.

    Attributes:
        class_index, label: the class that has the greatest sum of scores up to now.
        last_s: when it was seen last, seconds.
        number: None until it is confirmed.
        hits: how often it was seen.
        plain: whether it was once seen just where it had to be.
        scores: the sum of its scores for each class.
        earlier: how it was seen up to now; emptied when it is confirmed.
    """

    class_index: int
    label: str
    last_s: float
    number: int | None = None
    hits: int = 0
    plain: bool = False
    scores: dict[int, float] = field(default_factory=dict)
    earlier: list[Item] = field(default_factory=list)

    def see(self, item: Item, time_s: float, plainly: bool = False) -> None:
        """Takes a detection; its class becomes the track's when it has more behind it."""
        self.hits += 1
        self.plain = self.plain or plainly
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

    Confirmed tracks choose among the detections that count first, then among the candidates; what
    still counts goes to tracks that are not confirmed, to those that have not gone on as they did,
    to the nearest, or begins a track. Each time the pairs are those with the greatest sum of
    overlaps. Items are taken in an order of their own, so that nothing depends on the order in
    which they come.

    Args:
        rules: when something is the same.
    """

    def __init__(self, rules: TrackRules | None = None) -> None:
        self._rules = rules or TrackRules()
        self._filter = BoxFilter(self._rules.noise)
        self._tracks: list[_Track] = []
        self._confirmed = 0
        self._now_s = self._before_s = 0.0

    def __len__(self) -> int:
        """How many tracks there are, confirmed or not."""
        return len(self._tracks)

    def update(self, items: tuple[Item, ...], time_s: float) -> Tracked:
        """See :class:`~edgecnn.camera.tracking.tracked.Tracker`."""
        self._before_s, self._now_s = self._now_s, max(self._now_s, time_s)
        ended = self._end(lambda track: self._now_s - track.last_s > self._rules.lost_s)
        self._filter.predict(self._now_s - self._before_s, self._seen_before())
        found = Found.among(items)
        owners = self._owners(found)
        self._begin(found, owners)
        self._end(self._given_up)
        return self._tracked(items, found, owners, ended)

    def _owners(self, found: Found) -> dict[int, _Track]:
        """Detection, by its place in ``found`` → the track that it belongs to."""
        if not self._tracks or not found.items:
            return {}
        match = _Matching(len(self._tracks), len(found.items))
        rules, tracks, sure = self._rules, self._tracks, found.sure
        confirmed = np.array([track.number is not None for track in tracks])
        kinds = np.array([track.class_index for track in tracks])
        other = kinds[:, None] != found.classes
        fits = overlaps(self._filter.place, found.boxes)
        worth = fits - rules.other_class * other
        match.take(confirmed, sure, worth - rules.overlap)
        match.take(confirmed, ~sure, worth - rules.candidate_overlap)
        match.take(~confirmed, sure, worth - rules.overlap)
        if match.open_for(sure):
            still = overlaps(self._filter.seen, found.boxes) - rules.other_class * other
            match.take(confirmed & self._seen_before(), sure, still - rules.turned_overlap)
            near = self._filter.nearness(found.boxes, rules.reach, self._farthest())
            near[other] = 0.0
            match.take(confirmed, sure, near)
            match.take(~confirmed, sure, near)
        match.take(~confirmed, ~sure, worth - rules.young_candidate_overlap)
        if not match.pairs:
            return {}
        rows, columns = np.array(sorted(match.pairs), np.intp).T
        self._filter.update(rows, found.boxes[columns])
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            tracks[row].see(found.items[column], self._now_s, fits[row, column] >= rules.plain)
        return {column: tracks[row] for row, column in match.pairs}

    def _seen_before(self) -> Flags:
        """Which tracks were there on the frame before."""
        return np.array([track.last_s >= self._before_s for track in self._tracks], np.bool_)

    def _farthest(self) -> NDArray[np.float64]:
        """Of each track: how far from where it must be it may be found at the most, sizes."""
        rules = self._rules
        since_s = min(self._before_s, self._now_s - rules.recent_s)
        return np.array(
            [
                rules.farthest if track.last_s >= since_s else rules.farthest_hidden
                for track in self._tracks
            ]
        )

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
            owners[place] = track = _Track(item.class_index, item.label, self._now_s)
            track.see(item, self._now_s)
            self._tracks.append(track)
            new.append(place)
        self._filter.add(found.boxes[new])

    def _given_up(self, track: _Track) -> bool:
        """Whether it was not confirmed, and is not there."""
        patience_s = self._rules.young_s if track.hits > 1 else self._rules.first_s
        return track.number is None and self._now_s - track.last_s > patience_s

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
            if track.hits >= (self._rules.plain_hits if track.plain else self._rules.hits):
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


class _Matching:
    """Which detections have found their tracks up to now.

    Args:
        tracks, detections: how many there are.

    Attributes:
        pairs: track and detection, by their places.
    """

    def __init__(self, tracks: int, detections: int) -> None:
        self._free, self._left = np.ones(tracks, np.bool_), np.ones(detections, np.bool_)
        self.pairs: list[tuple[int, int]] = []

    def open_for(self, detections: Flags) -> bool:
        """Whether a track is without a detection, and one of these without a track."""
        return bool(self._free.any() and (self._left & detections).any())

    def take(self, tracks: Flags, detections: Flags, worth: NDArray[np.float64]) -> None:
        """Pairs some of those that are still free, so that ``worth`` (all of both) is greatest."""
        rows = np.flatnonzero(tracks & self._free)
        columns = np.flatnonzero(detections & self._left)
        if not len(rows) or not len(columns):
            return
        for row, column in best_pairs(worth[np.ix_(rows, columns)]):
            self.pairs.append((int(rows[row]), int(columns[column])))
            self._free[rows[row]] = self._left[columns[column]] = False
