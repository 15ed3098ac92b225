// What stands above the lists: how much agrees, since when the oldest difference is open, which bills are missing.

import { get } from "./api.js";
import { at, put } from "./dom.js";
import { formatShort } from "./money.js";
import { percent } from "./days.js";

const DAYS = 500;
const SHOWN_BILLS = 3;
const DAY_MS = 86_400_000;

export class Figures {
  constructor(shell) {
    this.shell = shell;
    this.found = null;
  }

  async read() {
    const [days, open, missing] = await Promise.all([
      get("donation", "/reconciliation/days", { limit: DAYS }, { tries: 0 }),
      get("donation", "/reconciliation/breaks", { state: "open", limit: 1 }, { tries: 0 }),
      get("donation", "/reconciliation/missing-bills", {}, { tries: 0 }),
    ]);
    this.found = { days, oldest: open.items[0], missing };
    this.render();
  }

  render() {
    if (this.found === null) return;
    const { say, code } = this.shell;
    const { days, oldest, missing } = this.found;
    const billed = days.filter((day) => day.bill_id !== null);
    const sum = (name) => billed.reduce((all, day) => all + BigInt(day[name]), 0n);
    const [ours, matched] = [sum("ours_fen"), sum("matched_fen")];
    const breaks = days.reduce((all, day) => all + countOf(day.open_breaks), 0);
    const share = ours > 0n ? Number((matched * 10_000n) / ours) / 10_000 : null;
    show("share", share === null ? "—" : percent(share), say("shareOf", formatShort(matched, code), formatShort(ours, code)), share === null ? "" : share === 1 ? "good" : "warn");
    const age = oldest ? Date.now() - Date.parse(oldest.opened_at) : 0;
    show("oldest", oldest ? this.shell.duration(age) : "—", oldest ? say("openNow", breaks, oldest.channel) : say("noBreaks"), oldest ? (age > DAY_MS ? "alarm" : "warn") : "good");
    const names = missing.slice(0, SHOWN_BILLS).map((each) => `${each.channel} ${each.day}`).join(", ");
    show("missing", String(missing.length), missing.length > SHOWN_BILLS ? `${names} …` : names || say("allCame"), missing.length > 0 ? "alarm" : "good");
  }
}

export const countOf = (open) => Object.values(open).reduce((all, n) => all + Number(n), 0);

function show(id, value, hint, level) {
  const node = at(id);
  node.dataset.level = level;
  put(node.querySelector(".value"), value);
  put(node.querySelector(".hint"), hint);
}
