// The campaigns page: plans, filings and their days, the launch with its checklist, milestones, pause, close.

import { get, getAll, getWithEtag, post, send, Trouble } from "./api.js";
import { layOut, planBody, planFields } from "./campaign-plan.js";
import { at, element, fill, put } from "./dom.js";
import { Form } from "./form.js";
import { Live } from "./live.js";
import { formatShort, formatYuan, permille } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { Shell } from "./shell.js";
import { guarded, Steps } from "./steps.js";
import { Table } from "./table.js";
import { CAMPAIGNS_TEXTS } from "./texts/campaigns.js";
import { dayOf } from "./time.js";

const shell = new Shell(CAMPAIGNS_TEXTS, () => {
  table.render();
  renderFiling();
  put(at("create"), `${say("create")} (c)`);
});
const { say } = shell;
const PAGE = 200;
const SOON_DAYS = 3;
const PLAN = ["purpose", "window_start", "window_end", "area", "responsible_person", "account", "beneficiaries", "uses", "cost_fen", "remainder", "organisation", "licence", "contact", "query_method", "goal_fen"];

let organisations = [];

const words = (of, value) => say(of)[value] ?? value;
const titleOf = (row) => (shell.code === "en" && row.title_en) || row.title;
const yuan = (fen) => `¥${formatYuan(BigInt(fen))}`;
const appeal = (row) => row.kind === "emergency_appeal";
const today = () => dayOf(new Date().toISOString());
const mayPlan = shell.has("desk");
const maySettle = shell.has("finance");

// ---------------------------------------------------------------- the list

function badge(row) {
  const level = { launched: "good", paused: "warn" }[row.state] ?? "";
  return element("span", { class: "badge", data: { level } }, words("states", row.state));
}

function filingOf(row) {
  if (row.filing_number) return row.filing_number;
  if (row.filing_days_left !== null) return daysLeft(row);
  return appeal(row) ? say("filedLater") : say("notFiled");
}

const daysLeft = (row) => (row.filing_days_left < 0 ? say("filingLate", -row.filing_days_left) : say("filingLeft", row.filing_days_left));
const levelOf = (row) => (row.filing_days_left === null ? "" : row.filing_days_left < 0 ? "alarm" : row.filing_days_left <= SOON_DAYS ? "warn" : "");
const windowOf = (row) => (row.window_start || row.window_end ? `${row.window_start ? dayOf(row.window_start) : "…"} – ${row.window_end ? dayOf(row.window_end) : "…"}` : "");

const table = new Table(at("table"), shell, {
  name: "campaigns",
  source: { service: "campaign", path: "/campaigns" },
  id: (row) => row.campaign_id,
  exportPage: PAGE,
  level: levelOf,
  columns: [
    { key: "title", title: "name", cell: titleOf, wide: true },
    { key: "campaign_id", title: "id" },
    { key: "kind", title: "kind", cell: (row) => words("kinds", row.kind) },
    { key: "state", title: "state", cell: badge, value: (row) => words("states", row.state) },
    { key: "plan_missing", title: "plan", cell: (row) => (row.plan_missing.length === 0 ? say("complete") : say("missing", row.plan_missing.length)) },
    { key: "filing_number", title: "filing", cell: filingOf },
    { key: "window_start", title: "window", cell: windowOf, value: windowOf },
    { key: "goal_fen", title: "goal", kind: "money" },
  ],
  filters: [
    { name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) },
    { name: "organisation_id", title: "organisation", kind: "select", options: () => organisations.map((each) => [each.organisation_id, (shell.code === "en" && each.name_en) || each.name]) },
  ],
  open: (row) => openRow(row.campaign_id),
  empty: "emptyHint",
});

function renderFiling() {
  const waiting = table.rows.filter((row) => row.filing_days_left !== null).sort((a, b) => a.filing_days_left - b.filing_days_left);
  at("filing").hidden = waiting.length === 0;
  if (at("filing").children.length === 0) at("filing").append(element("h2"), element("ul"));
  const [title, list] = at("filing").children;
  put(title, say("filingTitle"));
  const make = () => element("li", {}, element("b"), element("span"), element("button", { type: "button", onclick: ({ target }) => openRow(target.dataset.id) }));
  fill(list, waiting, make, (node, row) => {
    const [left, due, open] = node.children;
    left.dataset.level = levelOf(row);
    put(left, daysLeft(row));
    put(due, say("filingDue", titleOf(row), row.filing_due_on));
    open.dataset.id = row.campaign_id;
    put(open, say("open"));
  });
}

// ---------------------------------------------------------------- one of them

async function openRow(id) {
  const before = openSheet();
  try {
    const [{ body, etag }, balance] = await Promise.all([getWithEtag("campaign", `/campaigns/${id}`), get("campaign", `/campaigns/${id}/balance`)]);
    if (openSheet() !== before) return; // the person has gone on to something else
    const sheet = new Sheet(shell, titleOf(body), ...sheetOf(body, etag, balance));
    sheet.node.classList.add("large");
    sheet.open();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

function sheetOf(row, etag, balance) {
  const launchable = ["draft", "filed"].includes(row.state);
  return [
    facts([
      [say("state"), badge(row)],
      [say("id"), row.campaign_id],
      [say("kind"), words("kinds", row.kind)],
      [say("organisation"), row.organisation],
      [say("licence"), row.licence],
      [say("filing"), row.filing_number ? `${row.filing_number}${row.filed_on ? ` · ${row.filed_on}` : ""}` : element("span", { class: levelOf(row) === "alarm" ? "alarm-text" : "warn-text" }, filingOf(row))],
      [say("window"), windowOf(row)],
      [say("launchedOn"), row.launched_on],
      [say("closedOn"), row.closed_on],
      [say("uses"), shell.list(row.uses)],
      [say("responsible"), row.responsible_person],
    ]),
    launchable ? checklist(row) : wayOf(row, balance),
    stepsOf(row, etag),
  ];
}

/** What a launch needs, and what of it is missing. */
function checklist(row) {
  const item = (name, missing) => element("li", { data: missing ? { missing: "" } : {} }, name);
  const number = appeal(row) && !row.filing_number ? item(say("filingAfter"), false) : item(row.filing_number ? say("filing") : say("filingFirst"), !row.filing_number);
  const ready = row.plan_missing.length === 0 && (row.filing_number || appeal(row));
  return element(
    "div",
    {},
    element("h3", {}, say("checklist")),
    element("p", { class: ready ? "dim" : "warn-text" }, ready ? say("ready") : say("notReady", row.plan_missing.length + (row.filing_number || appeal(row) ? 0 : 1))),
    element("ul", { class: "checklist" }, ...PLAN.map((name) => item(say("plans")[name], row.plan_missing.includes(name))), number),
  );
}

/** Promised, received and disbursed apart, and the way to the goal with its milestones. */
function wayOf(row, balance) {
  const received = BigInt(balance.received_fen) - BigInt(balance.reversed_fen);
  const figure = (key, fen) => element("div", {}, element("dt", {}, say(key)), element("dd", {}, yuan(fen)));
  const share = row.goal_fen ? permille(received, BigInt(row.goal_fen)) : 0;
  const bar = element("div", { class: "way", "aria-hidden": "true" }, element("i"));
  bar.style.setProperty("--share", `${Math.min(100, share / 10)}%`);
  const marks = [...row.milestones_fen.map(BigInt)].map((fen) => element("li", { class: "badge", data: { level: received >= fen ? "good" : "" } }, `${received >= fen ? "✓ " : ""}${formatShort(fen, shell.code)}`));
  return element(
    "div",
    {},
    element("h3", {}, say("way")),
    element("dl", { class: "three" }, figure("promised", balance.promised_fen), figure("received", received), figure("disbursed", balance.disbursed_fen)),
    bar,
    element("p", { class: "dim" }, row.goal_fen ? say("ofGoal", `${Math.floor(share / 10)}.${share % 10}`, formatShort(BigInt(row.goal_fen), shell.code)) : ""),
    marks.length > 0 ? element("ul", { class: "milestones", "aria-label": say("milestones") }, ...marks) : "",
  );
}

const call = (row, step, body, etag, key) => post("campaign", `/campaigns/${row.campaign_id}/${step}`, body, { ifMatch: etag, key });

function stepsOf(row, etag) {
  const steps = new Steps(shell, (name, answer) => took(row, name, answer));
  const day = { name: "on", title: "on", kind: "day", value: today(), hint: "onHint" };
  if (mayPlan) {
    if (row.state === "draft") steps.step("edit", "edit", async () => ({ edit: etag }));
    if (!row.filing_number && row.state !== "settled") steps.form("file", "file", [{ name: "filing_number", title: "filing", required: true, hint: "filingHint" }, day], (values, key) => call(row, "file", values, etag, key));
    if (row.state === "filed" || (row.state === "draft" && appeal(row))) steps.step("launch", "launch", () => call(row, "launch", null, etag), { main: true });
    if (row.state === "paused") steps.step("resume", "resume", () => call(row, "launch", null, etag), { main: true });
    if (row.state === "launched") steps.step("pause", "pause", () => call(row, "pause", null, etag));
    if (["launched", "paused"].includes(row.state)) steps.form("close", "end", [day], (values, key) => call(row, "close", values, etag, key), { danger: true, submit: "closeForGood" });
  }
  if (maySettle && row.state === "closed") steps.form("settle", "settle", [day], (values, key) => call(row, "settle", values, etag, key));
  if (maySettle && row.state === "settled") steps.form("reopen", "reopen", [{ name: "reason", title: "reason", kind: "area", required: true }, day], (values, key) => call(row, "reopen", values, etag, key));
  const hint = row.state === "draft" && !appeal(row) ? say("fileFirst") : "";
  return steps.node(mayPlan ? hint : "");
}

/** What was done, with the step that takes it back where there is one. */
function took(row, name, answer) {
  if (name === "edit") {
    openPlan(row, answer.edit);
    return;
  }
  const back = { launch: ["pause", "pause"], resume: ["pause", "pause"], pause: ["launch", "resume"] }[name];
  const undo = back ? () => takeBack(row, back, answer.etag) : null;
  notice(shell, `${titleOf(row)}：${words("stepped", name)}`, { undo, ms: undo ? 12_000 : 6_000 });
  refresh();
}

async function takeBack(row, [step, name], etag) {
  try {
    await call(row, step, null, etag);
    notice(shell, `${titleOf(row)}：${words("stepped", name)}`);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
  refresh();
}

// ---------------------------------------------------------------- a plan

async function openPlan(known = null, etag = null) {
  if (!mayPlan) return;
  try {
    if (organisations.length === 0) await readOrganisations();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
    return;
  }
  const form = new Form(shell, {
    fields: planFields(shell, known, organisations),
    submit: known ? "savePlan" : "create",
    send: (values, key) => guarded(shell, form, () => sendPlan(values, known, etag, key)),
    done: ({ body }) => {
      document.querySelector("dialog.sheet[open]")?.close();
      notice(shell, say(known ? "planSaved" : "created", titleOf(body)));
      refresh();
      openRow(body.campaign_id);
    },
  });
  layOut(form);
  const sheet = new Sheet(shell, say(known ? "edit" : "create"), element("p", { class: "dim" }, say("draftHint")), form.node);
  sheet.node.classList.add("large");
  sheet.open();
  form.inputs.values().next().value.input.focus();
}

function sendPlan(values, known, etag, key) {
  const body = planBody(values);
  if (body === null) throw new Trouble(422, { detail: say("milestonesWrong"), errors: [{ field: "milestones", message: say("milestonesWrong") }] });
  return known ? send("PUT", "campaign", `/campaigns/${known.campaign_id}/plan`, body, { ifMatch: etag, key }) : post("campaign", "/campaigns", body, { key });
}

// ---------------------------------------------------------------- live

async function readOrganisations() {
  organisations = await getAll("campaign", "/organisations", {}, { tries: 0 });
  table.render();
}

at("create").hidden = !mayPlan;
at("create").addEventListener("click", () => openPlan());
if (mayPlan) shell.keys.on("c", "create", () => openPlan());

const refresh = () => live.round();

const live = new Live(shell, 5_000, async () => {
  if (organisations.length === 0) await readOrganisations();
  await table.read();
  renderFiling();
});
