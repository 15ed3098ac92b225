// What the list and the sheet of an endpoint say alike.

import { element } from "./dom.js";

export const RECEIVED = "org.shanliu.donation.received.v1";
export const WITHDRAWN = "org.shanliu.donation.consent-withdrawn.v1";

const LEVELS = { active: "good", paused: "warn", disabled: "alarm", deleted: "" };

export const stateOf = ({ say }, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] } }, say("states")[row.state]);

/** In words: well, slowed since when, how often it failed in a row, how long the oldest waits. */
export function healthOf(shell, row) {
  const { say } = shell;
  const age = (iso) => shell.duration(Date.now() - Date.parse(iso));
  if (row.slowed_at) return say("slowed", age(row.slowed_at), row.failures);
  if (row.failures > 0) return say("failing", row.failures);
  if (row.state === "active" && row.waiting > 0) return say("oldestWaits", age(row.oldest_waiting_at));
  return row.state === "active" ? say("well") : "";
}

export const typeOf = ({ say }, type) => say("types")[type.replace(/^org\.shanliu\./, "").replace(/\.v1$/, "")] ?? type;
