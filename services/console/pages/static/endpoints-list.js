// The endpoints as a table, each with how it gets on; pausing with a reason, and resuming.

import { post } from "./api.js";
import { at } from "./dom.js";
import { endpointForm } from "./endpoint-forms.js";
import { openEndpoint } from "./endpoint-sheet.js";
import { healthOf, stateOf } from "./endpoint-words.js";
import { Form } from "./form.js";
import { notice, takeBack } from "./notice.js";
import { Sheet } from "./sheet.js";
import { Table } from "./table.js";

/** `again()` asks for the list at once; `campaigns`: their Names. */
export function endpointsTable(shell, again, campaigns) {
  const { say } = shell;
  const may = shell.has("administrator");
  const pause = (rows) => pauseSheet(shell, rows, again);
  const resume = (rows) => resumeEach(shell, rows, again);
  if (may) {
    const register = () => endpointForm(shell, null, { again, campaigns }).catch(shell.alarm.bind(shell));
    at("register").hidden = false;
    at("register").addEventListener("click", register);
    shell.keys.on("a", "register", register);
  }
  return new Table(at("table"), shell, {
    name: "partners",
    source: { service: "notification", path: "/webhook-endpoints" },
    exportPage: 200,
    id: (row) => row.endpoint_id,
    level: (row) => (row.state === "disabled" ? "alarm" : row.state === "active" && !row.slowed_at ? "" : "warn"),
    columns: [
      { key: "description", title: "partner" },
      { key: "url", title: "url", wide: true },
      { key: "state", title: "state", cell: (row) => stateOf(shell, row) },
      { key: "health", title: "health", cell: (row) => healthOf(shell, row), value: (row) => healthOf(shell, row), wide: true },
      { key: "waiting", title: "waiting", kind: "number" },
      { key: "exhausted", title: "exhausted", kind: "number" },
      { key: "last_delivered_at", title: "lastDelivered", kind: "time" },
      { key: "reason", title: "reason", cell: (row) => say("reasons")[row.reason] ?? row.reason ?? "", wide: true },
    ],
    filters: [{ name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) }],
    actions: may
      ? [
          { key: "s", title: "pause", when: (row) => row.state === "active", run: pause },
          { key: "u", title: "resume", when: (row) => ["paused", "disabled"].includes(row.state) || Boolean(row.slowed_at), run: resume },
        ]
      : [],
    open: (row) => openEndpoint(shell, row.endpoint_id, { again, pause, resume, campaigns }),
    empty: may ? "emptyRegister" : "emptyAsk",
  });
}

const pathOf = (row) => `/webhook-endpoints/${row.endpoint_id}`;
const namesOf = (rows) => rows.map((row) => row.description).join(", ");

function pauseSheet(shell, rows, again) {
  const { say } = shell;
  const form = new Form(shell, {
    fields: [{ name: "reason", title: "reason", hint: "pauseHint", required: true, attributes: { maxlength: 200 } }],
    submit: "pause",
    send: async (values, key) => {
      for (const row of rows) await post("notification", `${pathOf(row)}/pause`, values, { key: `${key}.${row.endpoint_id}` });
    },
    done: () => {
      sheet.close();
      const back = async () => {
        for (const row of rows) await post("notification", `${pathOf(row)}/resume`, null);
      };
      notice(shell, say("paused", namesOf(rows)), { undo: () => takeBack(shell, back, again), ms: 10_000 });
      again();
    },
  });
  const sheet = new Sheet(shell, say("pauseTitle", namesOf(rows)), form.node).open();
  return false;
}

/** What was sent since can't be taken back, the pause can be put back. */
async function resumeEach(shell, rows, again) {
  for (const row of rows) await post("notification", `${pathOf(row)}/resume`, null);
  const paused = rows.filter((row) => row.state === "paused");
  const back = async () => {
    for (const row of paused) await post("notification", `${pathOf(row)}/pause`, row.reason ? { reason: row.reason } : null);
  };
  notice(shell, shell.say("resumed", namesOf(rows)), paused.length === rows.length ? { undo: () => takeBack(shell, back, again), ms: 10_000 } : {});
  again();
}
