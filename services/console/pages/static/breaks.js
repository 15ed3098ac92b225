// The differences: a person of finance resolves one with a reason, or has what is missing here booked.

import { get, post, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { Form } from "./form.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const LEVELS = { open: "alarm", settled: "good", resolved: "good" };
const BOOKABLE = ["missing_here", "refund_missing_here"];

/** `again()` asks for the list at once; `names`: {campaigns, channels}, their Names. */
export function breaksTable(shell, again, names) {
  const { say } = shell;
  const resolve = (rows) => resolveSheet(shell, rows, again, names.channels);
  const book = (rows) => bookSheet(shell, rows, again, names);
  return new Table(at("table"), shell, {
    name: "breaks",
    source: { service: "donation", path: "/reconciliation/breaks", query: { state: "open" } },
    id: (row) => row.break_id,
    columns: [
      { key: "day", title: "day" },
      { key: "channel", title: "channel", cell: (row) => names.channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "kind", title: "kind", cell: (row) => say("kinds")[row.kind] },
      { key: "transaction_id", title: "transaction" },
      { key: "ours_fen", title: "oursFen", kind: "money" },
      { key: "theirs_fen", title: "billFen", kind: "money" },
      { key: "campaign_id", title: "campaign", cell: (row) => names.campaigns.titleOf(row.campaign_id), value: (row) => row.campaign_id },
      { key: "state", title: "state", cell: (row) => stateOf(say, row) },
      { key: "opened_at", title: "openedAt", kind: "time" },
      { key: "reason", title: "reason", wide: true },
    ],
    filters: [
      { name: "state", title: "state", kind: "select", required: true, options: () => Object.entries(say("states")) },
      { name: "kind", title: "kind", kind: "select", options: () => Object.entries(say("kinds")) },
      { name: "channel", title: "channel", kind: "text", attributes: names.channels.attributes },
      { name: "day", title: "day", kind: "day", asks: (day) => ({ day }) },
    ],
    actions: shell.has("finance")
      ? [
          { key: "e", title: "resolve", main: true, when: (row) => row.state === "open", run: resolve },
          { key: "b", title: "book", when: bookable, run: book },
        ]
      : [],
    open: (row) => openBreak(shell, row, { resolve, book, names }),
    empty: "emptyBreaks",
  });
}

const bookable = (row) => row.state === "open" && BOOKABLE.includes(row.kind) && !row.asked_at;
const stateOf = (say, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] } }, row.state === "open" && row.asked_at ? say("asked") : say("states")[row.state]);
const yuanOf = (fen) => (fen === null ? null : `¥${formatYuan(fen)}`);

function resolveSheet(shell, rows, again, channels) {
  const { say } = shell;
  const form = new Form(shell, {
    fields: [{ name: "reason", title: "reason", kind: "area", required: true, hint: "resolveHint", attributes: { maxlength: 200 } }],
    submit: "resolve",
    send: async (values, key) => {
      for (const row of rows) await post("donation", `/reconciliation/breaks/${row.break_id}/resolve`, values, { key: `${key}.${row.break_id}` });
    },
    done: () => {
      sheet.close();
      notice(shell, say("resolved", rows.length));
      again();
    },
  });
  const sheet = new Sheet(shell, say("resolveTitle", rows.length), listOf(shell, rows, channels), form.node).open();
  return false;
}

/** One that knows what the money was for needs nothing; for others the campaign is asked. */
function bookSheet(shell, rows, again, { campaigns, channels }) {
  const { say } = shell;
  const asks = rows.some((row) => row.kind === "missing_here" && row.campaign_id === null);
  const form = new Form(shell, {
    fields: asks ? [{ name: "campaign_id", title: "campaign", required: true, hint: "campaignHint", attributes: campaigns.attributes }] : [],
    submit: "book",
    send: async (values, key) => {
      for (const row of rows) {
        const body = row.kind === "missing_here" && row.campaign_id === null ? values : {};
        await post("donation", `/reconciliation/breaks/${row.break_id}/book`, body, { key: `${key}.${row.break_id}` });
      }
    },
    done: () => {
      sheet.close();
      notice(shell, say("booked", rows.length));
      again();
    },
  });
  const sheet = new Sheet(shell, say("bookTitle", rows.length), element("p", {}, say("bookHint")), listOf(shell, rows, channels), form.node).open();
  return false;
}

const listOf = ({ say }, rows, channels) => facts(rows.map((row) => [`${channels.titleOf(row.channel)} ${row.day}`, `${say("kinds")[row.kind]} · ${row.transaction_id} · ${yuanOf(row.ours_fen) ?? "—"} / ${yuanOf(row.theirs_fen) ?? "—"}`]));

async function openBreak(shell, row, acts) {
  const { say } = shell;
  try {
    const found = await get("donation", `/reconciliation/breaks/${row.break_id}`);
    const button = (key, run, kind) => element("button", { type: "button", class: kind, onclick: run }, say(key));
    const buttons = [
      shell.has("finance") && found.state === "open" ? button("resolve", () => acts.resolve([found]), "main") : null,
      shell.has("finance") && bookable(found) ? button("book", () => acts.book([found]), null) : null,
    ].filter(Boolean);
    const lines = found.history.map((each) => [stampOf(each.at), [say("whats")[each.what] ?? each.what, each.who, each.reason].filter(Boolean).join(" · ")]);
    const sheet = new Sheet(
      shell,
      `${say("kinds")[found.kind]} · ${acts.names.channels.fullOf(found.channel)} ${found.day}`,
      element("div", { class: "sheet-buttons", hidden: buttons.length === 0 }, ...buttons),
      element("p", { class: "dim" }, say("whatToDo")[found.kind]),
      facts([
        [say("state"), stateOf(say, found)],
        [say("transaction"), found.transaction_id],
        [say("refund"), found.reversal_id],
        [say("oursFen"), yuanOf(found.ours_fen) ?? "—"],
        [say("billFen"), yuanOf(found.theirs_fen) ?? "—"],
        [say("campaign"), acts.names.campaigns.titleOf(found.campaign_id)],
        [say("occurredAt"), stampOf(found.occurred_at)],
        [say("openedAt"), stampOf(found.opened_at)],
        [say("closedAt"), found.closed_at && `${stampOf(found.closed_at)} · ${found.closed_by}`],
        [say("reason"), found.reason],
      ]),
      element("h3", {}, say("history")),
      facts(lines),
    );
    sheet.node.classList.add("large");
    sheet.open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}
