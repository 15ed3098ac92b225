// Parts that the pages about single donations share: how one stands, and a decision with its reason about many.

import { element, put } from "./dom.js";
import { Form } from "./form.js";
import { formatPlain } from "./money.js";
import { notice } from "./notice.js";
import { Sheet } from "./sheet.js";

/** How a donation stands: a word, why it is held, what went back, whether it is in conflict. */
export function statusCell(shell, row) {
  const { say } = shell;
  const partly = row.status === "received" && row.reversed_fen > 0n;
  const words = [
    say("statuses")[row.status],
    row.status === "held" ? say("heldReasons")[row.held_reason] : null,
    partly ? say("partlyBack", formatPlain(row.reversed_fen)) : null,
    row.conflicted ? say("conflicted") : null,
  ];
  return words.filter(Boolean).join(" · ");
}

export const receiptCell = (row) => row.receipt ?? "";

/**
 * Ask for a reason and do one thing to all of `rows`. `send(rows, reason, key)` gives the answers of the service in
 * the order asked. Gives whether anything was sent: false when the person closed the sheet.
 */
export function decide(shell, { title, submit, rows, about, send, hint }) {
  const { say } = shell;
  return new Promise((done) => {
    let sent = false;
    const form = new Form(shell, {
      fields: [{ name: "reason", title: "reason", kind: "area", required: true, hint: "reasonHint", attributes: { maxlength: "200", rows: "2" } }],
      submit,
      send: (values, key) => send(rows, values.reason, key),
      done: (items) => {
        sent = true;
        const not = items.filter((item) => item.outcome !== "done");
        if (not.length === 0) {
          notice(shell, say("allDone", items.length));
          sheet.close();
          return;
        }
        form.node.replaceChildren(...refusals(shell, rows, items, about));
      },
    });
    const list = element("ul", { class: "undecided" }, ...rows.map((row) => element("li", {}, about(row))));
    const sheet = new Sheet(shell, title, hint ? element("p", { class: "dim" }, hint) : null, list, form.node);
    sheet.node.addEventListener("ended", () => done(sent));
    sheet.open();
    form.inputs.get("reason").input.focus();
  });
}

/** What was not done, and why, one line each. */
export function refusals(shell, rows, items, about) {
  const { say } = shell;
  const not = items.map((item, i) => [item, rows[i]]).filter(([item]) => item.outcome !== "done");
  const head = element("p", { class: "wrong", role: "alert" });
  put(head, say("someDone", items.length - not.length, not.length));
  const lines = not.map(([item, row]) => element("li", {}, `${about(row)} — ${say("codes")[item.code] ?? item.detail}`));
  return [head, element("ul", { class: "undecided" }, ...lines)];
}
