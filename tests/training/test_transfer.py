from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
from edgecnn.core.errors import UsageError
from edgecnn.models.table import build_model
from edgecnn.training.transfer import copy_matching
from tests.training.nets import tiny_model

pytestmark = pytest.mark.train


def resnet(classes):
    return build_model("resnet8", input_shape=(8, 8, 1), classes=classes, width=0.5)


def test_all_but_the_last_layer_go_to_other_classes():
    source, model = resnet(4), resnet(7)
    fresh = model.get_layer("scores").get_weights()
    assert copy_matching(model, source) == sum(bool(la.get_weights()) for la in source.layers) - 1
    np.testing.assert_array_equal(
        model.get_layer("stem").get_weights()[0], source.get_layer("stem").get_weights()[0]
    )
    np.testing.assert_array_equal(model.get_layer("scores").get_weights()[0], fresh[0])


def test_a_stranger_is_refused():
    with pytest.raises(UsageError, match="no layer in common"):
        copy_matching(resnet(4), tiny_model())
