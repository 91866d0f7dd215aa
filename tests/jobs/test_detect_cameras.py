"""What each camera of a request has for itself, and what all share."""

from contextlib import ExitStack
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edgecnn.camera.choice import ClassChoice
from edgecnn.camera.loop import LoopConfig
from edgecnn.camera.pipeline import find
from edgecnn.camera.recording.config import RecordingConfig
from edgecnn.camera.recording.preroll import preroll_bytes
from edgecnn.camera.sources.several import NamedSource, named_sources
from edgecnn.jobs.bare_specs import SpecFiles
from edgecnn.jobs.cascade_file import NetworkStage
from edgecnn.jobs.detect_models import open_models
from edgecnn.jobs.detect_request import DetectRequest
from edgecnn.jobs.input_range import RangeOptions
from edgecnn.jobs.place import HERE, Place
from edgecnn.jobs.reference import resolve
from targets.base import Target
from tests.camera.events.models import colour_points
from tests.jobs.test_place import Emulator

TWO = named_sources(["test", "test"], ["front", "back"])


def test_each_camera_records_into_a_folder_of_its_own_with_its_share_of_the_disk() -> None:
    whole = RecordingConfig(Path("r"), Path("c"), None, max_disk_bytes=1001, quality=70)
    asked = DetectRequest((), TWO, LoopConfig(), video=Path("o/d.mp4"), recording=whole)
    front, back = (asked.recording_of(camera.name) for camera in TWO)
    assert (front.folder, front.clips, front.snapshots) == (Path("r/front"), Path("c/front"), None)
    assert back.folder == Path("r/back") and front.quality == back.quality == 70
    assert front.max_disk_bytes == back.max_disk_bytes == 500
    assert front.cameras == 2 and preroll_bytes(2) == preroll_bytes() // 2 >= 8 << 20
    assert asked.video_of("back") == Path("o/back/d.mp4")
    alone = DetectRequest((), named_sources(["test"]), LoopConfig(), recording=whole)
    assert alone.recording_of(None) is whole and alone.video_of(None) is None


def network(folder: Path) -> NetworkStage:
    _, model, _, spec, *_ = colour_points(folder)
    files = SpecFiles(None, Path(spec), input=RangeOptions("0..1", "rgb"))
    return NetworkStage(resolve(Path(model)), files=files)


def test_cameras_share_the_predictor_and_have_thresholds_of_their_own(tmp_path: Path) -> None:
    stage, said = network(tmp_path), []
    with ExitStack() as stack:
        models = open_models([stage], HERE, TWO, stack, said.append)
        front, back = (models.for_camera(None) for _ in TWO)
        assert sum("runs on" in line for line in said) == len(models.opened) == 1
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[:16, :16, 2] = 153
        assert [len(find(one, picture, {})) for one in (front, back)] == [1, 1]
        front.choose(0.9, ClassChoice())
        assert [len(find(one, picture, {})) for one in (front, back)] == [0, 1]


def test_who_shares_a_thread(tmp_path: Path) -> None:
    stages = [network(tmp_path)] * 2
    with ExitStack() as stack:

        def threads(place: Place, cameras: tuple[NamedSource, ...]) -> tuple:
            return open_models(stages, place, cameras, stack, lambda line: None).threads

        assert threads(HERE, TWO[:1]) == (None, None)
        first, second = threads(HERE, TWO)
        assert first is not None and second is not None and first is not second
        # Behind a target there may be one device for both.
        first, second = threads(Place(cast(Target, Emulator())), TWO)
        assert first is not None and first is second
    with pytest.raises(RuntimeError):
        first.run(list)
