// Thank-you messages that did not arrive: by reason above, one by one below; sending again.

import { get, post, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const LEVELS = { delivered: "good", failed: "alarm", uncertain: "warn", retry: "warn" };

/** `again()` asks for the list at once; `campaigns`, `channels`: their Names. */
export function thanksTable(shell, again, campaigns, channels) {
  const { say } = shell;
  const may = shell.has("desk");
  const table = new Table(at("table"), shell, {
    name: "thanks",
    source: { service: "notification", path: "/messages", items: "messages", query: { state: "failed" } },
    id: (row) => row.donation_id,
    columns: [
      { key: "created_at", title: "at", kind: "time" },
      { key: "campaign_id", title: "campaign", cell: (row) => campaigns.titleOf(row.campaign_id), value: (row) => row.campaign_id },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "way", title: "way", cell: (row) => say("waysOf")[row.way] },
      { key: "contact", title: "contact", cell: (row) => row.contact ?? say("contactGone") },
      { key: "amount_fen", title: "amount", kind: "money" },
      { key: "state", title: "state", cell: (row) => stateOf(say, row) },
      { key: "reason", title: "reason", cell: (row) => say("thanksReasons")[row.reason] ?? row.reason ?? "" },
      { key: "attempts", title: "attempts", kind: "number" },
    ],
    filters: [
      { name: "state", title: "state", kind: "select", required: true, options: () => Object.entries(say("messageStates")) },
      { name: "reason", title: "reasonCode", kind: "text", placeholder: "no_template" },
      { name: "way", title: "way", kind: "select", options: () => Object.entries(say("waysOf")) },
      { name: "campaign_id", title: "campaign", kind: "text", attributes: campaigns.attributes },
      { name: "day", title: "day", kind: "day", asks: (day) => ({ day }) },
    ],
    actions: may ? [{ key: "r", title: "resend", when: (row) => ["failed", "uncertain"].includes(row.state) && row.contact, run: (rows) => resendEach(shell, rows) }] : [],
    open: (row) => openMessage(shell, row, campaigns),
    empty: "emptyThanks",
  });
  const readRows = table.read.bind(table);
  table.read = async (options) => {
    const troubles = await get("notification", "/messages/troubles", {}, { tries: 0 });
    showTroubles(shell, troubles, again, campaigns);
    await readRows(options);
  };
  return table;
}

const stateOf = (say, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] ?? "" } }, say("messageStates")[row.state] ?? row.state);

async function resendEach(shell, rows) {
  for (const row of rows) await post("notification", `/messages/${row.donation_id}/resend`, { attempts: row.attempts });
  notice(shell, shell.say("resent", rows.length));
}

/** What failed for certain is sent again all at once; what is in doubt only one by one. */
function showTroubles(shell, troubles, again, campaigns) {
  const { say } = shell;
  at("troubles").hidden = troubles.length === 0;
  const lines = troubles.map((each) => {
    const words = say("troubleIs", each.messages, each.with_contact, stampOf(each.oldest_at));
    const can = shell.has("desk") && each.state === "failed" && each.with_contact > 0;
    const button = can ? element("button", { type: "button", onclick: () => resendAll(shell, each, again) }, say("resendAll", each.with_contact)) : null;
    const name = `${say("thanksReasons")[each.reason] ?? each.reason} · ${say("messageStates")[each.state] ?? each.state} · ${say("waysOf")[each.way]} · ${campaigns.titleOf(each.campaign_id)}`;
    return [name, element("span", {}, `${words} `, button ?? "")];
  });
  const key = JSON.stringify([shell.code, troubles]);
  if (at("troubles-list").dataset.key === key) return;
  at("troubles-list").dataset.key = key;
  at("troubles-list").replaceChildren(facts(lines));
}

async function resendAll(shell, trouble, again) {
  const { say } = shell;
  const { reason, campaign_id, way } = trouble;
  try {
    const { body } = await post("notification", "/messages/resend", { reason, campaign_id, way });
    notice(shell, body.left > 0 ? say("resentOf", body.queued, body.left) : say("resent", body.queued));
  } catch (failed) {
    if (!(failed instanceof Trouble)) throw failed;
    shell.alarm(failed);
  }
  again();
}

async function openMessage(shell, row, campaigns) {
  const { say } = shell;
  try {
    const message = await get("notification", `/messages/${row.donation_id}`);
    const lines = message.history.map((each) => [
      `${each.attempt} · ${stampOf(each.started_at)}`,
      [say("thanksOutcomes")[each.outcome] ?? each.outcome, each.reason, each.report, each.requested_by].filter(Boolean).join(" · "),
    ]);
    new Sheet(
      shell,
      say("thanksFor", formatYuan(message.amount_fen)),
      facts([
        [say("state"), stateOf(say, message)],
        [say("reason"), say("thanksReasons")[message.reason] ?? message.reason],
        [say("contact"), message.contact ?? say("contactGone")],
        [say("campaign"), campaigns.titleOf(message.campaign_id)],
        [say("donation"), element("a", { href: `/donations?find=${message.donation_id}` }, message.donation_id)],
        [say("occurredAt"), stampOf(message.occurred_at)],
      ]),
      element("h3", {}, say("history")),
      lines.length > 0 ? facts(lines) : element("p", { class: "dim" }, say("noAttempt")),
    ).open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}
