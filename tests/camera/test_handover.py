import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.handover import Handover


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["offer", "get", "close"]), max_size=40))
def test_it_is_a_bounded_queue(room: int, steps: list[str]) -> None:
    handover, waiting, closed = Handover(room), [], False
    for number, step in enumerate(steps):
        if step == "offer":
            assert handover.offer(number) == (len(waiting) < room and not closed)
            if len(waiting) < room and not closed:
                waiting.append(number)
        elif step == "get":
            assert handover.get(0) == (waiting.pop(0) if waiting else None)
        else:
            handover.close()
            closed = True
    assert handover.closed == closed
    assert [handover.get(0) for _ in waiting] == waiting
    assert handover.get(0) is None and handover.drained == closed


def test_items_cross_threads_in_order_and_a_full_one_waits() -> None:
    handover, put = Handover(2), []

    def produce() -> None:
        for number in range(500):
            assert handover.put(number)
            put.append(number)
        handover.close()

    thread = threading.Thread(target=produce)
    thread.start()
    taken = []
    while not handover.drained:
        item = handover.get(5)
        if item is not None:
            assert len(put) - len(taken) <= 3
            taken.append(item)
    thread.join(5)
    assert taken == list(range(500))


def test_closing_wakes_whoever_waits_on_either_side() -> None:
    full, empty = Handover(1), Handover(1)
    assert full.put(0)
    said = []
    threads = [
        *(threading.Thread(target=lambda: said.append(full.put(1))) for _ in range(3)),
        *(threading.Thread(target=lambda: said.append(empty.get())) for _ in range(3)),
    ]
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
    assert sorted(said, key=str) == [False] * 3 + [None] * 3
    assert full.get(0) == 0 and not full.put(2)
