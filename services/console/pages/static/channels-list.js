// The channels as a table; pausing with a reason, and resuming.

import { post } from "./api.js";
import { openChannel } from "./channel-sheet.js";
import { registerSheet } from "./channel-forms.js";
import { campaignsOf, schemeOf, stateOf } from "./channel-words.js";
import { at } from "./dom.js";
import { Form } from "./form.js";
import { notice, takeBack } from "./notice.js";
import { Sheet } from "./sheet.js";
import { Table } from "./table.js";

/** `again()` asks for the list at once; `names`: {campaigns, organisations}, their Names. */
export function channelsTable(shell, again, names) {
  const { say } = shell;
  const may = shell.has("administrator");
  const open = (name) => openChannel(shell, name, { again, pause, resume, names });
  const pause = (rows) => pauseSheet(shell, rows, again);
  const resume = (rows) => resumeEach(shell, rows, again);
  if (may) {
    const register = () => registerSheet(shell, { again, open, names });
    at("register").hidden = false;
    at("register").addEventListener("click", register);
    shell.keys.on("a", "register", register);
  }
  return new Table(at("table"), shell, {
    name: "channels",
    source: { service: "donation", path: "/channels", whole: matching },
    id: (row) => row.channel,
    level: (row) => (row.state === "paused" ? "warn" : ""),
    columns: [
      { key: "channel", title: "channel" },
      { key: "title", title: "name" },
      { key: "scheme", title: "scheme", cell: (row) => schemeOf(shell, row) },
      { key: "state", title: "state", cell: (row) => stateOf(shell, row) },
      { key: "paused_reason", title: "reason", wide: true },
      { key: "limit_per_second", title: "limit", kind: "number" },
      { key: "campaigns", title: "campaigns", cell: (row) => campaignsOf(shell, row, names.campaigns), value: (row) => (row.campaigns ?? [say("all")]).join(" ") },
      { key: "organisation_id", title: "organisation", cell: (row) => names.organisations.titleOf(row.organisation_id), value: (row) => row.organisation_id },
    ],
    filters: [
      { name: "name", title: "channelOrName", kind: "text" },
      { name: "scheme", title: "scheme", kind: "select", options: () => Object.entries(say("schemes")) },
      { name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) },
    ],
    actions: may
      ? [
          { key: "s", title: "pause", when: (row) => row.state === "active", run: pause },
          { key: "u", title: "resume", when: (row) => row.state === "paused", run: resume },
        ]
      : [],
    open: (row) => open(row.channel),
    empty: may ? "emptyRegister" : "emptyAsk",
  });
}

const matching = (rows, { name = "", scheme, state }) =>
  rows.filter((row) => (!scheme || row.scheme === scheme) && (!state || row.state === state) && `${row.channel} ${row.title}`.toLowerCase().includes(name.toLowerCase()));

function pauseSheet(shell, rows, again) {
  const { say } = shell;
  const names = rows.map((row) => row.channel);
  const form = new Form(shell, {
    fields: [{ name: "reason", title: "reason", hint: "pauseHint", required: true, attributes: { maxlength: 200 } }],
    submit: "pause",
    send: (values, key) => each(names, "pause", values, key),
    done: () => {
      sheet.close();
      notice(shell, say("paused", names.join(", ")), { undo: () => takeBack(shell, () => each(names, "resume", {}), again), ms: 10_000 });
      again();
    },
  });
  const sheet = new Sheet(shell, say("pauseTitle", names.join(", ")), form.node).open();
  return false;
}

async function resumeEach(shell, rows, again) {
  const { say } = shell;
  const names = rows.map((row) => row.channel);
  await each(names, "resume", {});
  const back = async () => {
    for (const row of rows) await post("donation", `/channels/${row.channel}/pause`, { reason: row.paused_reason });
  };
  notice(shell, say("resumed", names.join(", ")), { undo: () => takeBack(shell, back, again), ms: 10_000 });
  again();
}

async function each(names, what, body, key) {
  for (const name of names) await post("donation", `/channels/${name}/${what}`, body, key ? { key: `${key}.${name}` } : {});
}
