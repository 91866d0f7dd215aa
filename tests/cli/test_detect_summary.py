"""What people read when the loop is over."""

from edgecnn.camera.following import PlaceCount
from edgecnn.cli.track_options import following_lines


def test_counts_are_said_for_each_line_and_zone() -> None:
    counts = (
        PlaceCount("door", "line", {"person": 2, "car": 1}, {"person": 0}),
        PlaceCount("shop", "zone", {"person": 4}, {"person": 3}, inside=1),
    )
    outputs = {"tracks": 9, "counts": [count.to_json() for count in counts]}
    assert following_lines(outputs) == [
        "tracks: 9",
        "line 'door': 3 in (person 2, car 1), 0 out",
        "zone 'shop': 4 in (person 4), 3 out (person 3), 1 inside",
    ]
    assert following_lines({"video": {}}) == []
