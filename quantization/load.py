"""Any model → the float .tflite that quantization starts from.

A Keras model, .keras, .h5 or SavedModel goes through TensorFlow's *float* converter; a float
.tflite is taken as it is, once :mod:`quantization.float_tflite` has checked it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecnn.core.errors import ModelError
from edgecnn.core.runtime import LiteRTPredictor, Predictor, TensorInfo, tensor_infos
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model, read_model_file
from quantization.convert import to_float
from quantization.float_tflite import float_graph
from quantization.freeze import FrozenModel, is_saved_model, load_and_freeze
from quantization.keras_file import KERAS_SUFFIXES
from quantization.keras_predictor import FunctionPredictor, KerasPredictor

_HINT = "give a .keras, .h5 or .tflite file, a SavedModel folder, or a keras.Model"


@dataclass(frozen=True)
class FloatModel:
    """A float model, ready for the steps.

    Attributes:
        model: float32, one subgraph, fixed shapes.
        data: its bytes.
        inputs, outputs: as :func:`edgecnn.core.runtime.tensor_infos` names them.
        source: ``keras``, ``saved-model`` or ``tflite``.
        keras_model: what it was made from; None for a SavedModel and a .tflite.
        function: the SavedModel as a TensorFlow function; else None.
        notes: what the user should know about the file, one line each.
    """

    model: TfModel
    data: bytes
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    source: str
    keras_model: Any = None
    function: Any = None
    notes: tuple[str, ...] = ()

    def predictor(self) -> Predictor:
        """The model before any conversion: Keras', the SavedModel's function, or the .tflite."""
        if self.keras_model is not None:
            return KerasPredictor(self.keras_model)
        if self.function is not None:
            return FunctionPredictor(self.function, self.inputs, self.outputs)
        return LiteRTPredictor(self.data, threads=1)


def load_float(model: Any, *, unsafe: bool = False) -> FloatModel:
    """Loads a model and gives its float .tflite.

    Args:
        model: a :class:`FloatModel` (given back), a ``keras.Model``, or the path of a .keras, a
            .h5/.hdf5 (Keras 2 or 3), a float .tflite, or a SavedModel folder.
        unsafe: load Keras files with code in them (Lambda layers, custom objects), which runs it.

    Raises:
        ModelError: no such file, damaged, with code in it, or not a float model.
        QuantizationError: open shapes, or the converter does not take the model.
        MissingExtraError: TensorFlow is not installed; a .tflite needs none.
    """
    if isinstance(model, FloatModel):
        return model
    if not isinstance(model, (str, Path)):
        return _converted(load_and_freeze(model))
    path = Path(model).expanduser()
    if is_saved_model(path) or path.suffix.lower() in KERAS_SUFFIXES:
        return _converted(load_and_freeze(path, unsafe=unsafe))
    if path.is_dir():
        raise ModelError(
            f"the folder '{path}' is no SavedModel: it holds no saved_model.pb", hint=_HINT
        )
    if not path.exists():
        raise ModelError(f"there is no '{path}'", hint=_HINT)
    return _from_tflite(path)


def _converted(frozen: FrozenModel) -> FloatModel:
    data = to_float(frozen)
    model = _float_model(data, read_model(data), "keras")
    if frozen.keras_model is not None:
        return replace(model, keras_model=frozen.keras_model)
    return replace(model, source="saved-model", function=frozen.function)


def _from_tflite(path: Path) -> FloatModel:
    data, model = read_model_file(path)
    told = model.notes
    data, model, notes = float_graph(data, model, source=str(path))
    return _float_model(data, model, "tflite", (*told, *notes))


def _float_model(
    data: bytes, model: TfModel, source: str, notes: tuple[str, ...] = ()
) -> FloatModel:
    inputs, outputs = tensor_infos(model)
    return FloatModel(model, data, inputs, outputs, source, notes=notes)
