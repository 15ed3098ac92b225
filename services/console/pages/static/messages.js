// The messages page: donors' words are approved and refused in batches by keyboard, and taken back; the word list
// and a campaign's rules. A message is shown as it was written or not at all.

import { get, getWithEtag, post, send, Trouble } from "./api.js";
import { at, element, put } from "./dom.js";
import { Form } from "./form.js";
import { Live } from "./live.js";
import { formatPlain, parseYuan } from "./money.js";
import { Names } from "./names.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { MESSAGES_TEXTS } from "./texts/messages.js";
import { stampOf } from "./time.js";

const UNDO_MS = 15_000;
const REASONS = ["personal_data", "advertising", "insult", "not_fitting", "donor_asked", "other"];
const STATES = ["waiting", "refused_by_rule", "approved", "refused", "withdrawn"];

const shell = new Shell(MESSAGES_TEXTS, () => write());
const { say } = shell;
const [names, channels] = ["campaigns", "channels"].map((kind) => new Names(kind, shell, () => table.render()));
let campaigns = [];
let rules = null; // {body, etag} of the campaign that is shown
let last = null; // {items, away}: what was decided last, to take it back, and the line that says so
const lookedAt = new Set(); // messages with personal data whose sheet was opened: "id version"

const name = (row) => row.name ?? say("anonymous");
const canApprove = (row) => row.state !== "approved" && !row.donation_reversed;
const canRefuse = (row) => !["refused", "withdrawn"].includes(row.state);
const known = (row) => `${row.message_id} ${row.version}`;
const badge = (text, level = null) => element("span", { class: "badge", data: level ? { level } : {} }, text);

function marks(row) {
  const found = row.personal_data.map((each) => badge(say("personal")[each], "warn"));
  if (row.rule === "word_list") found.push(badge(say("hit", row.word ?? ""), "alarm"));
  else if (row.rule) found.push(badge(say("rules")[row.rule], row.rule === "automatic" ? null : "alarm"));
  if (row.donation_reversed && row.rule !== "donation_reversed") found.push(badge(say("reversed"), "warn"));
  if (row.first && row.state === "waiting") found.unshift(badge(say("first"), "good"));
  return found;
}

function textCell(row) {
  const found = marks(row);
  return element("div", {}, element("p", { class: "message-text" }, row.text), found.length > 0 ? element("p", { class: "marks" }, ...found) : null);
}

function decision(row) {
  if (row.version === 0) return say("states")[row.state];
  return [say("states")[row.state], row.reason && say("reasons")[row.reason], row.decided_by ?? say("byRule")].filter(Boolean).join(" · ");
}

function minimum(text) {
  const fen = parseYuan(text);
  if (fen === null) throw new Trouble(422, { detail: say("notMoney") });
  return { min_amount_fen: fen };
}

const table = new Table(at("table"), shell, {
  name: "messages",
  source: { service: "donation", path: "/messages" },
  id: (row) => row.message_id,
  columns: [
    { key: "text", title: "message", wide: true, cell: textCell, value: (row) => row.text },
    { key: "amount_fen", title: "amount", kind: "money" },
    { key: "name", title: "name", cell: name },
    { key: "received_at", title: "received", kind: "time" },
    { key: "state", title: "decision", cell: decision },
  ],
  filters: [
    { name: "campaign_id", title: "campaign", kind: "select", required: true, options: () => campaigns.map((each) => [each.campaign_id, say("counted", names.titleOf(each.campaign_id), each.waiting)]) },
    { name: "state", title: "state", kind: "select", required: true, options: () => STATES.map((each) => [each, say("states")[each]]) },
    { name: "order", title: "order", kind: "select", required: true, options: () => Object.entries(say("orders")) },
    { name: "minimum", title: "minimum", kind: "text", asks: minimum },
  ],
  actions: [
    { key: "a", title: "approve", main: true, when: canApprove, run: approve },
    { key: "r", title: "refuse", when: canRefuse, run: askReason },
  ],
  exportPage: 200,
  open,
  empty: "emptyHint",
});
REASONS.forEach((reason, i) => {
  const run = (rows) => decide(rows, { decision: "refuse", reason });
  shell.keys.on(String(i + 1), () => say("refuseAs", say("reasons")[reason]), () => table.act({ when: canRefuse, run }));
});
shell.keys.on("u", "undoLast", () => undo());
shell.keys.on("w", "wordsKey", () => openWords());
shell.keys.on("c", "rulesKey", () => openRules());
at("open-words").addEventListener("click", () => openWords());
at("open-rules").addEventListener("click", () => openRules());

// ---------------------------------------------------------------- deciding

/** What could be somebody's personal data is approved by itself, by who has looked at it. */
async function approve(rows) {
  const delicate = rows.filter((row) => row.personal_data.length > 0);
  if (rows.length === 1 && delicate.length === 1 && !lookedAt.has(known(rows[0]))) return askApproval(rows[0]);
  const left = rows.length > 1 ? delicate : [];
  const approved = rows.filter((row) => !left.includes(row));
  if (approved.length > 0) await decide(approved, { decision: "approve" });
  if (left.length > 0) notice(shell, say("leftOut", left.length, counts(left)), { level: "warn", ms: UNDO_MS });
  return approved.length > 0;
}

/** Of rows with marks of personal data: each kind and how many have it. */
function counts(rows) {
  const kinds = Object.entries(say("personal")).map(([kind, text]) => [text, rows.filter((row) => row.personal_data.includes(kind)).length]);
  return kinds.filter(([, n]) => n > 0).map(([text, n]) => `${text} ${n}`).join(say("comma"));
}

/** Show the text and what is delicate in it, and approve by a second "a" or a click. False: not approved. */
function askApproval(row) {
  return new Promise((done, failed) => {
    let asked = false;
    const yes = () => {
      asked = true;
      sheet.close();
      decide([row], { decision: "approve" }).then(done, failed);
    };
    const button = element("button", { type: "button", class: "main", onclick: yes }, element("kbd", {}, "a"), say("approveAllTheSame"));
    const sheet = new Sheet(shell, say("personalTitle"), element("p", { class: "read-whole" }, row.text), element("p", { class: "marks" }, ...marks(row)), element("p", { class: "ask" }, say("personalAsk")), button);
    sheet.node.addEventListener("keydown", (event) => {
      if (event.key !== "a" || event.repeat) return;
      event.preventDefault();
      event.stopPropagation();
      yes();
    });
    sheet.node.addEventListener("ended", () => asked || done(false));
    sheet.open();
    button.focus();
  });
}

async function decide(rows, verdict) {
  const decisions = rows.map((row) => ({ message_id: row.message_id, version: row.version, ...verdict }));
  const answer = (await post("donation", "/messages/decisions", { decisions })).body;
  const done = answer.items.filter((item) => item.outcome === "done");
  if (done.length > 0) {
    const text = verdict.decision === "approve" ? say("approved", done.length) : say("refusedNow", done.length, say("reasons")[verdict.reason]);
    last = { items: done, away: notice(shell, text, { undo, ms: UNDO_MS }) };
  }
  if (answer.unchanged > 0) notice(shell, say("unchanged", answer.unchanged));
  sayRefused(answer);
  live.round(); // how many wait stands above the list
}

function sayRefused(answer) {
  const refused = answer.items.filter((item) => item.outcome === "refused");
  for (const problem of new Set(refused.map((item) => item.problem))) {
    const count = refused.filter((item) => item.problem === problem).length;
    notice(shell, say("notDone", count, say("problems")[problem] ?? problem), { level: "warn" });
  }
}

/** Take back what was decided last: each message is again what it was. What somebody has decided since stays. */
async function undo() {
  if (last === null) {
    notice(shell, say("nothingToUndo"), { level: "warn" });
    return;
  }
  const { items, away } = last;
  last = null;
  away();
  const decisions = items.map((item) => ({ message_id: item.message_id, version: item.version, decision: "reopen" }));
  try {
    const answer = (await post("donation", "/messages/decisions", { decisions })).body;
    if (answer.done > 0) notice(shell, say("undone", answer.done, statesOf(answer.items)));
    sayRefused(answer);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    last = { items, away };
    shell.alarm(trouble);
  }
  await live.round();
}

/** Where messages are now, each state once. */
function statesOf(items) {
  const states = new Set(items.filter((item) => item.outcome === "done").map((item) => item.state));
  return [...states].map((state) => say("states")[state]).join(say("comma"));
}

/** Ask why, by a key or a click. False when the person has thought better of it. */
function askReason(rows) {
  const note = element("input", { id: "refusal-note", maxlength: "200", autocomplete: "off" });
  return new Promise((done, failed) => {
    let asked = false;
    const refuse = (reason) => {
      asked = true;
      sheet.close();
      const said = note.value.trim();
      decide(rows, { decision: "refuse", reason, ...(said ? { note: said } : {}) }).then(done, failed);
    };
    const buttons = REASONS.map((reason, i) => element("button", { type: "button", onclick: () => refuse(reason) }, element("kbd", {}, String(i + 1)), say("reasons")[reason]));
    const sheet = new Sheet(
      shell,
      say("refuseTitle", rows.length),
      element("div", { class: "reasons" }, ...buttons),
      element("div", { class: "note-field" }, element("label", { for: "refusal-note" }, say("note")), note),
    );
    sheet.node.addEventListener("keydown", (event) => {
      const reason = event.target === note ? undefined : REASONS[Number(event.key) - 1];
      if (reason) {
        event.preventDefault();
        refuse(reason);
      }
    });
    sheet.node.addEventListener("ended", () => asked || done(false));
    sheet.open();
    buttons[0].focus();
  });
}

// ---------------------------------------------------------------- one message

async function open(row) {
  lookedAt.add(known(row));
  const steps = element("ol", { class: "steps" });
  new Sheet(
    shell,
    say("details"),
    element("p", { class: "read-whole" }, row.text),
    facts([
      [say("state"), element("span", { class: "marks" }, badge(say("states")[row.state]), ...marks(row))],
      [say("amount"), formatPlain(row.amount_fen)],
      [say("name"), name(row)],
      [say("received"), stampOf(row.received_at)],
      [say("campaign"), names.titleOf(row.campaign_id)],
      [say("channel"), channels.titleOf(row.channel)],
    ]),
    steps,
  ).open();
  try {
    const { decisions } = await get("donation", `/messages/${row.message_id}`);
    if (decisions.length > 0) steps.before(element("h3", {}, say("history")));
    steps.append(...decisions.map((step) => element("li", {}, stepText(step))));
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    steps.append(element("li", { class: "wrong" }, shell.words(trouble)));
  }
}

function stepText(step) {
  const why = step.reason ? say("reasons")[step.reason] : step.rule ? say("rules")[step.rule] : step.verdict === "reopen" ? say("backTo", say("states")[step.state]) : "";
  return [stampOf(step.decided_at), step.decided_by ?? say("byRule"), say("verdicts")[step.verdict], why, step.note].filter(Boolean).join(" · ");
}

// ---------------------------------------------------------------- the word list

const asLine = ({ word, match }) => (match === "exact" ? `=${word}` : word);

function listed(text) {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && line !== "=").map((line) => (line.startsWith("=") ? { word: line.slice(1).trim(), match: "exact" } : { word: line, match: "normalised" }));
}

async function openWords() {
  try {
    const { body, etag } = await getWithEtag("donation", "/messages/words");
    const form = new Form(shell, {
      fields: [{ name: "words", title: "wordsField", kind: "area", hint: "wordsHint", value: body.words.map(asLine).join("\n"), attributes: { rows: "14", spellcheck: "false" } }],
      send: ({ words = "" }, key) => send("PUT", "donation", "/messages/words", { words: listed(words) }, { ifMatch: etag, key }),
      done: (answer) => {
        sheet.close();
        const back = () => putBack("/messages/words", { words: body.words }, answer.etag, () => say("wordsSaved", body.words.length));
        notice(shell, say("wordsSaved", answer.body.words.length), { undo: back, ms: UNDO_MS });
        live.round();
      },
    });
    const by = element("p", { class: "dim" }, say("wordsBy", body.changed_by, stampOf(body.changed_at)));
    const sheet = new Sheet(shell, say("wordsTitle", body.words.length), form.node, by).open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

async function putBack(path, body, ifMatch, text) {
  try {
    await send("PUT", "donation", path, body, { ifMatch });
    notice(shell, text());
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
  await live.round();
}

// ---------------------------------------------------------------- a campaign's rules

const shownCampaign = () => table.query().campaign_id;
const ruleFields = ({ automatic, required_from_fen, first_from_fen, max_characters }) => ({ automatic, required_from_fen, first_from_fen, max_characters });

function openRules() {
  const id = shownCampaign();
  if (!id || rules === null) return;
  const { body, etag } = rules;
  const path = `/messages/rules/${id}`;
  const form = new Form(shell, {
    fields: [
      { name: "automatic", title: "automatic", kind: "check", hint: "automaticHint", value: body.automatic },
      { name: "required_from_fen", title: "requiredFrom", kind: "money", hint: "requiredFromHint", value: body.required_from_fen ?? undefined },
      { name: "first_from_fen", title: "firstFrom", kind: "money", hint: "firstFromHint", value: body.first_from_fen ?? undefined },
      { name: "max_characters", title: "maxCharacters", kind: "number", hint: "maxCharactersHint", value: body.max_characters, required: true },
    ],
    send: (values, key) => send("PUT", "donation", path, values, { ifMatch: etag, key }),
    done: (answer) => {
      sheet.close();
      const back = () => putBack(path, ruleFields(body), answer.etag, () => say("rulesSaved"));
      notice(shell, say("rulesSaved"), { undo: back, ms: UNDO_MS });
      live.round();
    },
  });
  const sheet = new Sheet(shell, say("rulesTitle", names.titleOf(id)), form.node).open();
}

function writeRules() {
  const known = rules?.body;
  const yuan = (fen) => (fen === null ? "" : formatPlain(fen));
  put(at("rules"), known ? say("rulesNow", known.automatic, yuan(known.required_from_fen), yuan(known.first_from_fen), known.max_characters) : "");
  at("open-rules").hidden = !known;
}

// ---------------------------------------------------------------- the page

function write() {
  put(at("open-words"), say("openWords"));
  put(at("open-rules"), say("openRules"));
  put(at("none"), say("noCampaigns"));
  writeRules();
  table.render();
}

const live = new Live(shell, 3_000, async () => {
  names.read();
  channels.read();
  campaigns = (await get("donation", "/messages/campaigns", {}, { tries: 0 })).items;
  at("none").hidden = campaigns.length > 0;
  at("table").hidden = campaigns.length === 0;
  if (campaigns.length === 0) return;
  table.render();
  const id = shownCampaign();
  const [found] = await Promise.all([getWithEtag("donation", `/messages/rules/${id}`, {}, { tries: 0 }), table.read()]);
  if (id === shownCampaign()) rules = found;
  writeRules();
});
