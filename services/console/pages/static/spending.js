// The spending page: the year's shares (art. 61), a fund's figures, the requests; asked for, decided, paid, returned.

import { budgetTable, openBudget } from "./budget.js";
import { get, getAll, getWithEtag, post, Trouble } from "./api.js";
import { at, element, fill, put } from "./dom.js";
import { Form } from "./form.js";
import { answered } from "./guardrail.js";
import { addInvoice, invoicesTable } from "./invoices.js";
import { LineItems } from "./line-items.js";
import { Live } from "./live.js";
import { formatPlain, formatShort, formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { Shell } from "./shell.js";
import { guarded, Steps } from "./steps.js";
import { Table } from "./table.js";
import { SPENDING_TEXTS } from "./texts/spending.js";
import { dayOf, stampOf } from "./time.js";

const shell = new Shell(SPENDING_TEXTS, () => {
  table.render();
  renderRatios();
  renderFund();
  put(at("ask"), `${say("ask")} (c)`);
  put(at("budget"), `${say("budget")} (b)`);
});
const { say } = shell;
const PAGE = 200;
const UNITS = ["person_times", "households", "schools"];
const CATEGORIES = ["programme", "management", "fundraising"];
const YEARS_SHOWN = 6;

let campaigns = [];
let organisations = [];
let shares = null;
let fund = null;

const titleOf = (id) => {
  const known = campaigns.find((each) => each.campaign_id === id);
  return known ? (shell.code === "en" && known.title_en) || known.title : id;
};
const nameOf = (each) => (shell.code === "en" && each.name_en) || each.name;
const words = (of, value) => say(of)[value] ?? value;
const yuan = (fen) => `¥${formatYuan(BigInt(fen))}`;
const spoken = (fen) => `¥${formatShort(BigInt(fen), shell.code)}`;
const version = (row) => `"${row.version}"`;
const mine = (row) => row.requested_by === shell.me.person;

const may = {
  ask: shell.has("desk", "finance"),
  decide: shell.has("approver"),
  pay: shell.has("finance"),
  confirmReturn: shell.has("finance", "approver"),
  withdraw: shell.has("desk", "finance", "approver"),
};
const useOf = (row) => [row.category === "programme" ? null : words("categories", row.category), row.use, row.title].filter(Boolean).join(" · ");
const approvable = (row) => row.state === "requested" && !mine(row);

// ---------------------------------------------------------------- the list

function badge(row) {
  const level = { requested: "warn", approved: "warn", paid: "good" }[row.state] ?? "";
  const back = row.came_back === "nothing" ? "" : ` · ${words("cameBack", row.came_back)}`;
  return element("span", { class: "badge", data: { level } }, words("states", row.state) + back);
}

const table = new Table(at("table"), shell, {
  name: "spending",
  source: { service: "campaign", path: "/disbursements" },
  id: (row) => row.disbursement_id,
  exportPage: PAGE,
  columns: [
    { key: "requested_on", title: "requestedOn" },
    { key: "campaign_id", title: "campaign", cell: (row) => titleOf(row.campaign_id), wide: true },
    { key: "use", title: "use", cell: useOf, wide: true },
    { key: "amount_fen", title: "amount", kind: "money" },
    { key: "state", title: "state", cell: badge, value: (row) => words("states", row.state) },
    { key: "payee", title: "payee", wide: true },
    { key: "requested_by", title: "requestedBy" },
    { key: "approved_by", title: "approvedBy" },
  ],
  filters: [
    { name: "state", title: "state", kind: "select", options: () => Object.entries(say("states")) },
    { name: "campaign_id", title: "campaign", kind: "select", options: () => campaigns.map((each) => [each.campaign_id, titleOf(each.campaign_id)]) },
    { name: "organisation_id", title: "organisation", kind: "select", options: () => organisations.map((each) => [each.organisation_id, nameOf(each)]) },
    { name: "return_waits", title: "returnWaits", kind: "select", options: () => [["true", say("yes")], ["false", say("no")]] },
  ],
  actions: [
    ...(may.decide ? [{ key: "a", title: "approve", main: true, when: approvable, run: (rows) => each(rows, "approve") }] : []),
    ...(may.pay ? [{ key: "f", title: "pay", main: !may.decide, when: (row) => row.state === "approved", run: (rows) => each(rows, "pay") }] : []),
  ],
  open: (row) => openRow(row),
  empty: "emptyHint",
});

/** Nothing takes an approval or a payment back, so what it is about is read first. True: go on. */
function read(rows, step) {
  return new Promise((ended) => {
    let sure = false;
    const go = () => {
      sure = true;
      sheet.close();
    };
    const sum = rows.reduce((total, row) => total + BigInt(row.amount_fen), 0n);
    const lines = rows.map((row) => element("li", {}, [yuan(row.amount_fen), row.payee, useOf(row)].join(" · ")));
    const button = element("button", { type: "button", class: "main", onclick: go }, say(step));
    const sheet = new Sheet(shell, say("stepAsk", say(step), rows.length, yuan(sum)), element("ul", { class: "undecided" }, ...lines), button);
    sheet.node.addEventListener("ended", () => ended(sure));
    sheet.open();
    button.focus();
  });
}

/** One step for every row. The first refusal stops it, and is shown as the guardrail gave it. */
async function each(rows, step) {
  if (!(await read(rows, step))) return false;
  let done = 0;
  try {
    for (const row of rows) {
      await post("campaign", `/disbursements/${row.disbursement_id}/${step}`, null, { ifMatch: version(row) });
      done += 1;
    }
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    await openRow(rows[done], trouble);
  } finally {
    if (done > 0) notice(shell, say("stepDone", words("stepped", step), done));
    readFund();
  }
  return true;
}

// ---------------------------------------------------------------- one of them

async function openRow(row, refused = null) {
  const before = openSheet();
  try {
    const path = `/disbursements/${row.disbursement_id}`;
    const [{ body, etag }, returns, invoices, balance, budget] = await Promise.all([
      getWithEtag("campaign", path),
      get("campaign", `${path}/returns`),
      get("campaign", `${path}/invoices`),
      get("campaign", `/campaigns/${row.campaign_id}/balance`),
      get("campaign", `/campaigns/${row.campaign_id}/budget`),
    ]);
    if (openSheet() !== before) return; // the person has gone on to something else
    const known = { row: body, etag, returns: returns.items, invoices: invoices.items, balance, budget };
    const sheet = new Sheet(shell, `${body.use} · ${yuan(body.amount_fen)}`, ...sheetOf(known, refused));
    sheet.node.classList.add("large");
    sheet.open();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

function sheetOf(known, refused) {
  const { row, returns, invoices } = known;
  const who = (person, when) => (person ? `${person} · ${stampOf(when)}` : null);
  const helped = [`${row.beneficiaries.toLocaleString("en-US")} ${words("units", row.beneficiary_unit)}`, ...row.also_helped.map((also) => `${also.count.toLocaleString("en-US")} ${also.unit}${also.of ? ` ${also.of}` : ""}`)];
  return [
    refused ? answered(shell, refused) : null,
    facts([
      [say("state"), badge(row)],
      [say("amount"), spoken(row.amount_fen) === `¥${formatPlain(BigInt(row.amount_fen))}` ? yuan(row.amount_fen) : `${yuan(row.amount_fen)} · ${spoken(row.amount_fen)}`],
      [say("campaign"), titleOf(row.campaign_id)],
      [say("use"), row.use],
      [say("particular"), row.title],
      [say("category"), words("categories", row.category)],
      [say("payee"), row.payee],
      [say("helped"), shell.list(helped)],
      [say("requestedBy"), who(row.requested_by, row.requested_at)],
      [say("approvedBy"), who(row.approved_by, row.approved_at)],
      [say("paidBy"), row.paid_by ? `${row.paid_by} · ${row.paid_on}` : null],
      [say("endedBy"), who(row.ended_by, row.ended_at)],
      [say("reason"), row.end_reason],
      [say("returned"), row.came_back === "nothing" ? null : yuan(row.returned_fen)],
    ]),
    row.items.length > 0 ? itemsTable(row) : null,
    invoicesTable(shell, row, invoices),
    leftFor(known),
    ...returns.map((back) => returnNote(back)),
    stepsOf(known),
  ].filter(Boolean);
}

function itemsTable(row) {
  const head = ["itemWhat", "itemCount", "itemAmount"].map((key) => element("th", { scope: "col", class: key === "itemWhat" ? null : "n" }, say(key)));
  const lines = row.items.map((item) => element("tr", {}, element("td", { class: "wide" }, item.description), element("td", { class: "n" }, item.quantity === null ? "" : `${item.quantity.toLocaleString("en-US")} ${item.unit ?? ""}`), element("td", { class: "n" }, formatYuan(BigInt(item.amount_fen)))));
  return element("div", {}, element("h3", {}, say("items")), element("table", { class: "items" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines)));
}

/** What may still be approved, beside what is asked for: an approver sees the guardrail before it answers. */
function leftFor({ row, balance, budget }) {
  if (!["requested", "approved"].includes(row.state)) return null;
  const line = budget.in_force && row.category === "programme" ? budget.lines.find((each) => each.use === row.use) : null;
  const after = BigInt(balance.balance_fen) - (row.state === "requested" ? BigInt(row.amount_fen) : 0n);
  return element(
    "div",
    {},
    element("h3", {}, say("guardrail")),
    facts([
      [say("fundLeft"), yuan(balance.balance_fen)],
      [row.state === "requested" ? say("leftAfter") : null, row.state === "requested" ? element("span", { class: after < 0n ? "alarm-text" : null }, yuan(after)) : null],
      [say("lineLeft"), line ? yuan(line.remaining_fen) : null],
      [say("window"), budget.spend_until],
    ]),
  );
}

const returnNote = (back) => element("p", { class: back.state === "asked" ? "warn-text" : "dim" }, say("returnLine", yuan(back.amount_fen), back.returned_on, back.asked_by, words("returnStates", back.state), back.reason));

function stepsOf({ row, etag, returns }) {
  const steps = new Steps(shell, (name) => {
    tookStep(name);
    if (name === "invoice") openRow(row);
  });
  const send = (name) => (values = null, key = undefined) => post("campaign", `/disbursements/${row.disbursement_id}/${name}`, values, { ifMatch: etag, key });
  const waiting = returns.find((back) => back.state === "asked");
  const waits = row.state === "requested";
  const reason = { name: "reason", title: "reason", kind: "area", required: true, hint: "reasonHint" };
  if (waits && may.decide && !mine(row)) steps.step("approve", "approve", () => send("approve")(), { main: true });
  if (waits && may.decide) steps.form("reject", "reject", [reason], send("reject"), { danger: true });
  if (row.state === "approved" && may.pay) {
    steps.step("pay", "payToday", () => send("pay")(), { main: true });
    steps.form("pay", "payOn", [{ name: "paid_on", title: "paidOn", kind: "day", required: true, value: dayOf(new Date().toISOString()) }], send("pay"));
  }
  if (["requested", "approved"].includes(row.state) && may.withdraw) steps.form("withdraw", "withdraw", [reason], send("withdraw"), { danger: true });
  if (["requested", "approved", "paid"].includes(row.state) && may.ask) addInvoice(shell, steps, { row, etag });
  if (row.state === "paid" && may.pay && !waiting && row.came_back !== "all") {
    const left = BigInt(row.amount_fen) - BigInt(row.returned_fen);
    const fields = [
      { name: "amount_fen", title: "returnAmount", kind: "money", required: true, value: left },
      { name: "returned_on", title: "returnedOn", kind: "day", value: dayOf(new Date().toISOString()) },
      reason,
    ];
    steps.form("return", "return", fields, send("return"));
  }
  if (waiting && may.confirmReturn) {
    if (waiting.asked_by !== shell.me.person) steps.step("return/confirm", "returnConfirm", () => send("return/confirm")(), { main: true });
    steps.step("return/withdraw", "returnWithdraw", () => send("return/withdraw")());
  }
  if (waits && mine(row)) return steps.node(say("anotherApproves"));
  if (waiting?.asked_by === shell.me.person) return steps.node(say("anotherConfirms"));
  return steps.node(waits && !may.decide ? say("waitsForApprover") : "");
}

function tookStep(name) {
  notice(shell, say("stepDone", words("stepped", name), 1));
  refresh();
}

// ---------------------------------------------------------------- asked for

async function openAsk() {
  if (!may.ask) return;
  try {
    if (campaigns.length === 0) await readNames();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
    return;
  }
  const open = campaigns.filter((each) => ["launched", "paused", "closed"].includes(each.state));
  const chosen = table.query().campaign_id;
  const known = element("p", { class: "known", role: "status" });
  const uses = element("datalist", { id: "uses" });
  const lines = new LineItems(shell, (sum) => {
    if (sum > 0n) form.inputs.get("amount_fen").input.value = formatPlain(sum);
  });
  const form = new Form(shell, {
    fields: [
      { name: "campaign_id", title: "campaign", kind: "select", required: true, value: open.some((each) => each.campaign_id === chosen) ? chosen : undefined, options: () => open.map((each) => [each.campaign_id, titleOf(each.campaign_id)]) },
      { name: "category", title: "category", kind: "select", required: true, options: () => CATEGORIES.map((each) => [each, words("categories", each)]) },
      { name: "use", title: "use", required: true, hint: "useHint", attributes: { list: "uses" } },
      { name: "title", title: "particular", hint: "particularHint" },
      { name: "payee", title: "payee", required: true, hint: "payeeHint" },
      { name: "beneficiaries", title: "helpedCount", kind: "number", required: true },
      { name: "beneficiary_unit", title: "helpedUnit", kind: "select", options: () => UNITS.map((each) => [each, words("units", each)]) },
      { name: "amount_fen", title: "amount", kind: "money", required: true, hint: "amountHint" },
    ],
    submit: "ask",
    send: ({ campaign_id, ...values }, key) => guarded(shell, form, () => post("campaign", `/campaigns/${campaign_id}/disbursements`, withLines(values, lines, form), { key })),
    done: (answer) => {
      document.querySelector("dialog.sheet[open]")?.close();
      notice(shell, say("asked"), { undo: () => takeBack(answer), ms: 12_000 });
      refresh();
    },
  });
  const pairOf = (...names) => {
    const nodes = names.map((name) => form.inputs.get(name).input.closest(".field"));
    const pair = element("div", { class: "two" });
    nodes[0].before(pair);
    pair.append(...nodes);
  };
  pairOf("campaign_id", "category");
  pairOf("use", "title");
  pairOf("beneficiaries", "beneficiary_unit");
  form.inputs.get("amount_fen").input.closest(".field").before(lines.node, known);
  form.node.append(uses);
  const campaign = form.inputs.get("campaign_id").input;
  const tell = () => tellLeft(campaign.value, known, uses);
  campaign.addEventListener("change", tell);
  const sheet = new Sheet(shell, say("ask"), open.length === 0 ? element("p", {}, say("nothingOpen")) : form.node);
  sheet.node.classList.add("large");
  sheet.open();
  if (open.length > 0) {
    tell();
    form.inputs.get("use").input.focus();
  }
}

function withLines(values, lines, form) {
  const items = lines.values();
  if (items === null) throw new Trouble(422, { detail: say("itemWrong") });
  form.inputs.get("amount_fen").input.value = formatPlain(values.amount_fen);
  return { ...values, items };
}

async function tellLeft(id, node, uses) {
  const campaign = campaigns.find((each) => each.campaign_id === id);
  if (!campaign) return;
  uses.replaceChildren(...campaign.uses.map((use) => element("option", { value: use })));
  try {
    const [balance, budget] = await Promise.all([get("campaign", `/campaigns/${id}/balance`), get("campaign", `/campaigns/${id}/budget`)]);
    const lines = budget.in_force ? budget.lines.map((line) => `${line.use} ${yuan(line.remaining_fen)}`).join(shell.code === "zh" ? "，" : ", ") : say("noBudget", shell.list(campaign.uses));
    put(node, `${say("fundLeft")} ${yuan(balance.balance_fen)} · ${lines}`);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    put(node, shell.words(trouble));
  }
}

/** Undo of a request: it is withdrawn while nobody has decided. */
async function takeBack({ body, etag }) {
  try {
    await post("campaign", `/disbursements/${body.disbursement_id}/withdraw`, { reason: say("undoReason") }, { ifMatch: etag });
    notice(shell, say("stepDone", words("stepped", "withdraw"), 1));
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
  refresh();
}

// ---------------------------------------------------------------- art. 61

const percent = (bp) => `${Math.trunc(bp / 100)}.${String(Math.abs(bp % 100)).padStart(2, "0")}\u00a0%`;

function meterOf(title, bp, mark, met, note) {
  const level = met === null ? "" : met ? "good" : "alarm";
  const bar = element("div", { class: "meter-bar", "aria-hidden": "true" }, element("i"));
  const whole = mark > 5_000 ? 10_000 : 2_000;
  bar.style.setProperty("--share", `${Math.max(0, Math.min(100, ((bp ?? 0) / whole) * 100))}%`);
  bar.style.setProperty("--mark", `${(mark / whole) * 100}%`);
  const verdict = met === null ? say("nothingKnown") : met ? say("kept") : say("notKept");
  return element("div", { class: "meter", data: { level } }, element("div", { class: "meter-line" }, element("span", {}, title), element("span", {}, element("b", {}, bp === null ? "—" : percent(bp)), ` ${verdict}`)), bar, element("small", {}, note));
}

function renderRatios() {
  at("ratios").hidden = organisations.length === 0;
  fill(at("ratios-of"), organisations, () => element("option"), (node, each) => {
    node.value = each.organisation_id;
    put(node, nameOf(each));
  });
  const thisYear = Number(dayOf(new Date().toISOString()).slice(0, 4));
  fill(at("ratios-year"), Array.from({ length: YEARS_SHOWN }, (_, i) => thisYear - i), () => element("option"), (node, year) => {
    node.value = String(year);
    put(node, say("yearOf", year));
  });
  const asked = new URL(location.href).searchParams;
  const chosen = asked.get("of") ?? asked.get("organisation_id");
  at("ratios-of").value = organisations.some((each) => each.organisation_id === chosen) ? chosen : (organisations[0]?.organisation_id ?? "");
  const year = asked.get("year");
  at("ratios-year").value = [...at("ratios-year").options].some((option) => option.value === year) ? year : String(thisYear);
  if (!shares) return;
  const unknown = shares.basis.filter((each) => each.year < shares.year && each.basis === "none").map((each) => each.year);
  const byMean = shares.spent_of_mean_bp !== null && (shares.spent_of_last_bp === null || shares.spent_of_mean_bp > shares.spent_of_last_bp);
  const spent = `${say("programmeSpent")} ${spoken(shares.programme_fen)}`;
  const meets = (bp) => (bp === null ? null : bp >= 7_000 ? true : shares.spends_enough ? null : false);
  at("meters").replaceChildren(
    meterOf(say("ofLast"), shares.spent_of_last_bp, 7_000, meets(shares.spent_of_last_bp), `${spent} / ${say("lastIncome")} ${spoken(shares.last_income_fen)} · ${say("atLeast")}`),
    meterOf(say("ofMean"), shares.spent_of_mean_bp, 7_000, meets(shares.spent_of_mean_bp), `${spent} / ${say("meanIncome")} ${spoken(shares.mean_income_fen)} · ${byMean ? say("eitherMean") : say("either")}${unknown.length > 0 ? ` · ${say("unknownYears", shell.list(unknown))}` : ""}`),
    meterOf(say("management"), shares.management_bp, 1_000, shares.management_within, `${say("managementSpent")} ${spoken(shares.management_fen)} / ${say("allSpent")} ${spoken(shares.spending_fen)} · ${say("atMost")}`),
  );
}

async function readRatios() {
  const of = at("ratios-of").value;
  if (!of) return;
  shares = await get("campaign", `/organisations/${of}/ratios`, { year: at("ratios-year").value }, { tries: 0 });
  renderRatios();
}

for (const [id, name] of [["ratios-of", "of"], ["ratios-year", "year"]]) {
  at(id).addEventListener("change", () => {
    const address = new URL(location.href);
    address.searchParams.set(name, at(id).value);
    history.replaceState(history.state, "", address);
    live.round();
  });
}

// ---------------------------------------------------------------- the fund of the campaign that is filtered for

const shownCampaign = () => campaigns.find((each) => each.campaign_id === table.query().campaign_id);

function showBudget() {
  const campaign = shownCampaign();
  if (campaign) openBudget(shell, campaign, { title: titleOf(campaign.campaign_id), may, took: tookStep });
  else notice(shell, say("budgetWhere"), { level: "warn" });
}

function renderFund() {
  const id = table.query().campaign_id;
  at("budget").hidden = !shownCampaign();
  at("fund").hidden = !fund || fund.balance.campaign_id !== id;
  if (at("fund").hidden) return;
  const { balance, budget } = fund;
  const figure = (key, fen, level = null) => element("div", { class: key === "fundLeft" ? "left" : null, data: level ? { level } : {} }, element("dt", {}, say(key)), element("dd", {}, yuan(fen)));
  const figures = element(
    "dl",
    { class: "fund-figures" },
    figure("fundLeft", balance.balance_fen, balance.overdrawn ? "alarm" : null),
    figure("received", BigInt(balance.received_fen) - BigInt(balance.reversed_fen)),
    figure("reserved", balance.reserved_fen),
    figure("disbursed", balance.disbursed_fen),
    figure("returnedAll", balance.returned_fen),
  );
  const waits = budget.changes.some((change) => change.state === "asked") ? element("span", { class: "badge", data: { level: "warn" } }, say("budgetWaits")) : "";
  const overdrawn = balance.overdrawn ? element("span", { class: "badge", data: { level: "alarm" } }, say("overdrawn")) : "";
  at("fund").replaceChildren(element("h2", {}, titleOf(id)), overdrawn, waits, figures, budgetTable(shell, budget) ?? "");
}

async function readFund() {
  const id = table.query().campaign_id;
  if (id) {
    const [balance, budget] = await Promise.all([get("campaign", `/campaigns/${id}/balance`, {}, { tries: 0 }), get("campaign", `/campaigns/${id}/budget`, {}, { tries: 0 })]);
    fund = { balance, budget };
  }
  renderFund();
}

// ---------------------------------------------------------------- live

async function readNames() {
  [campaigns, organisations] = await Promise.all(["/campaigns", "/organisations"].map((path) => getAll("campaign", path, {}, { tries: 0 })));
  table.render();
  renderRatios();
}

const refresh = () => live.round();

at("budget").addEventListener("click", showBudget);
shell.keys.on("b", "budget", showBudget);
at("ask").hidden = !may.ask;
at("ask").addEventListener("click", openAsk);
if (may.ask) shell.keys.on("c", "ask", openAsk);

const live = new Live(shell, 5_000, async () => {
  if (campaigns.length === 0) await readNames();
  await Promise.all([table.read(), readRatios(), readFund()]);
});
setInterval(() => document.hidden || readNames().catch(() => {}), 60_000);
