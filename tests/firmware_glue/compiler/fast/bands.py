"""A layer in bands of rows over rings, as C: what the tests of rows forms share."""

from __future__ import annotations

from firmware_glue.compiler.ops.spec import RowReach

_LOOP = """
static void by_bands(
    PARAMETERS) {
    const ec_window *g = &p->window;
    static int8_t ring_in[IN_ROWS * 4096], ring_out[OUT_ROWS * 4096];
    const int in_row = g->in_w * g->in_c, out_row = g->out_w * g->out_c;
    int have = 0;
BEFORE    for (int first = 0; first < g->out_h; first += BAND) {
        const int end = first + BAND < g->out_h ? first + BAND : g->out_h;
        int need = (end - 1) * g->stride_h - g->pad_top + (g->k_h - 1) * g->dilation_h + 1;
        need = need < g->in_h ? need : g->in_h;
        for (; have < need; ++have) {
            for (int i = 0; i < in_row; ++i) {
                ring_in[have % IN_ROWS * in_row + i] = in[have * in_row + i];
            }
        }
        const ec_rows rows = {first, end, IN_ROWS, OUT_ROWS};
        KERNEL(ARGUMENTS);
        for (int y = first; y < end; ++y) {
            for (int i = 0; i < out_row; ++i) {
                out[y * out_row + i] = ring_out[y % OUT_ROWS * out_row + i];
            }
        }
    }
}
"""


def bands_c(parameters: str, arguments: str, before: str = "") -> str:
    """``by_bands``: a kernel's rows form called for BAND rows at a time.

    Args:
        parameters: of ``by_bands``; ``p``, ``in`` and ``out`` are read.
        arguments: of ``KERNEL``; ``ring_in``, ``ring_out`` and ``rows`` are there.
        before: statements before the loop.
    """
    texts = {"PARAMETERS": parameters, "ARGUMENTS": arguments, "BEFORE": before}
    found = _LOOP
    for name, text in texts.items():
        found = found.replace(name, text)
    return found


def band_sizes(reach: RowReach, band: int, spare: int) -> list[str]:
    """Definitions of BAND, IN_ROWS and OUT_ROWS: the least rings, ``spare`` rows beside."""
    return [
        f"#define BAND {band}",
        f"#define IN_ROWS {reach.span + (band - 1) * reach.stride}",
        f"#define OUT_ROWS {band + spare}",
    ]
