/* COCO's uncompressed run lengths: pixels in turn outside and inside, column by column. */

/** A mask at a smaller size, from runs directly: the cost goes with the runs, not with the pixels.
 *  Returns {width, height, inside: Uint8Array by rows, label: [x, y] in shares of the frame}. */
function smallMask(size, counts, longest) {
  const [height, width] = size;
  const scale = Math.max(1, Math.max(width, height) / longest);
  const [w, h] = [Math.max(1, Math.round(width / scale)), Math.max(1, Math.round(height / scale))];
  const inside = new Uint8Array(w * h);
  // The column of the frame that each small column shows, and the small row from which a row is shown.
  const shown = new Int32Array(width).fill(-1);
  for (let x = 0; x < w; x += 1) shown[Math.min(width - 1, Math.floor((x + 0.5) * width / w))] = x;
  const rowFrom = (row) => Math.min(h, Math.max(0, Math.ceil(row * h / height - 0.5)));
  let at = 0;
  let best = 0;
  let label = null;
  for (let run = 0; run < counts.length; run += 1) {
    const end = Math.min(at + counts[run], width * height);
    if (run % 2 === 1) {
      for (let x = Math.floor(at / height); x * height < end; x += 1) {
        const from = Math.max(at, x * height) - x * height;
        const to = Math.min(end, (x + 1) * height) - x * height;
        if (to - from > best) {
          best = to - from;
          label = [(x + 0.5) / width, (from + to) / 2 / height];
        }
        const small = shown[x];
        if (small < 0) continue;
        for (let y = rowFrom(from), last = rowFrom(to); y < last; y += 1) inside[y * w + small] = 1;
      }
    }
    at = end;
  }
  return { width: w, height: h, inside, label };
}
