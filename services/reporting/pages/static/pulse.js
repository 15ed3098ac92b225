// How fast it goes and how long it still goes. The pace is what has come in during the last minute by the
// server's clock, reversals left out; it is not told before a minute was heard. Pure, but for what it remembers.

const MINUTE_MS = 60_000;
const STEP_MS = 1_000;
const KEPT = MINUTE_MS / STEP_MS + 2;

export class Pace {
  constructor() {
    this.marks = []; // {at, fen}: one a second, a minute's worth and the one before it
  }

  /** `fen`: all that was ever received; `iso`: the server's time. */
  hear(iso, fen) {
    const at = Date.parse(iso);
    if (Number.isNaN(at)) return;
    const last = this.marks[this.marks.length - 1];
    if (last !== undefined && (at < last.at || fen < last.fen)) this.marks = []; // counted anew
    else if (last !== undefined && at - last.at < STEP_MS) return;
    this.marks.push({ at, fen });
    while (this.marks.length > 1 && (this.marks[1].at <= at - MINUTE_MS || this.marks.length > KEPT)) this.marks.shift();
  }

  /** Fen of the last minute, or null while that is not known. */
  perMinute(iso, fen) {
    const now = Date.parse(iso);
    const first = this.marks[0];
    return first !== undefined && first.at <= now - MINUTE_MS ? fen - first.fen : null;
  }
}

/** Whole days, hours, minutes and seconds from one time to another; null when it is over or unknown. */
export function timeLeft(nowIso, endIso) {
  const seconds = Math.floor((Date.parse(endIso) - Date.parse(nowIso)) / 1000);
  if (!(seconds > 0)) return null;
  const two = (n) => String(n).padStart(2, "0");
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor((seconds % 86_400) / 3_600)];
  return { days, hours, clock: [hours, Math.floor((seconds % 3_600) / 60), seconds % 60].map(two).join(":") };
}
