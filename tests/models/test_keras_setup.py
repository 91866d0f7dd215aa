from __future__ import annotations

import subprocess
import sys

import pytest

from edgecnn.core.errors import MissingExtraError
from edgecnn.models import keras_setup


@pytest.fixture
def installed(monkeypatch):
    """Makes it look as if exactly these modules were there and Keras not yet imported."""

    def pretend(*names, backend=None):
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.setattr(keras_setup, "find_spec", lambda name: name in names or None)
        monkeypatch.setattr(keras_setup.importlib, "import_module", lambda name: name)
        # Set first: what monkeypatch never saw it would not take back.
        monkeypatch.setenv("KERAS_BACKEND", "")
        monkeypatch.delenv("KERAS_BACKEND")
        if backend:
            monkeypatch.setenv("KERAS_BACKEND", backend)

    return pretend


@pytest.mark.parametrize(
    ("names", "backend", "missing"),
    [
        ((), None, "training needs 'keras'"),
        (("keras",), None, "training needs 'tensorflow'"),
        (("keras", "tensorflow"), "jax", "training with KERAS_BACKEND=jax needs 'jax'"),
    ],
)
def test_what_is_missing_is_named_with_the_extra(installed, names, backend, missing):
    installed(*names, backend=backend)
    with pytest.raises(MissingExtraError, match=missing) as caught:
        keras_setup.import_keras()
    assert caught.value.hint == "pip install 'edgecnn[train]'"


def test_another_backend_is_taken_where_tensorflow_is_not(installed):
    installed("keras", "torch")
    assert keras_setup.import_keras() == "keras"
    assert keras_setup.os.environ["KERAS_BACKEND"] == "torch"


def test_the_rooms_import_without_keras():
    code = (
        "import sys; import edgecnn.data.table, edgecnn.models.table, edgecnn.models.io;"
        "import edgecnn.training.loop, edgecnn.training.classify;"
        "sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow', 'cv2', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
