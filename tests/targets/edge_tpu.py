"""A stand-in for libedgetpu: a real shared library behind TFLite's external delegate interface.

LiteRT loads it as it loads libedgetpu, and hands it the nodes ``edgetpu-custom-op``. Where the Edge
TPU would compute, it copies the bytes of the node's first input to each output, as many as fit, and
counts. Nothing of an Edge TPU is in it.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

from firmware_glue.device.toolchain import build_shared

# The structs are laid out as in tensorflow/lite/core/c/common.h (TfLiteIntArray, TfLiteTensor,
# TfLiteNode, TfLiteContext, TfLiteRegistration, TfLiteDelegate); pointers that are of no use here
# are void *. The two functions at the end are the interface, external_delegate_interface.h in
# tensorflow/lite/delegates/external. What the delegate does with the graph, and its flag, are as in
# libedgetpu (tflite/edgetpu_delegate_for_custom_op.cc in google-coral/libedgetpu).
_SOURCE = r"""
#include <stddef.h>
#include <stdint.h>

typedef struct { int size; int data[]; } Ints;

typedef struct {
  int type; char *data; Ints *dims; float scale; int32_t zero_point; int allocation_type;
  size_t bytes;
  const void *allocation; const char *name; void *delegate;
  int buffer_handle; _Bool stale, variable;
  int quantization_type; void *quantization;
  void *sparsity; const Ints *signature;
} Tensor;

typedef struct { Ints *inputs, *outputs; /* more follows */ } Node;

struct Context;

typedef struct {
  void *init, *free;
  int (*prepare)(struct Context *, Node *);
  int (*invoke)(struct Context *, Node *);
  void *profiling_string;
  int32_t builtin_code;
  const char *custom_name;
  int version;
  void *external, *async_kernel;
  uint64_t inplace;
  void *of_later_versions[8];
} Registration;

struct Delegate;

typedef struct Context {
  size_t tensors_size;
  int (*execution_plan)(struct Context *, Ints **);
  Tensor *tensors;
  void *impl, *resize_tensor, *report_error, *add_tensors;
  int (*node_and_registration)(struct Context *, int, Node **, Registration **);
  int (*replace_nodes)(struct Context *, Registration, const Ints *, struct Delegate *);
  /* more follows */
} Context;

typedef struct Delegate {
  void *data;
  int (*prepare)(Context *, struct Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *opaque;
} Delegate;

/* What the test reads: delegates made and not destroyed, nodes claimed, times that one was run. */
int stand_in_delegates, stand_in_nodes, stand_in_runs;

static Delegate only;
static struct { int size; int data[64]; } claimed;

static int equal(const char *a, const char *b) {
  while (*a != 0 && *a == *b) { ++a; ++b; }
  return *a == *b;
}

static int prepare_node(Context *context, Node *node) { (void)context; (void)node; return 0; }

static int invoke_node(Context *context, Node *node) {
  const Tensor *input = &context->tensors[node->inputs->data[0]];
  for (int i = 0; i < node->outputs->size; ++i) {
    Tensor *output = &context->tensors[node->outputs->data[i]];
    for (size_t k = 0; k < output->bytes; ++k) {
      output->data[k] = k < input->bytes ? input->data[k] : 0;
    }
  }
  ++stand_in_runs;
#ifdef CRASHES
  __builtin_trap();
#endif
  return 0;
}

static int prepare(Context *context, Delegate *delegate) {
  Ints *plan;
  if (context->execution_plan(context, &plan) != 0) { return 1; }
  claimed.size = 0;
  for (int i = 0; i < plan->size && claimed.size < 64; ++i) {
    Node *node;
    Registration *kernel;
    const int index = plan->data[i];
    if (context->node_and_registration(context, index, &node, &kernel) != 0) { return 1; }
    if (kernel->custom_name != 0 && equal(kernel->custom_name, "edgetpu-custom-op")) {
      claimed.data[claimed.size++] = index;
    }
  }
  stand_in_nodes += claimed.size;
  Registration own = {0};
  own.prepare = prepare_node;
  own.invoke = invoke_node;
  own.custom_name = "EdgeTpuStandIn";
  own.version = 1;
  return context->replace_nodes(context, own, (const Ints *)&claimed, delegate);
}

__attribute__((visibility("default"))) Delegate *tflite_plugin_create_delegate(
    char **keys, char **values, size_t count, void (*report)(const char *)) {
  (void)keys; (void)values; (void)report;
  if (count != 0) { return 0; }
  only.prepare = prepare;
  only.flags = 1; /* AllowDynamicTensors: else LiteRT prepares the nodes before they are claimed */
  ++stand_in_delegates;
  return &only;
}

__attribute__((visibility("default"))) void tflite_plugin_destroy_delegate(Delegate *delegate) {
  (void)delegate;
  --stand_in_delegates;
}
"""
_CRASH = "#define CRASHES\n"


class StandIn:
    """The library, built into ``folder``; its counters tell that LiteRT really called it."""

    def __init__(self, folder: Path, *, crashes: bool = False) -> None:
        name = "edgetpu_stand_in" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
        self.path = folder / name
        self.path.write_bytes(build_shared(_CRASH * crashes + _SOURCE, name))
        self._library = ctypes.CDLL(str(self.path))

    def count(self, what: str) -> int:
        """``delegates`` alive, ``nodes`` claimed so far, or their ``runs``."""
        return ctypes.c_int.in_dll(self._library, f"stand_in_{what}").value


def plug_in(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it look as if an accelerator were plugged in whose runtime is ``library``."""
    monkeypatch.setattr("targets.coral.device.usb_device_present", lambda ids: True)
    monkeypatch.setattr("targets.coral.device.find_library", lambda name: str(library))
