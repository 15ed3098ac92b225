// The line to the server. EventSource reconnects by itself with Last-Event-ID as long as it is alive; it dies
// on an answer other than 200 and can hang half open after a sleep or a change of network. The watchdog sees
// both by the silence and opens a new one, with back-off. The server beats every 5 s.

const SILENT_MS = 10_000; // design: heard nothing for 10 s → 正在确认
const HUNG_MS = 15_000; // three missed heartbeats: the connection is not coming back by itself
const OPENING_MS = 5_000; // a server that is there sends the first frame at once
const SHED_MS = 2_500;
const SHED = 5; // with the stream itself the six connections that a browser keeps to one host
const WATCH_MS = 500;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;
const KINDS = ["snapshot", "change", "heartbeat", "theme", "ended"];

/** Milliseconds since `mark` by the clock that moved more: one stops in sleep, the other can be set. */
const since = (mark) => Math.max(performance.now() - mark.steady, Date.now() - mark.wall);
const mark = () => ({ steady: performance.now(), wall: Date.now() });

/**
 * Use up the browser's idle connections. After a silent cut they are as dead as the stream's was, and the
 * stream would be tried on one after the other (20 s more, measured); what is given up here is closed.
 */
function shedIdleConnections() {
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(), SHED_MS);
  for (let i = 0; i < SHED; i += 1) {
    fetch(`/static/emblem.svg?shed=${i}`, { cache: "no-store", signal: cancel.signal }).catch(() => {});
  }
}

export class Stream {
  /** `onFrame(kind, text)` for each frame; `onFresh(boolean)` whenever hearing begins or has ceased. */
  constructor(url, { onFrame, onFresh }) {
    this.url = url;
    this.onFrame = onFrame;
    this.onFresh = onFresh;
    this.source = null;
    this.lastId = "";
    this.fresh = false;
    this.heard = null;
    this.retryMs = FIRST_RETRY_MS;
  }

  start() {
    this.open();
    setInterval(() => this.watch(), WATCH_MS);
    addEventListener("online", () => this.reopenSoon());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    addEventListener("pagehide", () => this.source?.close());
    document.addEventListener("visibilitychange", () => this.watch());
  }

  open() {
    this.source?.close();
    this.opened = mark();
    // A new EventSource cannot be given the header, so the position goes along as a query as well.
    const address = new URL(this.url, location.href);
    if (this.lastId !== "") address.searchParams.set("last_event_id", this.lastId);
    const source = new EventSource(address);
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (event) => {
        if (source === this.source) this.hear(kind, event);
      });
    }
  }

  hear(kind, event) {
    this.heard = mark();
    this.retryMs = FIRST_RETRY_MS;
    if (event.lastEventId !== "") this.lastId = event.lastEventId;
    this.setFresh(true);
    this.onFrame(kind, event.data);
  }

  watch() {
    const silentMs = this.heard === null ? Infinity : since(this.heard);
    if (silentMs >= SILENT_MS) this.setFresh(false);
    const openMs = since(this.opened);
    const dead = this.source.readyState === EventSource.CLOSED && openMs >= this.retryMs;
    const hung = silentMs >= HUNG_MS && openMs >= Math.max(OPENING_MS, this.retryMs);
    if (dead || hung) {
      // The jitter keeps a hall of screens from coming back in the same instant.
      this.retryMs = Math.min(LAST_RETRY_MS, this.retryMs * (1.5 + Math.random()));
      this.open();
      if (hung) shedIdleConnections();
    }
  }

  reopenSoon() {
    if (this.heard === null || since(this.heard) > SILENT_MS / 2) this.open();
  }

  setFresh(fresh) {
    if (fresh === this.fresh) return;
    this.fresh = fresh;
    this.onFresh(fresh);
  }
}
