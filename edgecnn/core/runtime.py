"""The ``Predictor`` protocol and its LiteRT implementation.

This is the only import of ai-edge-litert / tflite-runtime. ai-edge-litert comes first;
tflite-runtime 2.14 (armv7l) is the fallback.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, MissingExtraError, ModelError, TargetError
from edgecnn.core.quiet import held_stderr
from edgecnn.core.tflite.axes import with_valid_axes
from edgecnn.core.tflite.compiled import refuse_edge_tpu
from edgecnn.core.tflite.hazards import refuse_hazards
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.versions import with_listed_versions

Array = NDArray[Any]
Resolver = Literal["auto", "reference", "builtin"]


@dataclass(frozen=True)
class TensorInfo:
    """One input or output of a model.

    Attributes:
        name: the signature's name where the model has one signature, else the tensor's name.
        shape: with batch 1.
        dtype: numpy dtype name: ``int8``, ``uint8``, ``int16``, ``float32`` …
        scale, zero_point: per-tensor quantization, real = scale · (q − zero_point); None for float.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    def quantize(self, real: Array) -> Array:
        """Float (any shape) → this tensor's dtype: round half to even, then clip. Float stays."""
        if self.scale is None or self.zero_point is None:
            return np.asarray(real, dtype=self.dtype)
        limits = np.iinfo(self.dtype)
        q = np.rint(np.asarray(real, np.float64) / self.scale) + self.zero_point
        return np.clip(q, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, raw: Array) -> NDArray[np.float32]:
        """This tensor's dtype → float32 real values of the same shape."""
        if self.scale is None or self.zero_point is None:
            return np.asarray(raw, dtype=np.float32)
        return ((np.asarray(raw, np.float64) - self.zero_point) * self.scale).astype(np.float32)


class Predictor(Protocol):
    """Named arrays in → named arrays out, raw (quantized) dtypes, batch 1."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once, from a fresh state; arrays have the shapes and dtypes of :attr:`inputs`."""


def predict_stream(
    predictor: Predictor, stream: Iterable[Mapping[str, Array]]
) -> Iterator[dict[str, Array]]:
    """Runs a stream of samples, in order.

    A predictor with a method ``predict_many(stream)`` may take samples ahead, to run them side by
    side; any other takes one at a time.
    """
    many: Callable[[Iterable[Mapping[str, Array]]], Iterator[dict[str, Array]]] | None = getattr(
        predictor, "predict_many", None
    )
    return many(stream) if many is not None else map(predictor.predict, stream)


class LiteRTPredictor:
    """Runs a .tflite with LiteRT; implements :class:`Predictor`.

    Args:
        model: the file's bytes; they are checked by our reader before the interpreter sees them.
        threads: CPU threads; None: the interpreter's default.
        resolver: ``auto`` is what a user's device runs (XNNPACK where it can; where that fails to
            prepare a model, such as one with an aligned-corner bilinear resize, the built-in
            kernels); ``reference`` are the reference kernels (BUILTIN_REF), the judge of
            bit-exactness; ``builtin`` are the optimised kernels without delegates.
        preserve_all: keep every tensor for :meth:`tensor`; ``auto`` then means ``builtin``, because
            delegates keep no intermediate tensors.
        delegate: path of a delegate's shared library, for example the Edge TPU's.

    Raises:
        ModelError: the file is damaged, or the interpreter refuses it.
        TargetError: the delegate cannot be loaded.
        MissingExtraError: neither ai-edge-litert nor tflite-runtime is installed.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int | None = None,
        resolver: Resolver = "auto",
        preserve_all: bool = False,
        delegate: str | None = None,
    ) -> None:
        self._model = model
        self._read = read_model(model)
        if delegate is None:
            refuse_edge_tpu(self._read)
        refuse_hazards(self._read)
        self._threads = threads
        self._preserve_all = preserve_all
        self._delegate = delegate
        self._resolver: Resolver = "builtin" if preserve_all and resolver == "auto" else resolver
        self._input_index = self._read.main.inputs
        self._output_index = self._read.main.outputs
        self._inputs, self._outputs = tensor_infos(self._read)
        self._stateful = is_stateful(self._read)
        self._interpreter = self._prepared()

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""
        return self._outputs

    @property
    def resolver(self) -> Resolver:
        """The resolver in use: ``builtin`` where ``auto`` fell back."""
        return self._resolver

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once. A model that remembers (variables, LSTM state) starts anew each time.

        Args:
            inputs: one array per input, exactly the shapes and dtypes of :attr:`inputs`.

        Returns:
            One array per output, copied.

        Raises:
            DataError: an input is missing, unknown, or of the wrong shape or dtype.
            ModelError: the interpreter failed.
        """
        _check_inputs(self._inputs, inputs)
        try:
            return self._run(inputs)
        except (RuntimeError, ValueError) as error:
            if self._resolver != "auto":
                raise _refused("run", error) from error
        # As for preparing: a delegate that fails makes way for the built-in kernels.
        self._resolver = "builtin"
        self._interpreter = self._prepared()
        try:
            return self._run(inputs)
        except (RuntimeError, ValueError) as error:
            raise _refused("run", error) from error

    def tensor(self, index: int) -> Array:
        """A tensor's value after :meth:`predict`, by its index in the file; a copy.

        Raises:
            ModelError: made without ``preserve_all``, or the tensor holds no value.
        """
        hint = "make the predictor with preserve_all=True and call predict first"
        if not self._preserve_all:
            raise ModelError("intermediate tensors were not kept", hint=hint)
        try:
            return self._interpreter.get_tensor(index)
        except (ValueError, IndexError) as error:
            raise ModelError(f"tensor {index} has no value: {_line(error)}", hint=hint) from error

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._stateful:
            self._forget()
        for index, info in zip(self._input_index, self._inputs, strict=True):
            self._interpreter.set_tensor(index, inputs[info.name])
        self._interpreter.invoke()
        values = (self._interpreter.get_tensor(index) for index in self._output_index)
        return {info.name: value for info, value in zip(self._outputs, values, strict=True)}

    def _forget(self) -> None:
        # Resource variables have no reset: a new interpreter runs their initialisation again.
        if any(op.code == "VAR_HANDLE" for op in self._read.main.operators):
            self._interpreter = self._prepared()
        else:
            self._interpreter.reset_all_variables()

    def _prepared(self) -> Any:
        module = _interpreter_module()
        try:
            return self._interpreter_with(module, self._resolver)
        except (RuntimeError, ValueError) as error:
            custom = any(op.code == "CUSTOM" for op in self._read.main.operators)
            if self._resolver != "auto" or self._delegate or custom:
                raise _refused("prepare", error) from error
        self._resolver = "builtin"
        try:
            return self._interpreter_with(module, self._resolver)
        except (RuntimeError, ValueError) as error:
            raise _refused("prepare", error) from error

    def _interpreter_with(self, module: Any, resolver: Resolver) -> Any:
        kinds = module.OpResolverType
        reference = resolver == "reference"
        content = with_valid_axes(self._model, self._read)
        if reference:
            content = with_listed_versions(content, self._read)
        with held_stderr():
            interpreter = module.Interpreter(
                model_content=content,
                num_threads=self._threads,
                experimental_op_resolver_type={
                    "auto": kinds.AUTO,
                    "reference": kinds.BUILTIN_REF,
                    "builtin": kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                }[resolver],
                experimental_preserve_all_tensors=self._preserve_all,
                experimental_delegates=_delegates(module, self._delegate),
            )
            interpreter.allocate_tensors()
        return interpreter


def is_stateful(model: TfModel) -> bool:
    """Whether the model remembers something from one inference to the next."""
    graph = model.main
    return any(tensor.is_variable for tensor in graph.tensors) or any(
        op.code == "VAR_HANDLE" for op in graph.operators
    )


def tensor_infos(model: TfModel) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """Inputs and outputs of a model, as :class:`LiteRTPredictor` names them."""
    graph = model.main
    inputs, outputs = _signature_names(model)
    return (
        tuple(_info(model, k, inputs) for k in graph.inputs),
        tuple(_info(model, k, outputs) for k in graph.outputs),
    )


def runtime_name() -> str:
    """The interpreter's package and version, for example ``ai-edge-litert 2.3.0``.

    Raises:
        MissingExtraError: none is installed.
    """
    package = _interpreter_module().__name__.partition(".")[0].replace("_", "-")
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return package


def _interpreter_module() -> Any:
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        try:
            with held_stderr():
                return import_module(name)
        except ImportError:
            continue
    raise MissingExtraError("running a .tflite", "ai-edge-litert", "all")


def _delegates(module: Any, library: str | None) -> list[Any] | None:
    if library is None:
        return None
    try:
        # First: where a library is missing or no delegate, load_delegate's own object fails once
        # more when freed.
        loaded = ctypes.CDLL(library)
        for function in ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate"):
            getattr(loaded, function)
        return [module.load_delegate(library)]
    except (ValueError, OSError, RuntimeError, AttributeError) as error:
        raise TargetError(
            f"the delegate '{library}' cannot be loaded: {_line(error)}",
            hint="install the accelerator's runtime library and plug the device in",
        ) from error


def _signature_names(model: TfModel) -> tuple[dict[int, str], dict[int, str]]:
    graph = model.main
    if len(model.signatures) == 1 and model.signatures[0].subgraph == 0:
        sides = model.signatures[0].inputs, model.signatures[0].outputs
        inputs, outputs = ({index: name for name, index in side} for side in sides)
        # Only where they name every tensor, each once.
        if set(inputs) == set(graph.inputs) and set(outputs) == set(graph.outputs):
            return inputs, outputs
    return _tensor_names(model, graph.inputs), _tensor_names(model, graph.outputs)


def _tensor_names(model: TfModel, indices: tuple[int, ...]) -> dict[int, str]:
    names = {index: model.main.tensors[index].name for index in indices}
    if len(set(names.values())) == len(names):
        return names
    return {index: f"{name}:{index}" for index, name in names.items()}


def _info(model: TfModel, index: int, names: Mapping[int, str]) -> TensorInfo:
    tensor = model.main.tensors[index]
    quant = tensor.quantization
    per_tensor = quant is not None and quant.per_tensor and not tensor.dtype.value.startswith("fl")
    return TensorInfo(
        name=names[index],
        shape=tensor.shape,
        dtype=tensor.dtype.value,
        scale=quant.scale[0] if quant and per_tensor else None,
        zero_point=quant.zero_point[0] if quant and per_tensor else None,
    )


def _check_inputs(infos: tuple[TensorInfo, ...], inputs: Mapping[str, Array]) -> None:
    names = [info.name for info in infos]
    if set(inputs) != set(names):
        raise DataError(
            f"inputs {sorted(inputs)} given, the model takes {names}",
            hint="pass one array per input, by name",
        )
    for info in infos:
        value = inputs[info.name]
        if value.shape != info.shape or value.dtype.name != info.dtype:
            raise DataError(
                f"input '{info.name}' is {value.dtype.name} {list(value.shape)},"
                f" expected {info.dtype} {list(info.shape)}",
                hint="preprocess the data with the model's own preprocess spec",
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _refused(step: str, error: Exception) -> ModelError:
    reason = _line(error)
    match = re.search(r"unresolved custom op: ([\w.-]+?)\.? ", reason + " ")
    if match:
        hint = f"export the model without the custom op '{match.group(1)}'"
    else:
        hint = "convert the model again with a current TensorFlow"
    return ModelError(f"LiteRT cannot {step} the model: {reason[:300]}", hint=hint)
