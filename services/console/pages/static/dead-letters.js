// The dead letters page: why a record could not be used and where it lies; sent again, or set aside with a reason.

import { get, post, Trouble } from "./api.js";
import { decide, refusals } from "./cases.js";
import { at, element } from "./dom.js";
import { Live } from "./live.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { DEAD_LETTERS_TEXTS } from "./texts/dead-letters.js";
import { stampOf } from "./time.js";

const ADVICE = { "in-the-future": "adviceLater", "reversal-conflict": "adviceReversal", "reversal-too-large": "adviceReversal", "unknown-type": "adviceVersion", "unusable-event": "adviceVersion" };
const BULK = 200;

const shell = new Shell(DEAD_LETTERS_TEXTS, () => table.render());
const { say } = shell;

const why = (row) => say("whys")[row.reason] ?? row.reason;
const place = (row) => `${row.partition} : ${row.offset}`;
const about = (row) => `${row.topic} · ${place(row)} · ${why(row)}`;
const placeOf = ({ topic, partition, offset }) => ({ topic, partition, offset });
const isOpen = (row) => row.replayed_at === null && row.set_aside_at === null;

function state(row) {
  if (row.replayed_at !== null) return say("replayedState", row.replayed_by, stampOf(row.replayed_at));
  if (row.set_aside_at !== null) return say("asideState", row.set_aside_by, row.set_aside_reason);
  return say("openState");
}

const actions = [];
if (shell.has("desk")) actions.push({ key: "s", title: "replay", main: true, when: (row) => row.replayed_at === null, run: replay });
if (shell.has("desk", "finance")) actions.push({ key: "a", title: "setAside", when: isOpen, run: setAside });

const table = new Table(at("table"), shell, {
  name: "dead-letters",
  source: { service: "donation", path: "/dead-letters" },
  id: (row) => `${row.topic}/${row.partition}:${row.offset}`,
  pageSize: BULK,
  columns: [
    { key: "failed_at", title: "failedAt", kind: "time" },
    { key: "reason", title: "why", cell: why },
    { key: "topic", title: "topic" },
    { key: "offset", title: "place", cell: place, value: place },
    { key: "detail", title: "detail", wide: true, cell: (row) => shell.rule(row.detail), value: (row) => row.detail },
    { key: "state", title: "state", cell: state, wide: true },
  ],
  filters: [
    { name: "shown", title: "which", kind: "select", any: "openState", options: () => Object.entries(say("shown")) },
    { name: "topic", title: "topic", kind: "text", placeholder: "intake.…" },
    { name: "reason", title: "why", kind: "select", options: () => Object.entries(say("whys")) },
    { name: "before", title: "failedUntil", kind: "day", end: true },
  ],
  actions,
  open,
  empty: "emptyHint",
});

/** Sent at once: what counts is counted once, however often it is sent. */
async function replay(rows) {
  const { items } = (await post("donation", "/dead-letters/replay", { letters: rows.map(placeOf) })).body;
  const done = items.filter((item) => item.outcome === "done").length;
  if (done > 0) notice(shell, say("replayed", done));
  if (done < items.length) new Sheet(shell, say("notSent"), ...refusals(shell, rows, items, about)).open();
}

function setAside(rows) {
  return decide(shell, {
    title: say("setAsideTitle", rows.length),
    hint: say("setAsideHint"),
    submit: "setAside",
    rows,
    about,
    send: async (chosen, reason, key) => (await post("donation", "/dead-letters/set-aside", { letters: chosen.map(placeOf), reason }, { key })).body.items,
  });
}

function open(row) {
  const list = facts([
    [say("why"), why(row)],
    [say("detail"), shell.rule(row.detail)],
    [say("advice"), isOpen(row) ? say(ADVICE[row.reason] ?? "adviceContent") : null],
    [say("topic"), element("span", { class: "mono" }, row.topic)],
    [say("place"), element("span", { class: "mono" }, place(row))],
    [say("failedAt"), stampOf(row.failed_at)],
    [say("state"), state(row)],
  ]);
  new Sheet(shell, say("title"), list, ...(shell.has("finance") ? [lookAt(row)] : [])).open();
}

/** The content is asked for by a button of its own, because each look is written down. */
function lookAt(row) {
  const button = element("button", { type: "button" }, say("look"));
  const node = element("div", { class: "look" }, element("p", { class: "dim" }, say("lookHint")), button);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      node.replaceChildren(...contentOf(await get("donation", `/dead-letters/${row.topic}/${row.partition}/${row.offset}`)));
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      button.disabled = false;
      node.append(element("p", { class: "wrong" }, shell.words(trouble)));
    }
  });
  return node;
}

function contentOf({ key, value, headers, looks }) {
  const text = (part) => part?.text ?? part?.base64 ?? "";
  return [
    element("h3", {}, `${say("content")}${value ? ` · ${say("size", value.size_bytes, value.cut)}` : ""}`),
    element("pre", { class: "content", tabindex: "0" }, text(value)),
    facts([
      [say("key"), key ? element("span", { class: "mono" }, text(key)) : null],
      [say("headers"), headers.map((each) => `${each.name}: ${text(each.value)}`).join("; ")],
      [say("looks"), shell.list(looks.map((each) => `${each.person} ${stampOf(each.at)}`))],
    ]),
  ];
}

new Live(shell, 4_000, () => table.read());
