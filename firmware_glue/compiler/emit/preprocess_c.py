"""``<name>_preprocess.{h,c}``: camera frames to the model's input."""

from __future__ import annotations

from firmware_glue.compiler.emit import text
from firmware_glue.compiler.emit.call_c import fields
from firmware_glue.compiler.specs import FrameStage
from firmware_glue.kernels import same_version

HEADERS = frozenset({"edgecnn_frame.h"})

_H = """\
/* Camera frames to {n}'s input.
 *
 *   {what}
 *
 *   ec_frame_map map;
 *   {n}_preprocess(&state, frame, 320, 240, 320 * 3, EC_RGB888, &map);
 *   {n}_invoke(&state);
 */
#ifndef {guard}
#define {guard}

#include "{n}.h"

#include "edgecnn_image.h"

#ifdef __cplusplus
extern "C" {{
#endif

/* What {n}_preprocess returns besides {n}_OK and {n}_BAD_ARGUMENT. */
typedef enum {n}_preprocess_status {{
    {n}_BAD_SIZE = -2, /* a size out of range, or stride_bytes is shorter than a row */
    {n}_BAD_FORMAT = -3 /* not a value of ec_pixels */
}} {n}_preprocess_status;

/* Fits a frame to the input tensor, by the rule that the model was trained and measured with.
 *
 * frame: width x height pixels, 1 to EC_MAX_FRAME each, outside the arena; the next row starts
 * stride_bytes further on. map, if not NULL, gets how the tensor lies in the frame.
 * Returns {n}_OK, {n}_BAD_ARGUMENT, {n}_BAD_SIZE or {n}_BAD_FORMAT. The tensor is written only for
 * {n}_OK.
 *
 * No buffers: about {stack} bytes of stack, whatever the sizes. */
int {n}_preprocess(
    const {n}_state *state, const uint8_t *frame, int width, int height, int stride_bytes,
    ec_pixels format, ec_frame_map *map);

#ifdef __cplusplus
}}
#endif

#endif
"""

_C = """\
/* Camera frames to {n}'s input. */
#include "{n}_preprocess.h"

#include "edgecnn_frame.h"

{check}

/* Byte -> tensor element{per}. */
static const {ctype} {n}_preprocess_table[{size}] = {{
{table}
}};

int {n}_preprocess(
    const {n}_state *state, const uint8_t *frame, int width, int height, int stride_bytes,
    ec_pixels format, ec_frame_map *map) {{
    static const ec_image_params params = {{
{params}
    }};
    if (state == NULL || state->arena == NULL) {{
        return {n}_BAD_ARGUMENT;
    }}
    return ec_frame_to_tensor(
        &params, frame, width, height, stride_bytes, (int)format, {n}_preprocess_table,
        {n}_input0(state), map);
}}
"""
_STACK_BYTES = 400


def preprocess_files(stage: FrameStage, name: str) -> dict[str, str]:
    """File name → text."""
    spec = stage.spec
    what = f"{spec.fit} to {spec.width} x {spec.height}, {spec.resize}, {spec.colour}"
    guard = f"{name.upper()}_PREPROCESS_H"
    source = _C.format(
        n=name,
        check=same_version(),
        per=", one table per channel" if len(stage.table) > 1 else "",
        ctype=text.CTYPES[stage.table.dtype.name],
        size=stage.table.size,
        table=text.array_body(stage.table),
        params=fields(stage.params, "        "),
    )
    return {
        f"{name}_preprocess.h": _H.format(n=name, guard=guard, what=what, stack=_STACK_BYTES),
        f"{name}_preprocess.c": source,
    }
