import pytest

from edgecnn.camera.bound import bound_of
from edgecnn.camera.stats import StageTimes


def times(capture: float, preprocess: float, infer: float) -> StageTimes:
    made = StageTimes()
    for stage, ms in (("capture", capture), ("preprocess", preprocess), ("infer", infer)):
        made.add(stage, ms)
    return made


@pytest.mark.parametrize(
    ("stages", "cpu_ms", "source_fps", "by", "fps"),
    [
        ((4, 1, 2), 7.0, None, "decoding", 250),
        ((4, 1, 10), 15.0, None, "inference", 100),  # a file's frames are prepared beside it
        ((33, 2, 8), 12.0, 200.0, "inference", 100),
        ((33, 1, 2), 7.0, 30.0, "source", 30),
        ((4, 1, 2), 40.0, None, "cores", 50),
    ],
)
def test_the_least_of_what_the_stages_could_do(stages, cpu_ms, source_fps, by, fps) -> None:
    bound = bound_of(times(*stages), 25.0, cpu_ms, source_fps, cores=2)
    assert bound is not None
    assert (bound.by, bound.fps) == (by, pytest.approx(fps))
    assert bound.reached == pytest.approx(25 / fps)


def test_without_frames_there_is_none() -> None:
    assert bound_of(StageTimes(), 0.0, 0.0, None, cores=2) is None
