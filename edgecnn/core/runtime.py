"""The ``Predictor`` protocol and its LiteRT implementation.

This is the only import of ai-edge-litert / tflite-runtime. ai-edge-litert comes first;
tflite-runtime 2.14 (armv7l) is the fallback.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module, metadata
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecnn.core.errors import DataError, MissingExtraError, ModelError, TargetError
from edgecnn.core.quiet import held_stderr
from edgecnn.core.tensor_info import TensorInfo, open_shapes, tensor_infos
from edgecnn.core.tflite.axes import with_valid_axes
from edgecnn.core.tflite.compiled import refuse_edge_tpu
from edgecnn.core.tflite.hazards import refuse_hazards
from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from edgecnn.core.tflite.versions import with_listed_versions

__all__ = [
    "LiteRTPredictor",
    "Predictor",
    "Resolver",
    "TensorInfo",
    "is_stateful",
    "open_shapes",
    "predict_stream",
    "runtime_name",
    "tensor_infos",
]

Array = NDArray[Any]
Resolver = Literal["auto", "reference", "builtin"]


class Predictor(Protocol):
    """Named arrays in → named arrays out, raw (quantized) dtypes, batch 1."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Runs once, from a fresh state; arrays have the shapes and dtypes of :attr:`inputs`.

        The inputs are not read any more afterwards: the caller may fill them anew. The outputs are
        the caller's: no later run changes them.
        """


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
        self._settle(self._known_shapes())

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """Inputs in the model's order."""
        return self._inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """Outputs in the model's order; shapes that depend on the values, as of the last run."""
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
        values = [self._output(place) for place in range(len(self._outputs))]
        self._settle([value.shape for value in values])
        return {info.name: value for info, value in zip(self._outputs, values, strict=True)}

    def _output(self, place: int) -> Array:
        try:
            value: Array = self._interpreter.get_tensor(self._output_index[place])
        except ValueError:
            # The interpreter gives no tensor without elements, such as a list of no detections.
            shape = self._prepared_shapes().get(self._output_index[place], ())
            if 0 not in shape:
                raise
            value = np.empty(shape, self._outputs[place].dtype)
        return value

    def _settle(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Takes the outputs' shapes as they are, where the file says less."""
        if any(info.shape != shape for info, shape in zip(self._outputs, shapes, strict=True)):
            self._outputs = tuple(
                replace(info, shape=shape)
                for info, shape in zip(self._outputs, shapes, strict=True)
            )

    def _known_shapes(self) -> list[tuple[int, ...]]:
        """The outputs' shapes as prepared; the file's where only a run will tell."""
        details = self._prepared_shapes()
        found = []
        for index, info in zip(self._output_index, self._outputs, strict=True):
            shape = details.get(index, ())
            known = all(shape) and len(shape) == (len(info.shape) or len(shape))
            found.append(shape if known else info.shape)
        return found

    def _prepared_shapes(self) -> dict[int, tuple[int, ...]]:
        details = self._interpreter.get_output_details()
        return {item["index"]: tuple(int(size) for size in item["shape"]) for item in details}

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
