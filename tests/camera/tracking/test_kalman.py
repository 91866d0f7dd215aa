"""The filter is the textbook's, with matrices, and nothing depends on how time is cut."""

import numpy as np
import pytest

from edgecnn.camera.tracking.kalman import BoxFilter, Noise

NOISE = Noise(measured=0.06, wander=0.3, turn=1.1, start=1.7)


class Textbook:
    """x, y, w, h and their velocities: Welch & Bishop's equations with 8 × 8 matrices."""

    def __init__(self, box: np.ndarray) -> None:
        size = np.sqrt(box[2] * box[3])
        self.x = np.r_[box, np.zeros(4)]
        self.p = np.diag([(NOISE.measured * size) ** 2] * 4 + [(NOISE.start * size) ** 2] * 4)

    def predict(self, dt: float) -> None:
        size = np.sqrt(self.x[2] * self.x[3])
        one, none = np.eye(4), np.zeros((4, 4))
        f = np.block([[one, dt * one], [none, one]])
        turn, wander = (NOISE.turn * size) ** 2, (NOISE.wander * size) ** 2
        q = np.block(
            [
                [(turn * dt**3 / 3 + wander * dt) * one, turn * dt**2 / 2 * one],
                [turn * dt**2 / 2 * one, turn * dt * one],
            ]
        )
        self.x = f @ self.x
        self.p = f @ self.p @ f.T + q

    def update(self, box: np.ndarray) -> None:
        size = np.sqrt(self.x[2] * self.x[3])
        h = np.hstack([np.eye(4), np.zeros((4, 4))])
        s = h @ self.p @ h.T + (NOISE.measured * size) ** 2 * np.eye(4)
        gain = self.p @ h.T @ np.linalg.inv(s)
        self.x = self.x + gain @ (box - h @ self.x)
        self.p = (np.eye(8) - gain @ h) @ self.p


def everything(boxes: BoxFilter) -> np.ndarray:
    return np.hstack(
        [
            boxes.place,
            boxes.speed,
            boxes.place_variance,
            boxes.shared_variance,
            boxes.speed_variance,
        ]
    )


def of_textbook(one: Textbook) -> np.ndarray:
    p = one.p
    return np.r_[
        one.x, np.diag(p)[:4], np.diag(p[:4, 4:]), np.diag(p)[4:]
    ]  # fmt: skip


def test_many_boxes_follow_the_textbook():
    rng = np.random.default_rng(5)
    boxes = np.column_stack([rng.uniform(0, 900, (6, 2)), rng.uniform(40, 90, (6, 2))])
    ours = BoxFilter(NOISE)
    ours.add(boxes[:4])
    ours.add(boxes[4:])
    theirs = [Textbook(box) for box in boxes]
    for _ in range(60):
        dt = float(rng.choice([0.0, 1 / 60, 1 / 30, 0.1, 0.37]))
        ours.predict(dt, np.ones(6, bool))
        seen = np.flatnonzero(rng.random(6) < 0.7)
        rng.shuffle(seen)
        boxes = boxes + rng.normal(0, 2, boxes.shape)
        for one in theirs:
            one.predict(dt)
        for k in seen:
            theirs[k].update(boxes[k])
        ours.update(seen, boxes[seen])
        expected = np.array([of_textbook(one) for one in theirs])
        np.testing.assert_allclose(everything(ours), expected, rtol=1e-9, atol=1e-9)


def test_time_may_be_cut_into_any_pieces():
    whole, pieces = BoxFilter(), BoxFilter()
    for each in (whole, pieces):
        each.add(np.array([[50.0, 60.0, 20.0, 30.0]]))
        each.predict(0.1, np.ones(1, bool))
        each.update(np.array([0]), np.array([[58.0, 61.0, 20.0, 30.0]]))
        each.speed[:, 2:] = 0  # the noises go with the size
    whole.predict(1.0, np.ones(1, bool))
    for part in (0.2, 0.05, 0.5, 0.25):
        pieces.predict(part, np.ones(1, bool))
    np.testing.assert_allclose(everything(pieces), everything(whole), rtol=1e-12)


def test_a_frame_of_thirty_a_second_has_the_published_noise():
    size, dt = 80.0, 1 / 30
    boxes = BoxFilter()
    boxes.add(np.array([[0.0, 0.0, size, size]]))
    assert boxes.place_variance[0, 0] == pytest.approx((size / 20) ** 2)
    assert boxes.speed_variance[0, 0] == pytest.approx((6 * size) ** 2)
    boxes.speed_variance[:], boxes.place_variance[:] = 0, 0
    boxes.predict(dt, np.ones(1, bool))
    # The published position has no share of the velocity's new noise, a seventieth of its own.
    assert boxes.place_variance[0, 0] == pytest.approx((size / 20) ** 2, rel=0.02)
    assert boxes.speed_variance[0, 0] * dt**2 == pytest.approx((size / 160) ** 2)


def test_what_is_hidden_keeps_its_size_and_goes_on():
    boxes = BoxFilter()
    boxes.add(np.array([[0.0, 0.0, 20.0, 30.0], [0.0, 0.0, 20.0, 30.0]]))
    boxes.speed[:] = [10.0, 0.0, -40.0, -90.0]
    boxes.predict(0.5, np.array([True, False]))
    np.testing.assert_allclose(boxes.place[1], [5.0, 0.0, 20.0, 30.0])
    np.testing.assert_allclose(boxes.place[0, :3], [5.0, 0.0, 1e-3])
    assert (boxes.place[0, 2:] > 0).all()
