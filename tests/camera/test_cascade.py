"""Two networks in a row: what the second finds lies where it is in the whole frame."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.camera.cascade import Cascade, CropRule
from edgecnn.camera.overlay import OverlayOptions, draw
from edgecnn.camera.pipeline import find
from edgecnn.camera.result import FrameMask, Item
from edgecnn.core.errors import UsageError
from edgecnn.core.mask import Mask

FRAME = np.zeros((100, 200, 3), np.uint8)
BOXES = ((10.0, 20.0, 50.0, 60.0), (150.5, 70.2, 260.0, 130.0), (0.0, 0.0, 5.0, 5.0))


class Boxes:
    """Finds the same boxes on every frame."""

    def __init__(self) -> None:
        self.resets = 0

    def prepare(self, image, times):
        times["infer"] = 1.0
        labels = ("dog", "cat", "dog")
        items = tuple(
            Item(label, k, 0.9 - k / 10, box)
            for k, (label, box) in enumerate(zip(labels, BOXES, strict=True))
        )
        return lambda times: lambda times: items

    def reset(self) -> None:
        self.resets += 1


class Corner(Boxes):
    """Finds a point, a mask and key points in the upper left corner of what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []

    def prepare(self, image, times):
        self.seen.append(image.shape[:2])
        times |= {"infer": 2.0, "decode": 0.5}
        mask = Mask(np.ones((2, 2), np.float32), (0, 0, 4, 4), (1, 1, 3, 3))
        inner = Item("ear", 0, 0.8, (1, 2, 3, 4), point_xy=(2, 3), keypoints=((1, 1, 0.5),),
                     mask=FrameMask(mask, image.shape[:2]))  # fmt: skip
        breed = Item("beagle", 3, 0.7, (0, 0, *image.shape[1::-1]), whole_frame=True)
        return lambda times: lambda times: (breed, inner)


def run(rule: CropRule) -> tuple[tuple[Item, ...], Corner, dict[str, float]]:
    second, times = Corner(), {}
    return find(Cascade(Boxes(), second, rule), FRAME, times), second, times


def test_what_is_found_on_a_crop_lies_in_the_frame() -> None:
    items, second, times = run(CropRule(("dog",)))
    assert second.seen == [(40, 40), (5, 5)] and second.resets == 2
    assert [item.then is None for item in items] == [False, True, False]
    breed, ear = items[0].then
    assert (breed.label, breed.box_xyxy) == ("beagle", BOXES[0])
    assert (ear.box_xyxy, ear.point_xy) == ((11, 22, 13, 24), (12, 23))
    assert ear.keypoints == ((11, 21, 0.5),)
    pixels = np.zeros((100, 200), bool)
    pixels[21:23, 11:13] = True
    assert np.array_equal(ear.mask.area.in_frame(100, 200), pixels)
    assert times == {"infer": 5.0, "decode": 1.0}
    said = items[0].to_json()["then"]
    assert [inner["label"] for inner in said] == ["beagle", "ear"]
    assert "then" not in items[1].to_json()


def test_margins_are_cut_at_the_frame_and_the_best_boxes_come_first() -> None:
    items, second, _ = run(CropRule(margin=0.5, most=2))
    # 20 pixels more on each side; of the second, 55 to the left and 30 up, as far as there are any.
    assert second.seen == [(80, 70), (60, 105)]
    assert items[2].then is None


def test_boxes_without_a_pixel_are_left_out() -> None:
    class Outside(Boxes):
        def prepare(self, image, times):
            return lambda times: lambda times: (Item("dog", 0, 0.9, (200.0, 100.0, 200.0, 100.0)),)

    (item,) = find(Cascade(Outside(), Corner(), CropRule()), FRAME, {})
    assert item.then == ()


def test_limits_that_cannot_be_meant() -> None:
    for rule in ({"margin": -0.1}, {"margin": float("nan")}, {"most": 0}):
        with pytest.raises(UsageError, match=next(iter(rule))):
            CropRule(**rule)


def test_the_overlay_draws_what_lies_inside() -> None:
    items, _, _ = run(CropRule(("dog",)))
    options = OverlayOptions(labels=False, scores=False, status=False, min_side=100)
    plain, nested = (
        draw(FRAME.copy(), found, options, "1 ms") for found in (run(CropRule(("bird",)))[0], items)
    )
    changed = np.argwhere((plain != nested).any(axis=-1))
    assert len(changed) and changed[:, 0].max() < 40 and changed[:, 1].max() < 40
