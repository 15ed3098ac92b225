// Requests to erase a donor, newest first: another person than who asked carries one out, or refuses it, having typed
// its number. What is erased does not come back.

import { post, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Steps } from "./steps.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const LEVELS = { asked: "warn", done: "good", refused: "" };

/** `again()` asks for the list at once. */
export function erasuresTable(shell, again) {
  const { say } = shell;
  return new Table(at("table"), shell, {
    name: "erasures",
    source: { service: "donation", path: "/erasures" },
    exportPage: 200,
    id: (row) => row.erasure_id,
    columns: [
      { key: "asked_at", title: "askedAt", kind: "time" },
      { key: "reference", title: "reference" },
      { key: "donation_ids", title: "donations", kind: "number", cell: (row) => String(row.donation_ids.length), value: (row) => row.donation_ids.length },
      { key: "state", title: "state", cell: (row) => badge(say, row), value: (row) => say("states")[row.state] },
      { key: "asked_by", title: "askedBy" },
      { key: "decided_by", title: "decidedBy" },
      { key: "decided_at", title: "decidedAt", kind: "time" },
      { key: "restricted", title: "kept", cell: (row) => keptOf(say, row), value: (row) => row.restricted.map((each) => `${each.number} ${each.kept_until}`).join(" "), wide: true },
    ],
    filters: [{ name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) }],
    open: (row) => openErasure(shell, row, again),
    empty: shell.has("finance") ? "emptyAsk" : "emptyWait",
  });
}

const badge = (say, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] } }, say("states")[row.state]);
const keptOf = (say, row) => (row.restricted.length > 0 ? say("receiptsKept", row.restricted.length) : "");

function openErasure(shell, row, again) {
  const { say } = shell;
  const sees = shell.has("viewer", "desk", "finance");
  const ids = row.donation_ids.map((id) => element("li", { class: "mono" }, sees ? element("a", { href: `/donations?find=${id}` }, id) : id));
  const kept = row.restricted.map((each) => element("li", {}, element("span", { class: "mono" }, each.number), ` · ${say("keptUntil", each.kept_until)}`));
  const sheet = new Sheet(
    shell,
    `${say("erasure")} ${row.reference}`,
    facts([
      [say("state"), badge(say, row)],
      [say("askedBy"), `${row.asked_by} · ${stampOf(row.asked_at)}`],
      [say("decidedBy"), row.decided_by && `${row.decided_by} · ${stampOf(row.decided_at)}`],
      [say("donations"), element("ul", { class: "ids" }, ...ids)],
      [say("kept"), kept.length > 0 ? element("ul", {}, ...kept) : null],
    ]),
    row.state === "asked" ? decision(shell, row, again) : null,
  );
  sheet.node.classList.add("large");
  sheet.open();
}

/** What this person may do with a request that waits. */
function decision(shell, row, again) {
  const { say } = shell;
  if (!shell.has("approver")) return element("p", { class: "dim" }, say("approverDecides"));
  const steps = new Steps(shell, (name) => {
    notice(shell, say("decided", row.reference)[name], { ms: 10_000 });
    again();
  });
  const typed = [{ name: "typed", title: () => say("typeReference", row.reference), required: true, attributes: { autocapitalize: "off", spellcheck: "false" } }];
  const step = (name, title, options) =>
    steps.form(
      name,
      title,
      typed,
      ({ typed: text }, key) => {
        if (text !== row.reference) throw new Trouble(422, { errors: [{ field: "typed", message: say("typedOther") }] });
        return post("donation", `/erasures/${row.erasure_id}/${name}`, null, { key });
      },
      options,
    );
  const own = row.asked_by === shell.me.person;
  if (!own) step("carry-out", "carryOut", { danger: true });
  step("refuse", "refuse");
  return steps.node(say(own ? "anotherCarriesOut" : "carryOutHint", row.donation_ids.length));
}
