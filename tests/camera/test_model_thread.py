"""Whoever asked first is next."""

import threading
from contextlib import closing

import pytest

from edgecnn.camera.model_thread import ModelThread
from tests.camera.clocks import until
from tests.camera.doubles import waiting


def test_it_does_one_thing_at_a_time_in_the_order_of_those_who_ask() -> None:
    order: list[object] = []
    go, begun = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        go.wait(20)
        order.append("first")

    with closing(ModelThread()) as model:
        askers = [threading.Thread(target=model.run, args=(first,))]
        askers[0].start()
        assert begun.wait(20)
        for number in range(5):
            asked = threading.Event()

            def work(number: int = number) -> None:
                order.append(number)

            def ask(asked: threading.Event = asked, work=work) -> None:
                asked.set()
                model.run(work)

            askers.append(threading.Thread(target=ask))
            askers[-1].start()
            assert asked.wait(20)
            until(lambda number=number: waiting(model) == number + 1)
        go.set()
        for asker in askers:
            asker.join()
        assert order == ["first", 0, 1, 2, 3, 4]
        assert model.run(threading.get_ident) == model.run(threading.get_ident)
        assert model.run(threading.get_ident) != threading.get_ident()


def test_what_is_wrong_is_told_to_whoever_asked_and_the_next_one_is_served() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with closing(ModelThread()) as model:
        with pytest.raises(ZeroDivisionError):
            model.run(fails)
        assert model.run(lambda: 7) == 7
