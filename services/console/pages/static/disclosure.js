// The disclosure calendar: what is due and late, what was drafted, read by a second person, published, corrected.

import { get, getAll, getWithEtag, post, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { Live } from "./live.js";
import { notice } from "./notice.js";
import { reportView } from "./report-view.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Steps } from "./steps.js";
import { Table } from "./table.js";
import { DISCLOSURE_TEXTS } from "./texts/disclosure.js";
import { stampOf } from "./time.js";

const shell = new Shell(DISCLOSURE_TEXTS, () => {
  table.render();
  renderCounts();
});
const { say } = shell;
const PAGE = 200;
const SOON_DAYS = 3;

let campaigns = [];
let organisations = [];

const words = (of, value) => say(of)[value] ?? value;
const mayDraft = shell.has("finance");
const mayPublish = shell.has("approver");
const mayWithdraw = shell.has("finance", "approver");
const waitsOf = (row) => (row.drafted ? ` · ${say(row.state.startsWith("published") ? "correctionDrafted" : "drafted")}` : "");

// ---------------------------------------------------------------- the calendar

const levelOf = (row) => (row.state === "late" ? "alarm" : row.state === "due" && row.days_late >= -SOON_DAYS ? "warn" : "");

/** The campaign or organisation as it is called in this language. */
function titleOf(row) {
  const campaign = campaigns.find((each) => each.campaign_id === row.campaign_id);
  if (campaign) return (shell.code === "en" && campaign.title_en) || row.title;
  const organisation = organisations.find((each) => each.organisation_id === row.organisation_id);
  return (shell.code === "en" && organisation?.name_en) || row.title;
}

function badge(row) {
  const level = { late: "alarm", due: "warn", published: "good" }[row.state] ?? "";
  return element("span", { class: "badge", data: { level } }, words("states", row.state) + waitsOf(row));
}

function daysOf(row) {
  if (row.state === "published") return "";
  if (row.days_late > 0) return say("daysLate", row.days_late);
  return row.days_late === 0 ? say("lastDay") : say("daysLeft", -row.days_late);
}

const table = new Table(at("table"), shell, {
  name: "disclosure",
  source: { service: "campaign", path: "/disclosure/calendar" },
  id: (row) => row.place,
  exportPage: PAGE,
  level: levelOf,
  columns: [
    { key: "due_on", title: "dueOn" },
    { key: "days_late", title: "timeLeft", cell: daysOf, value: daysOf },
    { key: "state", title: "state", cell: badge, value: (row) => words("states", row.state) },
    { key: "kind", title: "kind", cell: (row) => words("kinds", row.kind) },
    { key: "title", title: "subject", cell: titleOf, wide: true },
    { key: "period_from", title: "period", cell: (row) => `${row.period_from} – ${row.period_to}` },
  ],
  filters: [
    { name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) },
    { name: "campaign_id", title: "campaign", kind: "select", options: () => campaigns.map((each) => [each.campaign_id, (shell.code === "en" && each.title_en) || each.title]) },
    { name: "organisation_id", title: "organisation", kind: "select", options: () => organisations.map((each) => [each.organisation_id, (shell.code === "en" && each.name_en) || each.name]) },
    { name: "within_days", title: "within", kind: "select", options: () => Object.entries(say("withins")) },
  ],
  open: (row) => openRow(row),
  empty: "emptyHint",
});

function renderCounts() {
  const { late, due } = table.answer ?? {};
  if (late === undefined) return;
  const figure = (key, value, level, state) =>
    element(
      "div",
      { class: "figure", data: { level: value > 0 ? level : "" } },
      element("dt", {}, say(key)),
      element("dd", { class: "value" }, String(value)),
      element("dd", { class: "hint" }, value > 0 ? element("a", { href: `/disclosure?state=${state}` }, say("show")) : say("none")),
    );
  at("counts").replaceChildren(figure("late", late, "alarm", "late"), figure("due", due, "warn", "due"));
}

// ---------------------------------------------------------------- one of them

async function openRow(row) {
  try {
    const report = row.report_id ? await getWithEtag("campaign", `/disclosure/reports/${row.report_id}`) : null;
    const sheet = new Sheet(shell, report?.body.title ?? `${words("kinds", row.kind)} · ${row.title}`, ...(report ? reportSheet(report) : dutySheet(row)));
    if (report) sheet.node.classList.add("large");
    sheet.open();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

function dutySheet(row) {
  const steps = new Steps(shell, (name, answer) => took(name, answer));
  const remarks = { name: "remarks", title: "remarks", kind: "area", hint: "remarksHint" };
  const until = row.kind === "final" ? [{ name: "period_to", title: "periodTo", kind: "day", value: row.period_to, hint: "periodToHint" }] : [];
  const over = row.state !== "running";
  if (mayDraft && over) steps.form("draft", "draft", [remarks, ...until], (values, key) => post("campaign", "/disclosure/reports", { ...subjectOf(row), ...values, remarks: linesOf(values.remarks) }, { key }));
  const hint = over ? (mayDraft ? "" : say("financeDrafts")) : say("notOver", row.period_to);
  return [
    facts([
      [say("state"), badge(row)],
      [say("subject"), row.title],
      [say("period"), `${row.period_from} – ${row.period_to}`],
      [say("dueOn"), `${row.due_on} · ${daysOf(row)}`],
      [say("law"), words("laws", row.kind)],
    ]),
    steps.node(hint),
  ];
}

const subjectOf = (row) => ({ kind: row.kind, period_from: row.period_from, ...(row.kind === "annual" ? { organisation_id: row.organisation_id } : { campaign_id: row.campaign_id }) });
const linesOf = (text) => (text ?? "").split("\n").map((each) => each.trim()).filter(Boolean);

function reportSheet({ body, etag }) {
  const path = `/disclosure/reports/${body.report_id}`;
  const send = (step) => (values, key) => post("campaign", `${path}/${step}`, values, { ifMatch: etag, key });
  const steps = new Steps(shell, (name, answer) => took(name, answer));
  const waits = body.state === "drafted";
  const mine = body.asked_by === shell.me.person;
  const reason = { name: "reason", title: "reason", kind: "area", required: true };
  if (waits && mayPublish && !mine) steps.step("publish", "publish", () => send("publish")({ digest: body.digest }), { main: true });
  if (waits && mayWithdraw) steps.form("withdraw", "withdraw", [{ ...reason, hint: "reasonHint" }], send("withdraw"), { danger: true });
  if (body.state === "published" && mayDraft) {
    const remarks = { name: "remarks", title: "remarks", kind: "area", hint: "remarksHint", value: body.document.remarks.join("\n") };
    const correction = send("correction");
    steps.form("correct", "correct", [{ ...reason, hint: "correctHint" }, remarks], (values, key) => correction({ ...values, remarks: linesOf(values.remarks) }, key));
  }
  const hint = !waits ? "" : mine ? say("anotherPublishes") : mayPublish ? say("readFirst") : say("waitsForApprover");
  return [
    facts([
      [say("state"), words("reportStates", body.state)],
      [say("period"), `${body.period_from} – ${body.period_to}`],
      [say("revision"), String(body.revision)],
      [say("askedBy"), `${body.asked_by} · ${stampOf(body.asked_at)}`],
      [say("decidedBy"), body.decided_by ? `${body.decided_by} · ${stampOf(body.decided_at)}` : null],
      [say("reason"), body.withdraw_reason],
      [say("publicPage"), body.state === "published" ? element("a", { href: new URL(`/reports/${body.report_id}`, shell.me.screens_url || location.origin).href, target: "_blank", rel: "noreferrer" }, say("open")) : null],
      [say("digest"), element("span", { class: "mono digest" }, body.digest)],
    ]),
    steps.node(hint),
    reportView(shell, body.document),
  ];
}

function took(name, answer) {
  const undo = ["draft", "correct"].includes(name) ? () => takeBack(answer) : null;
  notice(shell, say("stepped")[name], { undo, ms: undo ? 12_000 : 6_000 });
  refresh();
}

/** Undo of a draft: it is withdrawn. */
async function takeBack({ body, etag }) {
  try {
    await post("campaign", `/disclosure/reports/${body.report_id}/withdraw`, { reason: say("undoReason") }, { ifMatch: etag });
    notice(shell, say("stepped").withdraw);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
  refresh();
}

// ---------------------------------------------------------------- live

async function readNames() {
  [campaigns, organisations] = await Promise.all(["/campaigns", "/organisations"].map((path) => getAll("campaign", path, {}, { tries: 0 })));
  table.render();
}

const refresh = () => live.round();

const live = new Live(shell, 5_000, async () => {
  if (campaigns.length === 0) await readNames();
  await table.read();
  renderCounts();
});
