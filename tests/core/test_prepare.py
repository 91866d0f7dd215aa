from __future__ import annotations

import numpy as np
import pytest

from edgecnn.core.audio import Recording
from edgecnn.core.errors import DataError
from edgecnn.core.prepare import NO_FRAME, Preparer, SampleKindError
from edgecnn.core.preprocess import ArrayInput, AudioInput, ImageInput, PreprocessSpec
from edgecnn.core.runtime import TensorInfo
from edgecnn.core.sample import Sample

IMAGE = PreprocessSpec((ImageInput("x", 4, 4, "gray", scale=(1.0,)),))
AUDIO = PreprocessSpec((AudioInput("x", 8000, 16, scale=1.0),))
ARRAY = PreprocessSpec((ArrayInput("x", (16,)),))
INFO = TensorInfo("x", (1, 4, 4, 1), "float32")
AUDIO_INFO = TensorInfo("x", (1, 16, 1), "float32")


def test_each_kind_goes_its_way():
    picture = Sample("p", np.full((9, 9), 7, np.uint8))
    tensors, frame = Preparer(IMAGE, [INFO])(picture)
    assert tensors["x"].shape == (1, 4, 4, 1) and frame.frame_width == 9
    assert np.all(tensors["x"] == 7)
    sound = Sample("s", audio=Recording(np.arange(16, dtype=np.int16), 8000))
    tensors, frame = Preparer(AUDIO, [AUDIO_INFO])(sound)
    assert tensors["x"].ravel().tolist() == list(range(16)) and frame is NO_FRAME


@pytest.mark.parametrize("spec", [IMAGE, ARRAY])
@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (1, 4, 4, 1)])
def test_arrays_are_real_values_already(spec, shape):
    values = np.linspace(-1, 1, 16, dtype=np.float32)
    sample = Sample("a", arrays={"any": values.reshape(shape)})
    tensors, _ = Preparer(spec, [INFO])(sample)
    np.testing.assert_array_equal(tensors["x"].ravel(), values)
    coded = TensorInfo("x", INFO.shape, "int8", 1 / 127, 0)
    tensors, _ = Preparer(spec, [coded])(sample)
    assert tensors["x"].dtype == np.int8 and tensors["x"].min() == -127


def test_several_inputs_by_name():
    infos = [TensorInfo("a", (1, 2), "float32"), TensorInfo("b", (1, 3), "float32")]
    spec = PreprocessSpec((ArrayInput("a", (2,)), ArrayInput("b", (3,))))
    arrays = {"b": np.ones(3, np.float32), "a": np.zeros(2, np.float32)}
    tensors, _ = Preparer(spec, infos)(Sample("s", arrays=arrays))
    assert {key: value.shape for key, value in tensors.items()} == {"a": (1, 2), "b": (1, 3)}
    with pytest.raises(SampleKindError, match=r"has the arrays \['a'\], the model takes"):
        Preparer(spec, infos)(Sample("s", arrays={"a": arrays["a"]}))
    with pytest.raises(SampleKindError, match="is an image, which"):
        Preparer(spec, infos)(Sample("s", np.zeros((4, 4), np.uint8)))


def test_what_does_not_fit_is_said():
    sound = Sample("s", audio=Recording(np.zeros(3, np.int16), 8000))
    with pytest.raises(SampleKindError, match="'s' is a recording"):
        Preparer(IMAGE, [INFO])(sound)
    with pytest.raises(SampleKindError, match="'p' is an image"):
        Preparer(AUDIO, [AUDIO_INFO])(Sample("p", np.zeros((4, 4), np.uint8)))
    with pytest.raises(SampleKindError, match=r"the shape \[5, 4\], the input 'x' takes"):
        Preparer(ARRAY, [INFO])(Sample("a", arrays={"x": np.zeros((5, 4), np.float32)}))
    bad = np.zeros((4, 4), np.float32)
    bad[1, 2] = np.nan
    with pytest.raises(DataError, match="holds NaN or infinity") as caught:
        Preparer(ARRAY, [INFO])(Sample("a", arrays={"x": bad}))
    assert not isinstance(caught.value, SampleKindError)
