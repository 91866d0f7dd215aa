"""What counts, case by case."""

import numpy as np
import pytest

from edgecnn.camera.counting.counter import Counter
from edgecnn.camera.counting.places import CountedPlace
from edgecnn.camera.result import Item
from edgecnn.camera.tracking.tracked import Earlier, Sighting, Tracked
from edgecnn.core.errors import UsageError

FRAME = (480, 640)
LINE = CountedPlace("door", "line", ((100, 240), (500, 240)), True)
ZONE = CountedPlace("shop", "zone", ((200, 100), (400, 100), (400, 300), (200, 300)), True)


def item(x: float, y: float, track: int = 1, label: str = "person") -> Item:
    return Item(label, 0, 0.9, (x - 20, y - 80, x + 20, y), track=track)


class Told:
    """A counter, and what it told."""

    def __init__(self, *places: CountedPlace, fps: float = 20.0) -> None:
        self.counter = Counter(places, self.say)
        self.lines: list[str] = []
        self.told: list[str] = []
        self.now_s, self.step_s = 0.0, 1 / fps

    def say(self, line: str) -> None:
        self.lines.append(line)

    def frame(self, *points: tuple[float, float], size: tuple[int, int] = FRAME, ended=()) -> None:
        found = tuple(Sighting(item(*point, track=k)) for k, point in enumerate(points, 1))
        self.now_s += self.step_s
        crossings = self.counter.count(Tracked((), found, ended), self.now_s, size)
        self.told += [f"{crossing.place} {crossing.direction}" for crossing in crossings]

    def walk(self, *points: tuple[float, float]) -> list[str]:
        for point in points:
            self.frame(point)
        return self.told


def way(start, end, steps: int = 30) -> list[tuple[float, float]]:
    return [tuple(point) for point in np.linspace(start, end, steps).tolist()]


def test_in_is_to_the_right_as_seen_walking_along_the_line() -> None:
    down, up = way((300, 100), (300, 400)), way((300, 400), (300, 100))
    assert Told(LINE).walk(*down) == ["door in"]
    assert Told(LINE).walk(*up) == ["door out"]
    turned = CountedPlace("door", "line", LINE.points[::-1], True)
    assert Told(turned).walk(*down) == ["door out"]
    upright = CountedPlace("gate", "line", ((300, 400), (300, 100)), True)
    assert Told(upright).walk(*way((200, 250), (400, 250))) == ["gate in"]


def test_there_and_back_are_two_and_turning_back_is_none() -> None:
    there, back = way((300, 150), (300, 330)), way((300, 330), (300, 150))
    assert Told(LINE).walk(*there, *back) == ["door in", "door out"]
    assert Told(LINE).walk(*way((300, 150), (300, 241)), *way((300, 241), (300, 150))) == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_standing_on_the_line_counts_once_at_most(goes_on: bool) -> None:
    rng = np.random.default_rng(5)
    on_it = [(300 + dx, 240 + dy) for dx, dy in rng.normal(0, 3, (400, 2))]
    before = [
        (x, y + dy)
        for (x, y), dy in zip(way((300, 120), (300, 239)), rng.normal(0, 3, 30), strict=True)
    ]
    end = 400 if goes_on else 100
    told = Told(LINE).walk(*before, *on_it, *way((300, 240), (300, end)))
    assert told == (["door in"] if goes_on else [])


def test_only_what_passes_between_the_ends_counts_however_far_the_step() -> None:
    assert Told(LINE).walk((300, 20), (300, 40), (310, 460), (310, 470)) == ["door in"]
    assert Told(LINE).walk((60, 150), (60, 200), (60, 280), (200, 330)) == []
    # Around the end and back through: out alone.
    around = [*way((300, 150), (60, 200)), *way((60, 200), (60, 300)), *way((60, 300), (300, 330))]
    assert Told(LINE).walk(*around, *way((300, 330), (300, 150))) == ["door out"]


def test_what_is_hidden_while_it_crosses_counts_once_it_is_seen_twice_again() -> None:
    told = Told(LINE)
    told.walk(*way((300, 120), (300, 220)))
    for _ in range(20):
        told.frame()
    told.frame((300, 290))
    assert told.told == []
    assert told.walk((300, 294), (300, 300)) == ["door in"]


def test_one_bad_box_is_no_crossing() -> None:
    stands = [(300.0, 150.0)] * 20
    assert Told(LINE).walk(*stands, (300, 320), *stands) == []


def test_what_begins_on_the_line_has_not_crossed() -> None:
    assert Told(LINE).walk(*way((300, 239.5), (300, 400))) == []
    assert Told(LINE).walk(*way((300, 240.5), (300, 100))) == []


def test_the_way_before_a_track_is_confirmed_counts() -> None:
    counter = Counter((LINE,))
    counter.count(Tracked(()), 0.0, FRAME)
    earlier = tuple(
        Earlier(item(300, y), at_s) for y, at_s in ((180, 0.0), (210, 0.04), (250, 0.06))
    )
    found = (Sighting(item(300, 290), earlier),)
    (crossing,) = counter.count(Tracked((), found), 0.1, FRAME)
    assert (crossing.place, crossing.direction, crossing.track) == ("door", "in", 1)
    assert crossing.to_json() == {
        "line": "door", "direction": "in", "track": 1, "label": "person",
    }  # fmt: skip


def test_what_is_just_over_when_everything_ends_counts_and_what_is_inside_stays() -> None:
    told = Told(LINE, ZONE)
    told.walk(*way((300, 145), (300, 245), 51))
    assert told.told == []
    (crossing,) = told.counter.end()
    line, zone = told.counter.counts
    assert (crossing.place, crossing.direction) == ("door", "in")
    assert line.came_in == {"person": 1} and zone.inside == 1 and told.counter.end() == ()


def test_a_zone_knows_who_is_inside_until_the_track_ends() -> None:
    told = Told(ZONE)
    told.walk(*way((100, 200), (300, 200)))
    assert told.told == ["shop in"] and told.counter.counts[0].inside == 1
    told.frame(ended=(1,))
    count = told.counter.counts[0]
    assert told.told == ["shop in"] and count.inside == 0 and count.went_out == {}
    assert not told.counter._tracks


def test_what_begins_inside_is_inside_and_has_not_come_in() -> None:
    told = Told(ZONE)
    assert told.walk(*way((300, 200), (310, 210))) == [] and told.counter.counts[0].inside == 1
    assert told.walk(*way((310, 210), (500, 210))) == ["shop out"]


def test_through_a_zone_in_one_step_is_in_and_out() -> None:
    narrow = CountedPlace("gap", "zone", ((290, 0), (310, 0), (310, 480), (290, 480)), True)
    for zone in (narrow, ZONE):
        steps = [(60, 200), (100, 205), (520, 210), (560, 215)]
        assert Told(zone).walk(*steps) == [f"{zone.name} in", f"{zone.name} out"]
    assert Told(ZONE).walk((150, 120), (180, 105), (220, 80), (240, 60)) == []  # a corner's brush


def test_a_concave_zone_is_left_and_entered_across_its_notch() -> None:
    notch = CountedPlace(
        "u", "zone",
        ((100, 100), (500, 100), (500, 400), (380, 400), (380, 200), (220, 200), (220, 400),
         (100, 400)), True,
    )  # fmt: skip
    across = way((40, 300), (560, 300), 80)
    assert Told(notch).walk(*across) == ["u in", "u out", "u in", "u out"]
    around = [
        *way((160, 350), (160, 150)),
        *way((160, 150), (440, 150)),
        *way((440, 150), (440, 350)),
    ]
    assert Told(notch).walk(*around) == []


def test_counts_are_by_label_and_of_every_place() -> None:
    told = Told(LINE, ZONE)
    for step in range(30):
        told.frame((300, 60 + 10 * step), (450, 400 - 10 * step))
    line, zone = told.counter.counts
    assert (line.came_in, line.went_out, line.inside) == ({"person": 1}, {"person": 1}, None)
    assert (zone.came_in, zone.went_out, zone.inside) == ({"person": 1}, {"person": 1}, 0)


def test_places_outside_the_frame() -> None:
    made_for_4k = CountedPlace("far", "line", ((0, 1080), (3840, 1080)), True)
    with pytest.raises(UsageError, match=r"line 'far' \(0,1080, 3840,1080\).*640x480"):
        Told(made_for_4k).frame((1, 1))
    with pytest.raises(UsageError, match="lies outside"):
        Told(CountedPlace("z", "zone", ((700, 0), (900, 300)), True)).frame((1, 1))
    told = Told(CountedPlace("long", "line", ((0, 240), (700, 240)), True))
    told.frame((1, 1))
    assert len(told.lines) == 1 and "reaches beyond the frame of 640x480" in told.lines[0]


def test_another_size_of_frames_moves_shares_and_says_what_happens_to_pixels() -> None:
    share = CountedPlace("share", "line", ((0, 0.5), (1, 0.5)))
    told = Told(share)
    told.walk(*way((300, 100), (300, 400)))
    for y in range(400, 1000, 10):
        told.frame((600, y), size=(960, 1280))
    assert told.told == ["share in"] * 2 and told.lines == []
    told = Told(CountedPlace("low", "line", ((0, 470), (640, 470)), True))
    told.frame((300, 300))
    told.frame((300, 200), size=(240, 320))
    assert "frames are 320x240 now" in told.lines[0] and "outside" in told.lines[1]
    for width in range(300, 400):  # images of any sizes
        told.frame((300, 200), size=(240, width))
    assert len(told.lines) == 2
