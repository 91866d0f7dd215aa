"""Counts what passes lines and the borders of zones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgecnn.camera.counting.line import AtLine
from edgecnn.camera.counting.places import CountedPlace, place_hint
from edgecnn.camera.counting.walk import Walk
from edgecnn.camera.counting.zone import AtZone, ZoneBorder
from edgecnn.camera.following import Crossing, Direction, PlaceCount
from edgecnn.camera.result import Item
from edgecnn.camera.tracking.tracked import Earlier, Sighting, Tracked
from edgecnn.core.errors import UsageError

#: Tells people one line.
Say = Callable[[str], None]


class _Tally:
    """How many passed one place, by direction and label."""

    def __init__(self, place: CountedPlace) -> None:
        self.place = place
        self.passed: dict[Direction, dict[str, int]] = {"in": {}, "out": {}}

    def add(self, direction: Direction, label: str) -> None:
        by_label = self.passed[direction]
        by_label[label] = by_label.get(label, 0) + 1

    def count(self, inside: int) -> PlaceCount:
        came_in, went_out = dict(self.passed["in"]), dict(self.passed["out"])
        place = self.place
        return PlaceCount(
            place.name, place.kind, came_in, went_out, inside if place.kind == "zone" else None
        )


class _Counted:
    """One track: its way, and how it stands to each place."""

    __slots__ = ("at", "walk")

    def __init__(self, walk: Walk, at: tuple[AtLine | AtZone, ...]) -> None:
        self.walk, self.at = walk, at


class Counter:
    """Counts confirmed tracks by where their anchors go: the middle of the lower edge, or a point.

    A track that ends inside a zone is no longer inside, and has not gone out: nobody saw it leave.
    What it takes to count is in :class:`~edgecnn.camera.counting.line.AtLine` and
    :class:`~edgecnn.camera.counting.zone.AtZone`. Of tracks that are over nothing is kept.

    Args:
        places: lines and zones; with names of their own.
        say: gets a line where places reach beyond the frame, or the frame's size changes.
    """

    def __init__(self, places: tuple[CountedPlace, ...], say: Say | None = None) -> None:
        self._tallies = tuple(_Tally(place) for place in places)
        self._tell = say or (lambda line: None)
        self._said: set[str] = set()
        self._size: tuple[int, int] | None = None
        self._borders: dict[str, ZoneBorder] = {}
        self._tracks: dict[int, _Counted] = {}
        self._inside = [0] * len(places)
        self.counts: tuple[PlaceCount, ...] = ()
        self._recount()

    def count(
        self, tracked: Tracked, time_s: float, frame_hw: tuple[int, int]
    ) -> tuple[Crossing, ...]:
        """What passed with this frame.

        Args:
            tracked: the frame's tracks.
            time_s: of the frame, in seconds that never go back.
            frame_hw: height and width of the frame, pixels.

        Raises:
            UsageError: on the first frame: a place lies outside of it.
        """
        if frame_hw != self._size:
            self._take_size(frame_hw)
        crossings: list[Crossing] = []
        for sighting in tracked.sightings:
            crossings += self._see(sighting, time_s)
        for number in tracked.ended:
            over = self._tracks.pop(number, None)
            if over is not None:
                crossings += self._end(over, number)
        self._recount(changed=bool(crossings))
        return tuple(crossings)

    def end(self) -> tuple[Crossing, ...]:
        """Nothing more will be seen: what passed, as far as its last sightings tell.

        What is inside of a zone stays inside.
        """
        crossings: list[Crossing] = []
        for number, counted in self._tracks.items():
            crossings += self._settled(counted, number)
        self._tracks.clear()
        self._recount(changed=bool(crossings))
        return tuple(crossings)

    def _see(self, sighting: Sighting, time_s: float) -> list[Crossing]:
        number = sighting.item.track
        if number is None:
            return []
        crossings: list[Crossing] = []
        for earlier in (*sighting.earlier, Earlier(sighting.item, time_s)):
            item, at_s = earlier.item, earlier.time_s
            known = self._tracks.get(number)
            if known is None:
                known = self._tracks[number] = _Counted(Walk(item, at_s), self._judges())
            else:
                known.walk.go(item, at_s)
            for index, judge in enumerate(known.at):
                was = judge.inside
                for direction in judge.see(known.walk):
                    crossings.append(self._crossing(index, direction, number, sighting.item))
                self._inside[index] += judge.inside - was
        return crossings

    def _end(self, over: _Counted, number: int) -> list[Crossing]:
        crossings = self._settled(over, number)
        for index, judge in enumerate(over.at):
            self._inside[index] -= judge.inside
        return crossings

    def _settled(self, over: _Counted, number: int) -> list[Crossing]:
        """What a track passed, and was not sure of until it ended."""
        crossings = []
        for index, judge in enumerate(over.at):
            was = judge.inside
            for direction in judge.end(over.walk):
                crossings.append(self._crossing(index, direction, number, over.walk.item))
            self._inside[index] += judge.inside - was
        return crossings

    def _crossing(self, index: int, direction: Direction, number: int, item: Item) -> Crossing:
        tally = self._tallies[index]
        tally.add(direction, item.label)
        place = tally.place
        return Crossing(
            place.name, place.kind, direction, number, item.label, item.score, item.box_xyxy
        )

    def _recount(self, *, changed: bool = True) -> None:
        """Renews the counts, if anything has changed."""
        if not changed:
            known = [count.inside for count in self.counts]
            changed = known != [
                inside if tally.place.kind == "zone" else None
                for tally, inside in zip(self._tallies, self._inside, strict=True)
            ]
        if changed:
            self.counts = tuple(
                tally.count(inside)
                for tally, inside in zip(self._tallies, self._inside, strict=True)
            )

    def _judges(self) -> tuple[AtLine | AtZone, ...]:
        """How a new track stands to each place."""
        size = self._size or (0, 0)
        return tuple(
            AtLine(tally.place.in_frame(size))
            if tally.place.kind == "line"
            else AtZone(self._borders[tally.place.name])
            for tally in self._tallies
        )

    def _take_size(self, size: tuple[int, int]) -> None:
        """Lays the places over frames of this size; ways on frames of another one are forgotten."""
        first = self._size is None
        places = [tally.place for tally in self._tallies]
        self._size = size
        self._tracks.clear()
        self._inside = [0] * len(places)
        self._borders = {
            place.name: ZoneBorder(place.in_frame(size)) for place in places if place.kind == "zone"
        }
        height, width = size
        if not first and any(place.pixels for place in places):
            self._say(
                "size",
                f"frames are {width}x{height} now; lines and zones given in pixels stay where they"
                " are (as percentages they would go with the size)",
            )
        for place in places:
            reaches = place.reaches(size)
            if reaches == "in":
                continue
            said = f"{place.kind} '{place.name}' ({_words(place.points)})"
            if reaches == "partly":
                self._say(
                    f"partly {place.name}",
                    f"{said} reaches beyond the frame of {width}x{height} pixels",
                )
            elif first:
                raise UsageError(
                    f"{said} lies outside the frame, which has {width}x{height} pixels",
                    hint=place_hint(place.kind),
                )
            else:
                self._say(
                    f"out {place.name}",
                    f"{said} lies outside the frame of {width}x{height} pixels: nothing is counted"
                    " there",
                )

    def _say(self, what: str, line: str) -> None:
        """Tells each thing once: images may change their size with every one."""
        if what not in self._said:
            self._said.add(what)
            self._tell(line)


def _words(points: Sequence[tuple[float, float]]) -> str:
    """Points for people, the first few."""
    words = ", ".join(f"{x:g},{y:g}" for x, y in points[:4])
    return words if len(points) <= 4 else f"{words}, …"
