// What the list and the sheet of a channel say alike.

import { element } from "./dom.js";

const SHOWN_CAMPAIGNS = 3;

export const schemeOf = ({ say }, row) => say("schemes")[row.scheme] + (row.sandbox ? ` · ${say("sandbox")}` : "");

export const stateOf = ({ say }, row) => element("span", { class: "badge", data: { level: row.state === "active" ? "good" : "warn" } }, say("states")[row.state]);

/** `campaigns`: their Names. */
export function campaignsOf(shell, row, campaigns) {
  const { say } = shell;
  if (row.campaigns === null) return say("all");
  const shown = shell.list(row.campaigns.slice(0, SHOWN_CAMPAIGNS).map((id) => campaigns.titleOf(id)));
  return row.campaigns.length > SHOWN_CAMPAIGNS ? say("andMore", shown, row.campaigns.length) : shown || say("none");
}
