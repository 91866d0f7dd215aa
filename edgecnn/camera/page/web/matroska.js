/* The Matroska files that edgecnn records: JPEGs with their times, which browsers cannot play. */

const MKV = {
  segment: 0x18538067, cluster: 0x1f43b675, seekId: 0x53ab, seekPosition: 0x53ac, scale: 0x2ad7b1,
  duration: 0x4489, codec: 0x86, width: 0xb0, height: 0xba, clusterTime: 0xe7, block: 0xa3,
  cueTime: 0xb3, cuePosition: 0xf1, cues: 0x1c53bb6b,
};
/* Elements that are walked into; everything else is read or passed over as a whole. */
const MKV_OUTER = new Set([
  0x18538067, 0x1f43b675, 0x114d9b74, 0x4dbb, 0x1549a966, 0x1654ae6b, 0xae, 0xe0, 0x1c53bb6b, 0xbb, 0xb7,
]);
const MKV_READ = new Set(Object.values(MKV));
const LONGEST_BLOCK = 64 << 20;

/** Walks a file from its beginning, or from a cluster, as its bytes come. */
class MatroskaReader {
  /** `offset`: of the first byte that will be fed, in the file. */
  constructor(offset = 0) {
    this.buffer = new Uint8Array(0);
    this.offset = offset;
    this.skip = 0;
    this.scale = 1e6;
    this.clusterTime = 0;
    this.segment = null;
    this.duration = null;
    this.codec = null;
    this.cuesAt = null;
    this.cues = [];
    this.clusters = [];
  }

  /** Adds bytes; returns the frames that they completed, each {time: seconds, jpeg}. */
  feed(piece) {
    const joined = new Uint8Array(this.buffer.length + piece.length);
    joined.set(this.buffer);
    joined.set(piece, this.buffer.length);
    let at = 0;
    const frames = [];
    for (;;) {
      if (this.skip) {
        const passed = Math.min(this.skip, joined.length - at);
        at += passed;
        this.skip -= passed;
        if (this.skip) break;
      }
      const head = elementHead(joined, at);
      if (head === null) break;
      const { id, size, length } = head;
      const here = this.offset + at;
      if (MKV_OUTER.has(id)) {
        if (id === MKV.segment) this.segment = here + length;
        if (id === MKV.cluster) this.clusterAt = here;
        at += length;
      } else if (size === null) {
        throw new Error("this is no recording of edgecnn: an element has no end");
      } else if (!MKV_READ.has(id)) {
        at += length;
        this.skip = size;
      } else {
        if (size > LONGEST_BLOCK) throw new Error("this is no recording of edgecnn: a frame is too large");
        if (at + length + size > joined.length) break;
        this.leaf(id, joined.subarray(at + length, at + length + size), frames);
        at += length + size;
      }
    }
    this.buffer = joined.slice(at);
    this.offset += at;
    return frames;
  }

  leaf(id, data, frames) {
    if (id === MKV.block) this.block(data, frames);
    else if (id === MKV.codec) this.codec = String.fromCharCode(...data.subarray(0, 32));
    else if (id === MKV.duration) this.duration = real(data);
    else if (id === MKV.seekId) this.sought = unsigned(data);
    else {
      const value = unsigned(data);
      if (id === MKV.scale) this.scale = value;
      else if (id === MKV.seekPosition && this.sought === MKV.cues) this.cuesAt = this.segment + value;
      else if (id === MKV.clusterTime) {
        this.clusterTime = value;
        this.clusters.push({ time: this.seconds(value), at: this.clusterAt });
      } else if (id === MKV.cueTime) this.cueTime = value;
      else if (id === MKV.cuePosition) this.cues.push({ time: this.seconds(this.cueTime), at: value });
    }
  }

  block(data, frames) {
    if (data.length < 4) return;
    if (this.codec !== null && !this.codec.startsWith("V_MJPEG")) throw new Error(`this page plays Motion JPEG, not ${this.codec}`);
    const offset = new DataView(data.buffer, data.byteOffset, 4).getInt16(1);
    frames.push({ time: this.seconds(this.clusterTime + offset), jpeg: data.slice(4) });
  }

  seconds(ticks) {
    return ticks * this.scale / 1e9;
  }

  /** How long the file plays, seconds; null: it is still being written, or was cut off. */
  get length() {
    return this.duration === null ? null : this.seconds(this.duration);
  }
}

/** The id and size of the element at `at`; null: not all of it is there yet. */
function elementHead(data, at) {
  const id = variableNumber(data, at, 4, true);
  if (id === null) return null;
  const size = variableNumber(data, at + id.length, 8, false);
  if (size === null) return null;
  return { id: id.value, size: size.unknown ? null : size.value, length: id.length + size.length };
}

function variableNumber(data, at, longest, keepMarker) {
  if (at >= data.length) return null;
  const length = Math.clz32(data[at]) - 23;
  if (length > longest) throw new Error("this is no Matroska file, or it is damaged");
  if (at + length > data.length) return null;
  const first = keepMarker ? data[at] : data[at] & ((1 << (8 - length)) - 1);
  let value = first;
  let ones = first === (1 << (8 - length)) - 1;
  for (let k = 1; k < length; k += 1) {
    value = value * 256 + data[at + k];
    ones = ones && data[at + k] === 255;
  }
  return { value, length, unknown: !keepMarker && ones };
}

function unsigned(data) {
  let value = 0;
  for (const byte of data) value = value * 256 + byte;
  return value;
}

function real(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return data.length === 8 ? view.getFloat64(0) : data.length === 4 ? view.getFloat32(0) : null;
}
