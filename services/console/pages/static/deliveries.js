// The delivery log: each event for each endpoint, its attempts and what the partner answered; sending again.

import { get, post, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { typeOf } from "./endpoint-words.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const LEVELS = { pending: "", sending: "", retry: "warn", delivered: "good", exhausted: "alarm", cancelled: "" };
const ENDPOINTS = 200;

/** `campaigns`: their Names. */
export function deliveriesTable(shell, again, campaigns) {
  const { say } = shell;
  const names = new Map();
  const table = new Table(at("table"), shell, {
    name: "deliveries",
    source: { service: "notification", path: "/webhook-deliveries", cursor: "before" },
    exportPage: 200,
    id: (row) => row.delivery_id,
    level: (row) => (row.state === "exhausted" ? "alarm" : row.state === "retry" ? "warn" : ""),
    columns: [
      { key: "created_at", title: "at", kind: "time" },
      { key: "endpoint_id", title: "partner", cell: (row) => names.get(row.endpoint_id) ?? row.endpoint_id.slice(0, 8) },
      { key: "type", title: "event", cell: (row) => typeOf(shell, row.type) },
      { key: "event_id", title: "eventId" },
      { key: "campaign_id", title: "campaign", cell: (row) => campaigns.titleOf(row.campaign_id), value: (row) => row.campaign_id },
      { key: "state", title: "state", cell: (row) => stateOf(say, row) },
      { key: "attempts", title: "attempts", kind: "number" },
      { key: "next_attempt_at", title: "nextAttempt", kind: "time" },
      { key: "reason", title: "reason", cell: (row) => reasonOf(say, row.reason) },
    ],
    filters: [
      { name: "endpoint_id", title: "partner", kind: "select", options: () => [...names] },
      { name: "state", title: "state", kind: "select", options: () => Object.entries(say("deliveryStates")) },
      { name: "type", title: "event", kind: "select", options: () => Object.entries(say("types")).map(([type, words]) => [`org.shanliu.${type}.v1`, words]) },
      { name: "campaign_id", title: "campaign", kind: "text", attributes: campaigns.attributes },
      { name: "day", title: "day", kind: "day", asks: (day) => ({ day }) },
    ],
    actions: shell.has("desk") ? [{ key: "r", title: "resend", when: (row) => row.state === "exhausted", run: (rows) => resendEach(shell, rows) }] : [],
    open: (row) => openDelivery(shell, row, names),
    empty: "emptyDeliveries",
  });
  // The filter of the address has its choices only once the names are known.
  const readRows = table.read.bind(table);
  table.read = async (options) => {
    if (names.size === 0) {
      await readNames(names);
      table.readAddress();
    }
    await readRows(options);
  };
  return table;
}

async function readNames(names) {
  for (const state of [undefined, "deleted"]) {
    const { items } = await get("notification", "/webhook-endpoints", { state, limit: ENDPOINTS });
    for (const each of items) names.set(each.endpoint_id, each.description);
  }
}

const stateOf = (say, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] } }, say("deliveryStates")[row.state]);
const reasonOf = (say, reason) => say("outcomes")[reason] ?? say("reasons")[reason] ?? reason ?? "";

async function resendEach(shell, rows) {
  for (const row of rows) await post("notification", `/webhook-deliveries/${row.delivery_id}/resend`, null);
  notice(shell, shell.say("resent", rows.length));
}

async function openDelivery(shell, row, names) {
  const { say } = shell;
  try {
    const { delivery, body, history } = await get("notification", `/webhook-deliveries/${row.delivery_id}`);
    const lines = history.map((each) => [
      `${each.attempt} · ${stampOf(each.started_at)}`,
      [say("outcomes")[each.outcome] ?? each.outcome, each.status, `${each.duration_ms} ms`, each.answer].filter(Boolean).join(" · "),
    ]);
    const sheet = new Sheet(
      shell,
      typeOf(shell, delivery.type),
      facts([
        [say("state"), stateOf(say, delivery)],
        [say("partner"), names.get(delivery.endpoint_id)],
        [say("eventId"), delivery.event_id],
        [say("reason"), reasonOf(say, delivery.reason)],
        [say("nextAttempt"), delivery.next_attempt_at && stampOf(delivery.next_attempt_at)],
      ]),
      element("h3", {}, say("history")),
      lines.length > 0 ? facts(lines) : element("p", { class: "dim" }, say("noAttempt")),
      element("h3", {}, say("sentBody")),
      element("pre", { class: "mono sent", tabindex: "0" }, JSON.stringify(body, (_, value) => (typeof value === "bigint" ? Number(value) : value), 2)),
    );
    sheet.node.classList.add("large");
    sheet.open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}
