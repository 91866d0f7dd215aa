"""Where everything of a model lies, as C expressions of a step function."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.weights import Constants
from firmware_glue.compiler.ops.spec import Arg, ConstArg, ScratchArg, TensorArg
from firmware_glue.compiler.planner.program import MemoryPlan, Program, Step


@dataclass(frozen=True)
class Memory:
    """A planned program and its constants.

    Attributes:
        blob: constants lie in a separate blob, at ``state->weights``.
    """

    program: Program
    plan: MemoryPlan
    constants: Constants
    blob: bool = False

    def argument(self, arg: Arg, step: Step) -> str:
        """The expression of a kernel's pointer argument."""
        if isinstance(arg, ConstArg):
            return self._constant(arg.data)
        if isinstance(arg, ScratchArg):
            if step.scratch is None:
                raise ValueError(f"step '{step.name}' has no scratch memory")
            return self._cast(arg.ctype, self._buffer(step.scratch, arg.offset))
        if isinstance(arg, TensorArg):
            return self._tensor(arg.tensor, step)
        return "NULL"

    def place(self, tensor_id: int) -> str:
        """Where a tensor lies, for comments."""
        if tensor_id in self.program.homes:
            return self.buffer_place(self.program.homes[tensor_id])
        if tensor_id in self.program.variables:
            return f"variable at {self.program.variables[tensor_id]}"
        return "constant"

    def buffer_place(self, buffer: int) -> str:
        """Where a buffer lies, for comments."""
        region = self.plan.regions[buffer]
        named = f" of {self.plan.region_names[region]}" if self.several else ""
        return f"at {self.plan.offsets[buffer]}{named}"

    def span(self, tensor_id: int) -> tuple[int, int, int] | None:
        """A tensor's region, first byte and end in it; None where it lies in no region."""
        buffer = self.program.homes.get(tensor_id)
        if buffer is None:
            return None
        start = self.plan.offsets[buffer]
        nbytes = self.program.graph.tensors[tensor_id].nbytes
        return self.plan.regions[buffer], start, start + nbytes

    @property
    def several(self) -> bool:
        """Whether there is more than one memory region."""
        return len(self.plan.region_names) > 1

    def _tensor(self, tensor_id: int, step: Step) -> str:
        program = self.program
        tensor = program.graph.tensors[tensor_id]
        if tensor_id in program.constants:
            data = program.graph.tensors[program.constants[tensor_id]].data
            if data is not None:
                return self._constant(data)
        kind = text.ctype(tensor.dtype)
        if step.chain is not None and tensor_id in step.chain.rings and step.scratch is not None:
            ring = step.chain.rings[tensor_id]
            return self._cast(kind, self._buffer(step.scratch, ring.offset))
        if tensor_id in program.variables:
            offset = program.variables[tensor_id]
            return self._cast(kind, f"state->variables.bytes + {offset}")
        return self._cast(kind, self._buffer(program.homes[tensor_id], 0))

    def _buffer(self, buffer: int, offset: int) -> str:
        region = self.plan.region_names[self.plan.regions[buffer]]
        return f"state->{region} + {self.plan.offsets[buffer] + offset}"

    def _constant(self, data: text.Array) -> str:
        symbol = self.constants.symbol(data)
        if not self.blob:
            return symbol
        kind = text.CTYPES[data.dtype.name]
        return self._cast(f"const {kind}", f"state->weights + {self.constants.offset(symbol)}")

    @staticmethod
    def _cast(ctype: str, address: str) -> str:
        # Through void: the planner aligns what the cast needs.
        star = f"{ctype} *"
        void = "const void *" if ctype.startswith("const ") else "void *"
        return f"({star})({void})({address})"
