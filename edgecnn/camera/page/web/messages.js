/* The messages of /live: two lengths (32 bits, big endian), then JSON, then a JPEG. */

const LONGEST_JSON = 64 << 20;
const LONGEST_JPEG = 64 << 20;

/** Takes a stream's pieces as they come and gives whole messages. */
class MessageReader {
  constructor() {
    this.buffer = new Uint8Array(1 << 18);
    this.start = 0;
    this.end = 0;
    this.text = new TextDecoder();
  }

  /** Adds a piece; returns the messages that it completed, each {message, jpeg or null}. */
  feed(piece) {
    this.keep(piece);
    const found = [];
    for (;;) {
      const held = this.end - this.start;
      if (held < 8) break;
      const head = new DataView(this.buffer.buffer, this.start, 8);
      const [json, jpeg] = [head.getUint32(0), head.getUint32(4)];
      if (json > LONGEST_JSON || jpeg > LONGEST_JPEG) throw new Error("a message is too long to be one");
      if (held < 8 + json + jpeg) break;
      const middle = this.start + 8 + json;
      const message = JSON.parse(this.text.decode(this.buffer.subarray(this.start + 8, middle)));
      found.push({ message, jpeg: jpeg ? this.buffer.slice(middle, middle + jpeg) : null });
      this.start = middle + jpeg;
    }
    return found;
  }

  keep(piece) {
    if (this.end + piece.length > this.buffer.length) {
      const held = this.buffer.subarray(this.start, this.end);
      const needed = held.length + piece.length;
      const room = needed > this.buffer.length ? new Uint8Array(2 * needed) : this.buffer;
      room.set(held);
      [this.buffer, this.start, this.end] = [room, 0, held.length];
    }
    this.buffer.set(piece, this.end);
    this.end += piece.length;
  }
}
