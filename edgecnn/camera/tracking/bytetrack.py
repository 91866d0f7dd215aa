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
from edgecnn.camera.tracking.found import Floats, FoundBoxes, overlaps
from edgecnn.camera.tracking.kalman import BoxFilter, Noise
from edgecnn.camera.tracking.tracked import Earlier, Sighting, Tracked

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TrackRules:
    """When something is the same as before, and for how long it is waited for.

    Overlap is intersection over union of a detection with where a track must be.

    Attributes:
        lost_s: a track is over when it was not seen for longer, seconds.
        young_s: likewise a track that is not confirmed, but was seen more than once.
        young_missed: on so many frames it may be missing anyhow, as may what was seen once.
        young_most_s: but never for longer than this, seconds.
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
        again: a new track is a confirmed one that is hidden when it begins so near to its way from
            where it was seen last to where it must be, sizes of the object: it may have stopped.
        again_per_s: and by so much farther for each second for which it was hidden.
        again_farthest: but never farther.
        again_s: and was not hidden for longer, seconds.
        again_speed: and went on no faster, sizes per second; what does has gone.
        noise: of the filter.
    """

    lost_s: float = 2.0
    young_s: float = 0.07
    young_missed: int = 1
    young_most_s: float = 0.35
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
    again: float = 0.6
    again_per_s: float = 0.8
    again_farthest: float = 1.5
    again_s: float = 1.5
    again_speed: float = 3.0
    noise: Noise = field(default_factory=Noise)


@dataclass
class _Track:
    """What is known of a track beside its box.

    Attributes:
        class_index, label: the class that has the greatest sum of scores up to now.
        first_s, first_box: when it was seen first, seconds, and where.
        last_s: when it was seen last, seconds.
        missed: on how many frames in a row it was not seen.
        number: None until it is confirmed, and when another track goes on with it.
        confirmed: whether it ever had a number.
        hits: how often it was seen.
        plain: whether it was once seen just where it had to be.
        scores: the sum of its scores for each class.
        earlier: how it was seen up to now; emptied when it is confirmed.
    """

    class_index: int
    label: str
    first_s: float
    first_box: Floats
    last_s: float
    missed: int = 0
    number: int | None = None
    confirmed: bool = False
    hits: int = 0
    plain: bool = False
    scores: dict[int, float] = field(default_factory=dict)
    earlier: list[Earlier] = field(default_factory=list)

    def see(self, item: Item, time_s: float, plainly: bool = False) -> None:
        """Takes a detection; its class becomes the track's when it has more behind it."""
        self.hits += 1
        self.missed = 0
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
        found = FoundBoxes.among(items)
        for track in self._tracks:
            track.missed += 1
        owners = self._owners(found)
        self._begin(found, owners)
        self._end(self._given_up)
        new = self._confirm(owners)
        self._number(list(new.values()))
        return self._tracked(items, found, owners, new, ended)

    def _owners(self, found: FoundBoxes) -> dict[int, _Track]:
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

    def _begin(self, found: FoundBoxes, owners: dict[int, _Track]) -> None:
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
            owners[place] = track = _Track(
                item.class_index, item.label, self._now_s, found.boxes[place], self._now_s
            )
            track.see(item, self._now_s)
            self._tracks.append(track)
            new.append(place)
        self._filter.add(found.boxes[new])

    def _given_up(self, track: _Track) -> bool:
        """Whether it was not confirmed, and is not there."""
        if track.number is not None:
            return False
        rules, unseen_s = self._rules, self._now_s - track.last_s
        if track.missed <= rules.young_missed:
            return unseen_s > rules.young_most_s
        return track.hits == 1 or unseen_s > rules.young_s

    def _confirm(self, owners: dict[int, _Track]) -> dict[int, _Track]:
        """Detection → track: those that have been seen often enough with this frame."""
        rules = self._rules
        return {
            place: track
            for place, track in sorted(owners.items())
            if track.number is None
            and track.hits >= (rules.plain_hits if track.plain else rules.hits)
        }

    def _number(self, new: list[_Track]) -> None:
        """Gives numbers: what was hidden gets back its own.

        A new track may be one that is hidden, and has stopped or turned meanwhile. It is told from
        a false alarm by then, since it was seen several times.
        """
        hidden = [
            row
            for row, track in enumerate(self._tracks)
            if track.number is not None and track.missed
        ]
        if new and hidden:
            for row, column in best_pairs(self._alike(hidden, new)):
                old, again = self._tracks[hidden[row]], new[column]
                again.number, old.number = old.number, None
                for kind, score in old.scores.items():
                    again.scores[kind] = again.scores.get(kind, 0.0) + score
            self._end(lambda track: track.number is None and track.confirmed)
        for track in new:
            if track.number is None:
                self._confirmed += 1
                track.number = self._confirmed
            track.confirmed = True

    def _alike(self, hidden: list[int], new: list[_Track]) -> Floats:
        """How likely hidden tracks, by their rows, are the new ones; 0 or less: they are not."""
        rules, old = self._rules, [self._tracks[row] for row in hidden]
        away_s = np.array([[track.first_s - each.last_s for track in new] for each in old])
        farthest = np.minimum(rules.again + rules.again_per_s * away_s, rules.again_farthest)
        boxes = np.array([track.first_box for track in new])
        near = self._filter.near_way(
            np.array(hidden, np.intp), boxes, away_s, farthest, rules.again_speed
        )
        other = [[track.class_index != each.class_index for track in new] for each in old]
        near[(away_s <= 0) | (away_s > rules.again_s) | np.array(other)] = 0.0
        return near

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
        found: FoundBoxes,
        owners: dict[int, _Track],
        new: dict[int, _Track],
        ended: tuple[int, ...],
    ) -> Tracked:
        """What is told of the frame; ``new`` are those that were confirmed with it."""
        for place, track in owners.items():
            if track.number is None:
                track.earlier.append(Earlier(found.items[place], self._now_s))
        told: list[Item] = []
        sightings: list[Sighting] = []
        at = {where: place for place, where in enumerate(found.places)}
        for where, item in enumerate(items):
            place = at.get(where, -1)
            owner = owners.get(place)
            if owner is not None and owner.number is not None:
                item = owner.named(item)
                earlier = tuple(owner.earlier) if place in new else ()
                owner.earlier.clear()
                sightings.append(Sighting(item, earlier))
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
