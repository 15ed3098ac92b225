// The audit page: the log as a table, a row's details, and the check of the whole chain.

import { get, Trouble } from "./api.js";
import { at, put } from "./dom.js";
import { Live } from "./live.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { AUDIT_TEXTS } from "./texts/audit.js";
import { stampOf } from "./time.js";

const shell = new Shell(AUDIT_TEXTS, () => table.render());
const { say } = shell;
const SERVICES = ["donation", "campaign", "notification", "reporting"];

const kind = (row) => say("kinds")[row.kind] ?? row.kind;
const act = (row) => (row.method ? `${row.method} ${row.path}` : "");
const summary = (row) => say("said", row.summary);
const service = (row) => (row.service ? say("services")[row.service] : "");

const table = new Table(at("table"), shell, {
  name: "audit",
  source: { service: "console", path: "/audit" },
  id: (row) => row.sequence,
  level: (row) => (row.status >= 400 || ["sign-in-failed", "locked-out"].includes(row.kind) ? "warn" : ""),
  columns: [
    { key: "sequence", title: "sequence", kind: "number" },
    { key: "at", title: "at", kind: "time" },
    { key: "person", title: "person" },
    { key: "kind", title: "kind", cell: kind },
    { key: "service", title: "service", cell: service },
    { key: "path", title: "act", cell: act, wide: true },
    { key: "summary", title: "summary", cell: summary, value: (row) => row.summary, wide: true },
    { key: "status", title: "status", kind: "number" },
    { key: "address", title: "address" },
  ],
  filters: [
    { name: "person", title: "person", kind: "text" },
    { name: "kind", title: "kind", kind: "select", options: () => Object.entries(say("kinds")) },
    { name: "service", title: "service", kind: "select", options: () => SERVICES.map((each) => [each, say("services")[each]]) },
    { name: "outcome", title: "outcome", kind: "select", options: () => Object.entries(say("outcomes")) },
    { name: "from", title: "from", kind: "day" },
    { name: "to", title: "to", kind: "day", end: true },
  ],
  open: (row) => new Sheet(shell, `${say("sequence")} ${row.sequence}`, details(row)).open(),
  empty: "emptyHint",
});

function details(row) {
  return facts([
    [say("at"), stampOf(row.at)],
    [say("person"), row.person],
    [say("rolesHeld"), row.roles.join(", ")],
    [say("kind"), kind(row)],
    [say("service"), service(row)],
    [say("act"), act(row)],
    [say("summary"), summary(row)],
    [say("status"), row.status === null ? "" : String(row.status)],
    [say("address"), row.address],
    [say("key"), row.idempotency_key],
    [say("hash"), row.hash],
  ]);
}

at("check").addEventListener("click", async () => {
  put(at("checked"), say("checking"));
  try {
    const found = await get("console", "/audit/check");
    put(at("checked"), found.whole ? say("whole", found.rows, found.head_hash.slice(0, 16)) : say("broken", found.broken_at));
    at("checked").dataset.level = found.whole ? "good" : "alarm";
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    put(at("checked"), shell.words(trouble));
  }
});

new Live(shell, 5_000, () => table.read());
