"""A frame that somebody holds is never written to; one that nobody holds is used again."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.camera.sources.buffers import FrameBuffers

SHAPE = (6, 8, 3)
HOLDS = {
    "array": lambda image: image,
    "view": lambda image: image[1:, ::2],
    "view of a view": lambda image: image[1:][:, 1:].reshape(-1)[3:],
    "buffer": lambda image: memoryview(image),
    "inside": lambda image: {"deep": [image]},
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*HOLDS, "nobody"]), st.integers(0, 9)), max_size=40),
    st.integers(1, 5),
)
def test_no_array_that_is_held_in_any_way_is_given_out(steps: list, most: int) -> None:
    buffers = FrameBuffers(most)
    held: list = []
    for number, (how, dropped) in enumerate(steps):
        image = buffers.take()
        image = np.empty(SHAPE, np.uint8) if image is None else image
        image[:] = number
        buffers.keep(image)
        if how != "nobody":
            held.append((number, HOLDS[how](image)))
        del image
        if held and dropped < 5:
            del held[dropped % len(held)]
        for known, holder in held:
            pixels = holder["deep"][0] if isinstance(holder, dict) else np.asarray(holder)
            assert (pixels == known).all()


def test_an_array_that_nobody_holds_any_more_is_used_again() -> None:
    buffers, places = FrameBuffers(), set()
    waiting: list = []
    for _ in range(50):
        image = buffers.take()
        image = np.empty(SHAPE, np.uint8) if image is None else image
        buffers.keep(image)
        places.add(image.ctypes.data)
        waiting = [*waiting[-2:], image]
        del image
    assert len(places) == 4


def test_what_is_remembered_shrinks_to_what_is_under_way() -> None:
    buffers = FrameBuffers()
    burst = [np.empty(SHAPE, np.uint8) for _ in range(10)]
    for image in burst:
        buffers.keep(image)
    del image, burst
    taken = [buffers.take(), buffers.take()]
    assert all(image is not None for image in taken)
    assert buffers.take() is None  # the other eight were given back to the system


def test_arrays_of_another_size_are_forgotten() -> None:
    buffers = FrameBuffers()
    buffers.keep(np.empty(SHAPE, np.uint8))
    buffers.keep(np.empty((2, 2, 3), np.uint8))
    image = buffers.take()
    assert image is not None and image.shape == (2, 2, 3)


def test_memory_of_others_is_not_remembered() -> None:
    buffers = FrameBuffers()
    whole = np.empty((12, 8, 3), np.uint8)
    buffers.keep(whole[:6])
    assert buffers.take() is None
