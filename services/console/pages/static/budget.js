// A campaign's budget by use: one person puts it forward, another confirms it; what is spent and left of each use.

import { get, getWithEtag, post, Trouble } from "./api.js";
import { element, put } from "./dom.js";
import { formatYuan, parseYuan } from "./money.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { Steps } from "./steps.js";
import { stampOf } from "./time.js";

const yuan = (fen) => `¥${formatYuan(BigInt(fen))}`;

/** What is planned, spent and left of each use; null without a budget in force. */
export function budgetTable(shell, budget) {
  const { say } = shell;
  if (!budget.in_force) return null;
  const head = ["use", "planned", "spent", "left"].map((key, i) => element("th", { scope: "col", class: i > 0 ? "n" : null }, say(key)));
  const rows = budget.lines.map((line) => element("tr", {}, element("td", {}, line.use), ...[line.amount_fen, line.spent_fen, line.remaining_fen].map((fen) => element("td", { class: "n" }, formatYuan(BigInt(fen))))));
  return element("table", { class: "budget" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
}

/** The sheet of a campaign's budget. `may`: {ask, decide, withdraw}; `took(name)`: a step was taken. */
export async function openBudget(shell, campaign, { title, may, took }) {
  const { say } = shell;
  const path = `/campaigns/${campaign.campaign_id}`;
  const before = openSheet();
  try {
    const [{ body: budget, etag }, balance] = await Promise.all([getWithEtag("campaign", `${path}/budget`), get("campaign", `${path}/balance`)]);
    if (openSheet() !== before) return; // the person has gone on to another one
    const waiting = budget.changes.find((change) => change.state === "asked");
    const steps = new Steps(shell, took);
    const send = (name) => (values = null, key = undefined) => post("campaign", `${path}/budget${name}`, values, { ifMatch: etag, key });
    let hint = "";
    if (waiting) {
      if (may.decide && waiting.asked_by !== shell.me.person) steps.step("budget/confirm", "budgetConfirm", () => send("/confirm")(), { main: true });
      if (may.withdraw) steps.step("budget/withdraw", "budgetWithdraw", () => send("/withdraw")());
      hint = waiting.asked_by === shell.me.person ? say("anotherBudget") : may.decide ? "" : say("waitsForApprover");
    } else if (may.ask) {
      steps.form("budget", "budgetAsk", fieldsOf(shell, campaign, budget), (values, key) => send("")(bodyOf(shell, campaign, values), key), { opened: (form) => tellSum(shell, form, balance) });
    }
    const sheet = new Sheet(
      shell,
      `${say("budget")} · ${title}`,
      facts([
        [say("fundLeft"), yuan(balance.balance_fen)],
        [say("window"), budget.spend_until],
      ]),
      budgetTable(shell, budget) ?? element("p", { class: "dim" }, say("noBudget", shell.list(campaign.uses))),
      waiting ? waitingOf(shell, waiting) : "",
      steps.node(hint),
    );
    sheet.node.classList.add("large");
    sheet.open();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

const nameOf = (i) => `line_${i}_fen`;

function fieldsOf(shell, campaign, budget) {
  const known = new Map(budget.lines.map((line) => [line.use, line]));
  const lines = campaign.uses.map((use, i) => ({
    name: nameOf(i),
    title: () => shell.say("budgetFor", use),
    kind: "money",
    value: known.has(use) ? BigInt(known.get(use).amount_fen) : undefined,
    hint: known.has(use) ? () => shell.say("budgetSpent", yuan(known.get(use).spent_fen)) : undefined,
  }));
  return [
    ...lines,
    { name: "spend_until", title: "window", kind: "day", value: budget.spend_until ?? undefined, hint: "windowHint" },
    { name: "reason", title: "reason", kind: "area", required: true, hint: "reasonHint" },
  ];
}

function bodyOf(shell, campaign, values) {
  const lines = campaign.uses.map((use, i) => ({ use, amount_fen: values[nameOf(i)] })).filter((line) => line.amount_fen !== undefined);
  if (lines.length === 0) throw new Trouble(422, { detail: shell.say("budgetEmpty") });
  return { lines, spend_until: values.spend_until, reason: values.reason };
}

/** Beside the lines: what they make together, and what the fund still has. */
function tellSum(shell, form, balance) {
  const node = element("p", { class: "known", role: "status" });
  const inputs = [...form.inputs].filter(([name]) => name.startsWith("line_")).map(([, { input }]) => input);
  const tell = () => {
    const sum = inputs.reduce((all, input) => all + (parseYuan(input.value) ?? 0n), 0n);
    put(node, `${shell.say("budgetSum", yuan(sum))} · ${shell.say("fundLeft")} ${yuan(balance.balance_fen)}`);
  };
  form.node.addEventListener("input", tell);
  form.inputs.get("spend_until").input.closest(".field").before(node);
  tell();
}

function waitingOf(shell, change) {
  const { say } = shell;
  const lines = change.lines.map((line) => [line.use, yuan(line.amount_fen)]);
  return element(
    "div",
    { class: "waiting" },
    element("h3", {}, say("budgetWaits")),
    facts([...lines, [say("window"), change.spend_until], [say("requestedBy"), `${change.asked_by} · ${stampOf(change.asked_at)}`], [say("reason"), change.reason]]),
  );
}
