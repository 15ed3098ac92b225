// What stands above the lists: how much agrees, since when the oldest difference is open, which bills are missing.

import { get } from "./api.js";
import { at, element, put } from "./dom.js";
import { formatShort } from "./money.js";
import { DAYS, percent } from "./days.js";

const SHOWN_CHANNELS = 6;
const DAY_MS = 86_400_000;

export class Figures {
  /** `channels`: their Names. */
  constructor(shell, channels) {
    this.shell = shell;
    this.channels = channels;
    this.found = null;
  }

  async read() {
    const [shares, days, open, missing] = await Promise.all([
      get("donation", "/reconciliation/shares", {}, { tries: 0 }),
      get("donation", "/reconciliation/days", { limit: DAYS }, { tries: 0 }),
      get("donation", "/reconciliation/breaks", { state: "open", limit: 1 }, { tries: 0 }),
      get("donation", "/reconciliation/missing-bills", {}, { tries: 0 }),
    ]);
    this.found = { shares, days, oldest: open.items[0], owed: byChannel(missing) };
    this.render();
  }

  /** How a day without a bill stands: "missing", "terms" (nothing was agreed), or null: none is owed yet. */
  owes({ channel, day }) {
    const owed = this.found?.owed.get(channel);
    return owed?.days.includes(day) ? (owed.terms ? "terms" : "missing") : null;
  }

  render() {
    if (this.found === null) return;
    const { say, code } = this.shell;
    const { shares, days, oldest, owed } = this.found;
    const sum = (name) => shares.reduce((all, each) => all + BigInt(each[name]), 0n);
    const [ours, matched] = [sum("ours_fen"), sum("matched_fen")];
    const share = ours > 0n ? Number((matched * 10_000n) / ours) / 10_000 : null;
    show("share", share === null ? "—" : percent(share), say("shareOf", formatShort(matched, code), formatShort(ours, code)), share === null ? "" : matched === ours ? "good" : "warn");
    const breaks = days.reduce((all, day) => all + countOf(day.open_breaks), 0);
    const age = oldest ? Date.now() - Date.parse(oldest.opened_at) : 0;
    show("oldest", oldest ? this.shell.duration(age) : "—", oldest ? say("openNow", breaks, this.channels.titleOf(oldest.channel)) : say("noBreaks"), oldest ? (age > DAY_MS ? "alarm" : "warn") : "good");
    const channels = [...owed].map(([channel, each]) => ({ channel, ...each }));
    const count = channels.reduce((all, each) => all + each.days.length, 0);
    const unagreed = channels.filter((each) => each.terms).length;
    show("missing", String(count), count === 0 ? say("allCame") : say("missingOf", channels.length, unagreed), count > 0 ? "alarm" : "good");
    const lines = channels.slice(0, SHOWN_CHANNELS).map((each) => this.line(each));
    if (channels.length > SHOWN_CHANNELS) lines.push(element("li", { class: "dim" }, say("moreChannels", channels.length - SHOWN_CHANNELS)));
    at("owed").hidden = lines.length === 0;
    at("owed").replaceChildren(...lines);
  }

  line({ channel, days, terms }) {
    const { say } = this.shell;
    const spans = ranges(days).map(([first, last]) => (first === last ? first : say("span", first, last)));
    return element("li", {}, element("b", {}, this.channels.fullOf(channel)), " ", say("lacks", days.length), " ", spans.join(say("between")), terms ? element("span", { class: "badge", data: { level: "alarm" } }, say("noTerms")) : null);
  }
}

/** Missing bills as channel → {days, terms}, each channel's days from the first on; what has no terms first. */
export function byChannel(missing) {
  const owed = new Map();
  const ordered = [...missing].sort((one, other) => other.terms_missing - one.terms_missing || one.channel.localeCompare(other.channel) || one.day.localeCompare(other.day));
  for (const { channel, day, terms_missing } of ordered) {
    const each = owed.get(channel) ?? { days: [], terms: terms_missing };
    each.days.push(day);
    owed.set(channel, each);
  }
  return owed;
}

/** Days in order as [first, last] of those in a row: 01, 02, 04 → [01, 02], [04, 04]. */
export function ranges(days) {
  const spans = [];
  for (const day of days) {
    const span = spans.at(-1);
    if (span && Date.parse(day) - Date.parse(span[1]) === DAY_MS) span[1] = day;
    else spans.push([day, day]);
  }
  return spans;
}

const countOf = (open) => Object.values(open).reduce((all, n) => all + Number(n), 0);

function show(id, value, hint, level) {
  const node = at(id);
  node.dataset.level = level;
  put(node.querySelector(".value"), value);
  put(node.querySelector(".hint"), hint);
}
