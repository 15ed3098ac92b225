// A report as it is frozen (shared/events/documents.py): whatever tables stand in it, by what their columns hold.

import { element } from "./dom.js";
import { formatYuan } from "./money.js";

/** What stands in a cell of a column. */
export function cellText(kind, value) {
  if (value === null || value === undefined) return "";
  if (kind === "fen") return formatYuan(BigInt(value));
  if (kind === "count") return Number(value).toLocaleString("en-US");
  if (kind === "basis_points") return `${(Number(value) / 100).toFixed(2)}\u00a0%`;
  return String(value);
}

function tableOf(shell, table) {
  const english = shell.code === "en";
  const right = (column) => (["fen", "count", "basis_points"].includes(column.kind) ? "n" : null);
  const head = table.columns.map((column) => element("th", { scope: "col", class: right(column) }, english ? column.label_en : column.label));
  const rows = table.rows.map((row) => element("tr", { class: row.level }, ...table.columns.map((column, i) => element("td", { class: right(column) }, cellText(column.kind, row.cells[i])))));
  const title = english ? table.title_en : table.title;
  return element(
    "section",
    {},
    element("h3", {}, title),
    table.about ? element("p", { class: "about" }, table.about) : null,
    element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows))),
  );
}

/** Everything that a document says. Texts: corrected(reason), changes, notes. */
export function reportView(shell, document) {
  const { say } = shell;
  const changed = document.corrects;
  const nameOf = (id) => document.tables.find((table) => table.id === id)?.title ?? id;
  const change = (each) => element("li", {}, `${nameOf(each.table)} · ${each.row} · ${each.column}：${cellText(each.kind, each.before) || "—"} → ${cellText(each.kind, each.after) || "—"}`);
  return element(
    "div",
    { class: "report" },
    changed ? element("p", { class: "warn-text" }, say("corrected", changed.reason)) : null,
    changed ? element("ul", { class: "notes" }, ...changed.changes.slice(0, 50).map(change)) : null,
    ...document.remarks.map((remark) => element("p", {}, remark)),
    ...document.tables.map((table) => tableOf(shell, table)),
    element("ul", { class: "notes", "aria-label": say("notes") }, ...document.notes.map((note) => element("li", {}, note))),
  );
}
