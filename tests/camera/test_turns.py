"""Whoever has waited longest is next."""

import threading

from edgecnn.camera.turns import Turns
from tests.camera.clocks import until


def test_turns_go_to_whoever_has_waited_longest() -> None:
    turns, order = Turns(), []
    threads = []

    def take(name: str) -> None:
        with turns:
            order.append(name)

    with turns:
        for number in range(5):
            thread = threading.Thread(target=take, args=(f"thread {number}",))
            thread.start()
            threads.append(thread)
            until(lambda number=number: turns.waiting == number + 1)
    with turns:  # at once again, as a camera does whose next frame is there: behind the last
        order.append("again")
    for thread in threads:
        thread.join()
    assert order == [*(f"thread {number}" for number in range(5)), "again"]
    with turns:
        assert turns.waiting == 0


def test_one_at_a_time_and_given_back_after_an_error() -> None:
    turns, inside, most = Turns(), [0], []

    def use() -> None:
        for _ in range(300):
            try:
                with turns:
                    inside[0] += 1
                    most.append(inside[0])
                    inside[0] -= 1
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 1200 and set(most) == {1}
