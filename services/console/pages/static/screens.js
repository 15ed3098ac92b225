// The screens page: the register, what each screen shows and what it would show without control, what is done on
// air (always with a reason), links shown once, and the record.

import { get, newKey, post, send, Trouble } from "./api.js";
import { at, element, put } from "./dom.js";
import { Form } from "./form.js";
import { Live } from "./live.js";
import { formatPlain, formatYuan } from "./money.js";
import { Names } from "./names.js";
import { notice, takeBack } from "./notice.js";
import { showSecret } from "./secret.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { SCREENS_TEXTS } from "./texts/screens.js";
import { stampOf } from "./time.js";

const UNDO_MS = 15_000;
const QUICK = ["scene", "check", "fault", "director", "plan"];
const CONTROLS = ["live", "frozen", "hidden"];
const LAYOUTS = ["hall", "wide", "lower", "phone"];

const shell = new Shell(SCREENS_TEXTS, () => write());
const { say } = shell;
const operates = shell.has("desk");
const names = new Names("campaigns", shell, () => table.render());

const whole = (row) => `/screens/${row.screen_id}`;
const versionOf = (row) => `"${row.version}"`;
const badge = (text, level = null) => element("span", { class: "badge", data: level ? { level } : {} }, text);
const options = (words, names = Object.keys(words)) => names.map((name) => [name, words[name]]);
const yuan = (number) => (number === null ? "" : formatYuan(number.net_fen));

function onAir(row) {
  const level = { live: "good", frozen: "warn", hidden: "alarm" }[row.control];
  const found = [badge(say("controls")[row.control], level)];
  if (row.rehearsal) found.push(badge(row.rehearsal_campaign_id ? say("rehearsalOf", row.rehearsal_campaign_id) : say("rehearsal"), "warn"));
  if (row.pending) found.push(badge(say("pending"), "warn"));
  if (!row.linked) found.push(badge(say("noLink")));
  return element("span", { class: "marks" }, ...found);
}

const named = (row) => element("div", {}, element("span", { class: "screen-title" }, row.title), element("br"), element("span", { class: "dim mono" }, row.screen_id));
const shownCell = (row) => (row.control === "hidden" ? "—" : row.shown === null ? say("notKnown") : yuan(row.shown));

/** In a rehearsal what the API calls actual is the rehearsal's number: it is never to be taken for the campaign's. */
const actualCell = (row) => (row.rehearsal ? "—" : yuan(row.actual));

/** The API gives all screens at once: the filters choose among them. */
function chosen(answer, asked) {
  return answer.screens.filter((row) => (!asked.campaign_id || row.campaign_id === asked.campaign_id) && (!asked.control || row.control === asked.control));
}

const acts = [
  { key: "f", act: "freeze", main: true, when: (row) => row.control !== "frozen" && row.shown !== null },
  { key: "h", act: "hide", when: (row) => row.control !== "hidden" },
  { key: "v", act: "live", when: (row) => row.control !== "live" },
  { key: "s", act: "segment", when: (row) => row.pending },
  { key: "t", act: "rehearse", when: (row) => !row.rehearsal },
  { key: "e", act: "end_rehearsal", when: (row) => row.rehearsal },
  { key: "o", act: "rotate", when: () => true },
  { key: "R", act: "revoke", when: (row) => row.linked },
];

const table = new Table(at("table"), shell, {
  name: "screens",
  source: { service: "reporting", path: "/screens", whole: chosen },
  id: (row) => row.screen_id,
  level: (row) => (row.pending ? "warn" : ""),
  columns: [
    { key: "title", title: "screen", cell: named, value: (row) => `${row.title} (${row.screen_id})` },
    { key: "campaign_id", title: "campaign", cell: (row) => names.titleOf(row.campaign_id), value: (row) => row.campaign_id, wide: true },
    { key: "control", title: "onAir", cell: onAir },
    { key: "shown", title: "shown", kind: "money", cell: shownCell, value: (row) => row.shown?.net_fen },
    { key: "actual", title: "actual", kind: "money", cell: actualCell, value: (row) => (row.rehearsal ? null : row.actual?.net_fen) },
    { key: "layout", title: "layout", cell: (row) => say("layouts")[row.layout] },
    { key: "policy", title: "policy", cell: (row) => say("policies")[row.policy] },
    { key: "seen_at", title: "seen", cell: (row) => (row.seen_at ? stampOf(row.seen_at) : say("never")) },
  ],
  filters: [
    { name: "campaign_id", title: "campaign", kind: "text", attributes: names.attributes },
    { name: "control", title: "state", kind: "select", options: () => options(say("controls"), CONTROLS) },
  ],
  actions: operates ? acts.map(({ key, act, when, main }) => ({ key, title: `act-${act}`, when, main, run: (rows) => askWhy(act, rows) })) : [],
  open,
  empty: operates ? "emptyHint" : null,
});
if (operates) {
  shell.keys.on("+", "addKey", () => register());
  at("add").addEventListener("click", () => register());
}

// ---------------------------------------------------------------- on air

/** Ask why, by a key, a click or in words; false when the person has thought better of it. */
function askWhy(act, rows) {
  return new Promise((done, failed) => {
    let asked = false;
    const decide = (reason, more = {}) => {
      asked = true;
      sheet.close();
      perform(act, rows, reason, more).then(done, failed);
    };
    const sheet = new Sheet(shell, say("why", say("acts")[act], rows.length), ...whyNodes(act, decide));
    sheet.node.addEventListener("ended", () => asked || done(false));
    sheet.open();
    sheet.node.querySelector(".reasons button, input").focus();
  });
}

function whyNodes(act, decide) {
  const fields = [{ name: "reason", title: "ownReason", required: true, attributes: { maxlength: "200" } }];
  if (act === "rehearse") fields.unshift({ name: "rehearsal_campaign_id", title: "rehearseWith", hint: "rehearseHint", attributes: names.attributes });
  const more = () => (act === "rehearse" ? { rehearsal_campaign_id: form.inputs.get("rehearsal_campaign_id").input.value.trim() || null } : {});
  const form = new Form(shell, { fields, submit: `act-${act}`, send: async ({ reason }) => decide(reason, more()) });
  const buttons = QUICK.map((quick, i) => element("button", { type: "button", onclick: () => decide(say("quick")[quick], more()) }, element("kbd", {}, String(i + 1)), say("quick")[quick]));
  const reasons = element("div", { class: "reasons" }, ...buttons);
  const pressed = (event) => {
    if (event.target.closest("input") || !buttons[Number(event.key) - 1]) return;
    event.preventDefault();
    buttons[Number(event.key) - 1].click();
  };
  reasons.addEventListener("keydown", pressed);
  const warning = ["rotate", "revoke"].includes(act) ? [element("p", { class: "warn-text" }, say("whyLink"))] : [];
  return [...warning, reasons, form.node];
}

async function perform(act, rows, reason, more) {
  for (const row of rows) {
    if (act === "rotate") {
      const { body } = await post("reporting", `${whole(row)}/link`, { reason }, { ifMatch: versionOf(row) });
      showLink(body);
    } else if (act === "revoke") await post("reporting", `${whole(row)}/revoke`, { reason }, { ifMatch: versionOf(row) });
    else await onScreen(row, { action: act, reason, ...more });
  }
  // Only what was live and the campaign's own before can be had back as it was.
  const back = { freeze: "live", hide: "live", rehearse: "end_rehearsal" }[act];
  const plain = rows.every((row) => row.control === "live" && !row.rehearsal);
  const undo = back && plain ? () => takeBack(shell, () => undone(rows, back, act), () => live.round()) : null;
  notice(shell, say("done", say("acts")[act], rows.length), { undo, ms: UNDO_MS });
}

/** Freezing and hiding are for haste: they go through whatever a colleague has changed meanwhile. */
function onScreen(row, body) {
  const ifMatch = ["freeze", "hide"].includes(body.action) ? undefined : versionOf(row);
  return post("reporting", `${whole(row)}/air`, body, { key: newKey(), ifMatch });
}

async function undone(rows, action, act) {
  const reason = say("undoReason", say("acts")[act]);
  for (const row of rows) await post("reporting", `${whole(row)}/air`, { action, reason });
}

// ---------------------------------------------------------------- the register

function showLink(screen) {
  const link = screen.link && new URL(screen.link, shell.me.screens_url || location.origin).href;
  showSecret(shell, say("linkTitle", screen.title), link);
}

const looks = (row = {}) => [
  { name: "title", title: "name", required: true, value: row.title, attributes: { maxlength: "80" } },
  { name: "layout", title: "layout", kind: "select", value: row.layout, options: () => options(say("layouts"), LAYOUTS) },
  { name: "format", title: "format", kind: "select", value: row.format, options: () => options(say("formats")) },
  { name: "language", title: "language", kind: "select", value: row.language, options: () => options(say("languages")) },
  { name: "policy", title: "policy", kind: "select", value: row.policy, hint: "policyHint", options: () => options(say("policies")) },
];

function register() {
  const form = new Form(shell, {
    fields: [
      { name: "screen_id", title: "screenId", required: true, hint: "screenIdHint" },
      { name: "campaign_id", title: "campaign", required: true, hint: "campaignHint", attributes: names.attributes, value: table.query().campaign_id ?? table.rows[0]?.campaign_id },
      ...looks(),
    ],
    submit: "register",
    send: (values, key) => post("reporting", "/screens", values, { key }),
    done: ({ body }) => {
      sheet.close();
      showLink(body);
      live.round();
    },
  });
  const sheet = new Sheet(shell, say("addTitle"), form.node).open();
  form.inputs.get("screen_id").input.focus();
}

function change(row, sheet) {
  const before = Object.fromEntries(looks(row).map(({ name, value }) => [name, value]));
  const form = new Form(shell, {
    fields: looks(row),
    submit: "change",
    send: (values) => send("PATCH", "reporting", whole(row), values, { ifMatch: versionOf(row) }),
    done: (answer) => {
      sheet().close();
      const back = () => send("PATCH", "reporting", whole(row), before, { ifMatch: answer.etag });
      notice(shell, say("changed"), { undo: () => takeBack(shell, back, () => live.round()), ms: UNDO_MS });
      live.round();
    },
  });
  return [element("h3", {}, say("details")), form.node];
}

// ---------------------------------------------------------------- one screen

async function open(row) {
  const record = element("ol", { class: "record" });
  const preview = new URL(`/screens/${row.campaign_id}/preview?layout=${row.layout}`, shell.me.screens_url || location.origin);
  const proof = (number) => number && `${yuan(number)} · ${say("version")} ${number.version} · ${say("digest")} ${number.digest.slice(0, 12)} · ${say("asOf")} ${stampOf(number.as_of)}`;
  const sheet = new Sheet(
    shell,
    `${row.title} · ${row.screen_id}`,
    facts([
      [say("onAir"), onAir(row)],
      ["", row.frozen_at_version === null ? null : say("frozenAt", row.frozen_at_version)],
      [say("shown"), row.control === "hidden" ? "—" : proof(row.shown)],
      [say("actual"), row.rehearsal ? "—" : proof(row.actual)],
      [say("reversed"), row.actual === null || row.rehearsal ? null : formatPlain(row.actual.reversed_fen)],
      [say("campaign"), names.titleOf(row.campaign_id)],
      ["", names.titleOf(row.campaign_id) === row.campaign_id ? null : row.campaign_id],
      [say("link"), row.linked ? say("linked", stampOf(row.link_issued_at)) : say("noLink")],
      [say("layout"), element("a", { href: preview.href, target: "_blank", rel: "noopener" }, say("preview"))],
    ]),
    element("h3", {}, say("record")),
    record,
    ...(operates ? change(row, () => sheet) : []),
  );
  sheet.open();
  try {
    const { changes } = await get("reporting", `${whole(row)}/changes`);
    record.append(...changes.map(recordNode));
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    record.append(element("li", { class: "wrong" }, shell.words(trouble)));
  }
}

function recordNode(each) {
  const [before, after] = [each.net_before_fen, each.net_after_fen].map((fen) => (fen === null ? "?" : formatPlain(BigInt(fen))));
  const who = each.person === "shanliu" ? say("itself") : each.person;
  const numbers = before === "?" && after === "?" ? "" : say("movedTo", before, after);
  const line = [stampOf(each.changed_at), who, say("recorded")[each.action] ?? each.action, numbers].filter(Boolean).join(" · ");
  return element("li", {}, line, each.reason ? element("p", { class: "dim" }, each.reason) : null);
}

// ---------------------------------------------------------------- the page

function write() {
  put(at("add"), say("add"));
  at("add").hidden = !operates;
  table.render();
}

const live = new Live(shell, 2_000, () => {
  names.read();
  return table.read();
});
