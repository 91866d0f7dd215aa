/* One stream of /live: reads it, and comes back by itself when it is lost. */

const SILENCE_MS = 8000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;

/** `heard(message, jpeg)` gets each message, `state(kind, text)` what became of the connection:
 *  "connecting", "open", "lost", "ended" or "refused". */
class Connection {
  constructor(camera, heard, state) {
    this.camera = camera;
    this.heard = heard;
    this.state = state;
    this.closed = null;
  }

  open() {
    if (this.closed !== null) return;
    this.closed = new AbortController();
    this.run(this.closed.signal);
  }

  close() {
    this.closed?.abort();
    this.closed = null;
  }

  async run(signal) {
    let wait = FIRST_PAUSE_MS;
    this.state("connecting", "connecting …");
    while (!signal.aborted) {
      const outcome = await this.once(signal);
      if (signal.aborted) return;
      if (outcome.worked) wait = FIRST_PAUSE_MS;
      this.state(outcome.kind, outcome.text);
      await pause(outcome.kind === "lost" ? wait : Math.max(wait, 3000), signal);
      wait = Math.min(wait * 2, LONGEST_PAUSE_MS);
    }
  }

  async once(signal) {
    const silent = new AbortController();
    const abort = () => silent.abort();
    signal.addEventListener("abort", abort, { once: true });
    let timer = setTimeout(abort, SILENCE_MS);
    let worked = false;
    try {
      const response = await fetch(`/live?camera=${encodeURIComponent(this.camera)}`, { signal: silent.signal, cache: "no-store" });
      if (!response.ok) return this.refused(response);
      const messages = new MessageReader();
      const stream = response.body.getReader();
      for (;;) {
        const { done, value } = await stream.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(abort, SILENCE_MS);
        for (const { message, jpeg } of messages.feed(value)) {
          if (!worked) this.state("open", "live");
          worked = true;
          if (message.kind === "end") return { kind: "ended", worked, text: endText(message.why) };
          this.heard(message, jpeg);
        }
      }
    } catch (error) {
      if (!signal.aborted && !silent.signal.aborted && !(error instanceof TypeError)) console.warn(`the stream was broken off: ${error.message}`);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      silent.abort();
    }
    return { kind: "lost", worked, text: "connection lost, trying again" };
  }

  async refused(response) {
    const told = await errorOf(response);
    if (response.status === 401) return { kind: "refused", text: "open the address with its token, as the program printed it" };
    return { kind: "refused", text: told };
  }
}

const ENDINGS = {
  source: "the source has ended",
  limit: "the loop has ended, as it was asked to",
  interrupted: "the loop was ended by hand",
  reader: "the loop has ended: its reader went away",
  lost: "the loop has ended: the source was lost",
};

function endText(why) {
  return ENDINGS[why] ?? (why ? `the loop has ended: ${why}` : "the loop has ended");
}
