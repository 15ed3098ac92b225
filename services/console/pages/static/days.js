// How the days stand, by channel; a day leads to its differences.

import { at } from "./dom.js";
import { formatYuan } from "./money.js";
import { Table } from "./table.js";

export const DAYS = 500;

/** 1 → "100 %", 0.99999 → "99.99 %": never more than there is. */
export const percent = (share) => `${(Math.floor(share * 10_000) / 100).toFixed(2).replace(/\.00$/, "")} %`;

/** `owes(row)` says of a day without a bill what it is: "missing", "terms", or null; `channels`: their Names. */
export function daysTable(shell, owes, channels) {
  const { say } = shell;
  const billed = (row) => (row.bill_id === null ? say({ missing: "notCome", terms: "noTerms" }[owes(row)] ?? "notOwed") : formatYuan(row.payments_fen));
  return new Table(at("table"), shell, {
    name: "reconciliation",
    source: { service: "donation", path: "/reconciliation/days", query: { limit: DAYS }, whole: (rows) => rows },
    id: (row) => `${row.day} ${row.channel}`,
    level: (row) => (breaksOf(say, row) || (row.bill_id === null && owes(row)) ? "warn" : ""),
    columns: [
      { key: "day", title: "day" },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "share", title: "share", cell: (row) => (row.share === null ? "" : percent(row.share)) },
      { key: "ours", title: "ours", kind: "number" },
      { key: "ours_fen", title: "oursFen", kind: "money" },
      { key: "matched_fen", title: "matchedFen", kind: "money" },
      { key: "payments_fen", title: "billFen", kind: "money", cell: billed },
      { key: "refunds_fen", title: "refundsFen", kind: "money" },
      { key: "fees_fen", title: "feesFen", kind: "money" },
      { key: "open_breaks", title: "breaks", cell: (row) => breaksOf(say, row), value: (row) => breaksOf(say, row) },
    ],
    filters: [
      { name: "channel", title: "channel", kind: "text", attributes: channels.attributes },
      { name: "first", title: "from", kind: "day", asks: (first) => ({ first }) },
      { name: "last", title: "to", kind: "day", asks: (last) => ({ last }) },
    ],
    open: (row) => location.assign(`/reconciliation?${new URLSearchParams({ view: "breaks", channel: row.channel, day: row.day })}`),
    empty: "emptyDays",
  });
}

const breaksOf = (say, row) => Object.entries(row.open_breaks).map(([kind, n]) => `${say("kinds")[kind]} ${n}`).join(say("between"));
