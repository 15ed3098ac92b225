// Times for the console's pages: UTC on the wire, Asia/Shanghai for people and in the fields for days.

import { dateOf, timeOf } from "./clock.js";

const ZONE = "Asia/Shanghai";
const day = new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, year: "numeric", month: "2-digit", day: "2-digit" });

export { timeOf };

/** "2026-11-26" in Shanghai. */
export const dayOf = (iso) => (Number.isNaN(Date.parse(iso)) ? "" : day.format(new Date(iso)));

/** "2026-11-26 20:15:07", or only the time when it is of today. */
export function stampOf(iso, now = new Date()) {
  if (Number.isNaN(Date.parse(iso))) return "";
  const shown = timeOf(iso);
  return dayOf(iso) === day.format(now) ? shown : `${dayOf(iso)} ${shown}`;
}

/** "2026-12-27" as it is said: "2026年12月27日周日", "Sun, 27 December 2026"; "" for no day. */
export const spelledDay = (text, language) => (text ? dateOf(`${text}T12:00:00+08:00`, language) : "");

/** The first moment of a day in Shanghai ("2026-11-26"), or of the day after it, as RFC 3339. */
export function dayStart(text, { after = false } = {}) {
  const start = Date.parse(`${text}T00:00:00+08:00`);
  return new Date(start + (after ? 86_400_000 : 0)).toISOString();
}
