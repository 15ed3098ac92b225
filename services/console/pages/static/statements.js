// Statements of channels: a file is uploaded, looked at, and only then confirmed.

import { download, get, post, send, Trouble } from "./api.js";
import { spokenOf } from "./bill-words.js";
import { at, element } from "./dom.js";
import { Form } from "./form.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const LEVELS = { uploaded: "", checked: "warn", refused: "alarm", importing: "warn", imported: "good", discarded: "" };
const WORKING = ["uploaded", "importing"];
const WATCH_MS = 1_000;

/** `again()` asks for the list at once; `channels`: their Names. */
export function statementsTable(shell, again, channels) {
  const { say } = shell;
  const upload = () => uploadSheet(shell, again);
  at("upload").hidden = false;
  at("upload").addEventListener("click", upload);
  shell.keys.on("a", "upload", upload);
  return new Table(at("table"), shell, {
    name: "statements",
    source: { service: "donation", path: "/statements", cursor: "before" },
    exportPage: 100,
    id: (row) => row.statement_id,
    columns: [
      { key: "statement_id", title: "number", kind: "number" },
      { key: "uploaded_at", title: "uploadedAt", kind: "time" },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "file_name", title: "fileName" },
      { key: "state", title: "state", cell: (row) => stateOf(say, row) },
      { key: "lines", title: "lines", kind: "number", ...figure((row) => row.preview?.lines) },
      { key: "donations", title: "newDonations", kind: "number", ...figure((row) => row.preview?.donations.count) },
      { key: "amount_fen", title: "amount", kind: "money", cell: (row) => (row.preview ? formatYuan(row.preview.donations.amount_fen) : ""), value: (row) => row.preview?.donations.amount_fen },
      { key: "bad", title: "badLines", kind: "number", ...figure((row) => row.preview?.bad) },
      { key: "uploaded_by", title: "person" },
    ],
    filters: [
      { name: "channel", title: "channel", kind: "text", attributes: channels.attributes },
      { name: "state", title: "state", kind: "select", options: () => Object.entries(say("statementStates")) },
    ],
    open: (row) => openStatement(shell, row.statement_id, again),
    empty: "emptyStatements",
  });
}

const figure = (of) => ({ cell: (row) => of(row)?.toLocaleString("en-US") ?? "", value: of });
const stateOf = (say, row) => element("span", { class: "badge", data: { level: LEVELS[row.state] } }, say("statementStates")[row.state]);

// ---------------------------------------------------------------- uploading

async function uploadSheet(shell, again) {
  const { say } = shell;
  try {
    const channels = (await get("donation", "/channels")).filter((each) => each.scheme === "files");
    if (channels.length === 0) {
      notice(shell, say("noFileChannels"), { level: "warn", ms: 10_000 });
      return;
    }
    const form = new Form(shell, {
      fields: [{ name: "channel", title: "channel", kind: "select", options: () => channels.map((each) => [each.channel, `${each.title} (${each.channel})`]), value: channels[0].channel }],
      submit: "upload",
      send: ({ channel }, key) => {
        const [chosen] = file.files;
        if (!chosen) throw new Trouble(422, { detail: say("noFile") });
        return send("POST", "donation", "/statements", chosen, { key, query: { channel, file_name: chosen.name }, type: "application/octet-stream" });
      },
      done: ({ body, status }) => {
        if (status === 200) notice(shell, say("cameBefore"), { level: "warn", ms: 10_000 });
        again();
        openStatement(shell, body.statement_id, again);
      },
    });
    const file = element("input", { id: "field-file", type: "file", accept: ".csv,.xlsx,.xml,.txt" });
    const field = element("div", { class: "field" }, element("label", { for: "field-file" }, say("file")), file, element("p", { class: "said" }, say("fileHint")));
    form.node.insertBefore(field, form.node.lastElementChild);
    new Sheet(shell, say("upload"), form.node).open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

// ---------------------------------------------------------------- one statement

/** Its sheet follows it for as long as the service works at it. */
async function openStatement(shell, id, again) {
  const place = element("div");
  const sheet = new Sheet(shell, shell.say("statement", id), place);
  const decide = async (what) => {
    await guarded(shell, async () => show((await post("donation", `/statements/${id}/${what}`, null)).body));
    again();
  };
  const show = (row) => {
    place.replaceChildren(...body(shell, row, decide));
    if (WORKING.includes(row.state)) setTimeout(look, WATCH_MS);
    else again();
  };
  const look = () => sheet.node.open && guarded(shell, async () => show(await get("donation", `/statements/${id}`)));
  sheet.node.classList.add("large");
  sheet.open();
  await look();
}

async function guarded(shell, run) {
  try {
    await run();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    notice(shell, shell.words(trouble), { level: "alarm", ms: 12_000 });
  }
}

function body(shell, row, decide) {
  const { say } = shell;
  const { preview, outcome } = row;
  const sum = (each) => say("sum", each.count.toLocaleString("en-US"), formatYuan(each.amount_fen));
  const button = (key, run, kind, ...data) => element("button", { type: "button", class: kind, onclick: run }, say(key, ...data));
  const buttons = [
    row.state === "checked" ? button("confirm", () => decide("confirm"), "main", sum(preview.donations)) : null,
    ["uploaded", "checked"].includes(row.state) ? button("discard", () => decide("discard"), "danger") : null,
    preview?.bad > 0 ? button("badLinesFile", () => guarded(shell, () => download("GET", "donation", `/statements/${row.statement_id}/bad-lines`)), null) : null,
  ].filter(Boolean);
  return [
    buttons.length > 0 ? element("div", { class: "sheet-buttons" }, ...buttons) : null,
    row.reason ? element("p", { class: "wrong" }, spokenOf(shell, row.reason)) : null,
    ...(preview?.warnings ?? []).map((words) => element("p", { class: "wrong warn" }, words)),
    facts([
      [say("state"), stateOf(say, row)],
      [say("channel"), row.channel],
      [say("fileName"), row.file_name],
      [say("uploadedAt"), `${stampOf(row.uploaded_at)} · ${row.uploaded_by}`],
      [say("lines"), preview?.lines.toLocaleString("en-US")],
      [say("newDonations"), preview && sum(preview.donations)],
      [say("newReversals"), preview && sum(preview.reversals)],
      [say("known"), preview && String(preview.known + preview.repeated)],
      [say("passedOver"), preview && String(preview.passed_over)],
      [say("badLines"), preview && String(preview.bad)],
      [say("period"), preview?.first_at && `${stampOf(preview.first_at)} – ${stampOf(preview.last_at)}`],
      [say("byCampaign"), preview && Object.entries(preview.campaigns).map(([name, each]) => say("pair", name, sum(each))).join(say("between"))],
      [say("decidedAt"), row.decided_at && `${stampOf(row.decided_at)} · ${row.decided_by}`],
      [say("outcome"), outcome && say("outcomeIs", outcome.sent, outcome.known, outcome.refused)],
    ]),
    ...linesOf(shell, "badLines", preview?.bad_lines),
    ...linesOf(shell, "refusedLines", outcome?.refused_lines),
  ].filter(Boolean);
}

function linesOf(shell, title, lines = []) {
  const { say } = shell;
  if (lines.length === 0) return [];
  return [element("h3", {}, say(title)), facts(lines.map((each) => [say("line", each.line), each.reasons.map((said) => spokenOf(shell, said)).join(say("between"))]))];
}
