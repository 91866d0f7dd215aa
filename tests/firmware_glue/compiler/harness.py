"""Compiles generated C for the host, loads it, runs it; and LiteRT's reference kernels beside it.

Many models go into one shared library, so that a test file needs one or two compiler runs.
"""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecnn.core.tflite.model import TfModel
from edgecnn.core.tflite.reader import read_model
from firmware_glue.compiler.api import CompiledModel, compile_model

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")


@functools.cache
def compiler() -> tuple[str, ...]:
    found = shutil.which("cc")
    return (found,) if found else (sys.executable, "-m", "ziglang", "cc")


def write(compiled: CompiledModel, folder: Path) -> list[Path]:
    """Writes the folder; returns its C files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in compiled.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sorted(folder.glob("*.c"))


def run_tool(arguments: Sequence[object]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(a) for a in arguments], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done


@dataclass
class Library:
    """Models in one shared library.

    Attributes:
        options: of ``compile_model``, for all that are added.
    """

    folder: Path
    models: dict[str, CompiledModel] = field(default_factory=dict)
    handle: ctypes.CDLL | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def add(self, data: bytes, name: str, **options: str) -> CompiledModel:
        compiled = compile_model(read_model(data), name=name, **{**self.options, **options})
        self.models[name] = compiled
        return compiled

    def build(self, *flags: str) -> None:
        sources = [
            path for name, model in self.models.items() for path in write(model, self.folder / name)
        ]
        # One translation unit: each model's headers are guarded, so one copy serves all.
        unit = self.folder / "all.c"
        unit.write_text("".join(f'#include "{p.relative_to(self.folder)}"\n' for p in sources))
        target = self.folder / "models.so"
        run_tool([*compiler(), "-std=c99", "-O1", "-shared", "-fPIC", *flags, unit, "-o", target])
        self.handle = ctypes.CDLL(str(target))

    def runner(self, name: str) -> Runner:
        assert self.handle is not None
        return Runner(self.handle, self.models[name])


def _state_type(variable_bytes: int) -> type[ctypes.Structure]:
    pointers = [(name, ctypes.c_void_p) for name in ("arena", "hook", "hook_context")]
    variables = [("variables", ctypes.c_int64 * (-(-variable_bytes // 8)))]

    class State(ctypes.Structure):
        _fields_ = [*pointers, *variables]

    return State


class Runner:
    """One model, with an arena between guard bytes."""

    GUARD = 64

    def __init__(
        self, handle: ctypes.CDLL, model: CompiledModel, memory_of: Runner | None = None
    ) -> None:
        self.model = model
        self._handle = handle
        size = model.arena_bytes + 2 * self.GUARD + 16
        self._memory = np.full(size, 0xA5, np.uint8)
        shift = -(self._memory.ctypes.data + self.GUARD) % 16
        self._start = self.GUARD + shift
        self.arena = self._memory[self._start : self._start + model.arena_bytes]
        if memory_of is not None:
            self.arena = memory_of.arena[: model.arena_bytes]
        self._state = _state_type(model.program.variable_bytes)()
        init = getattr(handle, f"{model.name}_init")
        assert init(ctypes.byref(self._state), ctypes.c_void_p(self.arena.ctypes.data)) == 0

    def fill(self, inputs: Sequence[np.ndarray]) -> None:
        for info, value in zip(self.model.inputs, inputs, strict=True):
            assert (value.dtype.name, value.shape) == (info.dtype, info.shape)
            data = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
            self.arena[info.offset : info.offset + info.nbytes] = data

    def tensor(self, offset: int, nbytes: int, dtype: str, shape: Sequence[int]) -> np.ndarray:
        return self.arena[offset : offset + nbytes].copy().view(dtype).reshape(shape)

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        self.fill(inputs)
        invoke = getattr(self._handle, f"{self.model.name}_invoke")
        assert invoke(ctypes.byref(self._state)) == 0
        assert np.all(self._memory[: self._start] == 0xA5), "wrote before the arena"
        end = self._start + self.model.arena_bytes
        assert np.all(self._memory[end:] == 0xA5), "wrote behind the arena"
        return [self.tensor(o.offset, o.nbytes, o.dtype, o.shape) for o in self.model.outputs]

    @property
    def handle(self) -> ctypes.CDLL:
        """The library that holds the model."""
        return self._handle

    def call(self, function: str, *arguments: object) -> int:
        """Calls ``<name>_<function>(&state, …)``."""
        found = getattr(self._handle, f"{self.model.name}_{function}")
        return int(found(ctypes.byref(self._state), *arguments))

    def steps(self, inputs: Sequence[np.ndarray]) -> dict[int, np.ndarray]:
        """Runs step by step; tensor id → its contents right after the step that wrote it."""
        self.fill(inputs)
        program, plan = self.model.program, self.model.plan
        run = getattr(self._handle, f"{self.model.name}_run_step")
        result = {}
        for number, step in enumerate(program.steps):
            assert run(ctypes.byref(self._state), number) == 0
            for tensor_id in step.outputs:
                tensor = program.graph.tensors[tensor_id]
                offset = plan.offsets[program.homes[tensor_id]]
                result[tensor_id] = self.tensor(
                    offset, tensor.nbytes, tensor.dtype.value, tensor.shape
                )
        return result


class Reference:
    """LiteRT with its reference kernels (or its optimized ones), all tensors kept."""

    def __init__(self, data: bytes, *, optimized: bool = False) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        self._interpreter = Interpreter(
            model_content=data,
            num_threads=1,
            experimental_op_resolver_type=(
                OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
                if optimized
                else OpResolverType.BUILTIN_REF
            ),
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        self._known = len(read_model(data).main.tensors)

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        details = self._interpreter.get_input_details()
        for detail, value in zip(details, inputs, strict=True):
            self._interpreter.set_tensor(detail["index"], value)
        self._interpreter.invoke()
        return [self.tensor(d["index"]) for d in self._interpreter.get_output_details()]

    def tensor(self, index: int) -> np.ndarray:
        return self._interpreter.get_tensor(index).copy()

    def inner(self, model: CompiledModel, tensor_id: int) -> np.ndarray | None:
        """What a tensor of the compiled model holds, less channels that passes left out.

        None: the file has no such tensor.
        """
        remains = model.program.graph.remains.get(tensor_id)
        if remains is not None:
            return self.tensor(remains.tensor)[..., list(remains.channels)]
        return self.tensor(tensor_id) if tensor_id < self._known else None


def random_inputs(model: TfModel, rng: np.random.Generator) -> list[np.ndarray]:
    """Random bytes (or floats) for each input in subgraph order."""
    result = []
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if tensor.dtype.value == "float32":
            result.append(rng.normal(0, 3, tensor.shape).astype(np.float32))
        elif tensor.dtype.value == "bool":
            result.append(rng.random(tensor.shape) < 0.5)
        else:
            info = np.iinfo(tensor.dtype.value)
            low, high = max(info.min, -(2**20)), min(info.max, 2**20)
            result.append(rng.integers(low, high + 1, tensor.shape, dtype=tensor.dtype.value))
    return result
