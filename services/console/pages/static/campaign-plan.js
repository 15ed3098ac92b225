// The plan of a campaign as a form: what stands in it, and what goes to the service.

import { element } from "./dom.js";
import { parseYuan, formatShort } from "./money.js";

const KINDS = ["gala", "annual_drive", "emergency_appeal", "programme", "employer_drive"];
const shanghai = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });

const timeField = (iso) => (iso ? shanghai.format(new Date(iso)).replace(" ", "T") : undefined);
const split = (text) => text.split(/[\n、，,;；]+/).map((each) => each.trim()).filter(Boolean);
/** The service takes no line breaks inside a text. */
const flat = (text) => text?.replace(/\s*\n\s*/g, " ");

/** Milestones as a person writes them: percentages of the goal where they are whole ones. */
function milestonesText(known) {
  if (!known?.goal_fen) return (known?.milestones_fen ?? []).map((fen) => formatShort(BigInt(fen), "zh")).join("、");
  const goal = BigInt(known.goal_fen);
  const amounts = known.milestones_fen.map(BigInt);
  const whole = amounts.every((fen) => (fen * 100n) % goal === 0n);
  return amounts.map((fen) => (whole ? `${(fen * 100n) / goal}%` : formatShort(fen, "zh"))).join("、");
}

/** {milestone_percents} or {milestones_fen}; null when it can't be read; {} when nothing is written. */
export function readMilestones(text) {
  const parts = split(text ?? "");
  if (parts.length === 0) return {};
  if (parts.every((each) => /^\d{1,4}\s*%$/.test(each))) return { milestone_percents: parts.map((each) => Number.parseInt(each, 10)) };
  const amounts = parts.map(parseYuan);
  return amounts.includes(null) ? null : { milestones_fen: amounts };
}

/** The fields for form.js; `known`: the campaign whose plan is rewritten, or null. */
export function planFields(shell, known, organisations) {
  const value = (name) => known?.[name] ?? undefined;
  const of = organisations.map((each) => [each.organisation_id, (shell.code === "en" && each.name_en) || each.name]);
  return [
    ...(known ? [] : [{ name: "campaign_id", title: "id", required: true, hint: "idHint" }]),
    { name: "kind", title: "kind", kind: "select", value: value("kind"), options: () => KINDS.map((each) => [each, shell.say("kinds")[each]]) },
    { name: "title", title: "name", required: true, value: value("title") },
    { name: "title_en", title: "nameEn", value: value("title_en") },
    { name: "organisation_id", title: "organisation", kind: "select", value: known ? (known.organisation_id ?? "") : undefined, options: () => [...of, ["", shell.say("unregistered")]] },
    { name: "organisation", title: "organisationName", value: value("organisation") },
    { name: "licence", title: "licence", value: value("licence") },
    { name: "goal_fen", title: "goal", kind: "money", value: known?.goal_fen ? BigInt(known.goal_fen) : undefined, hint: "goalHint" },
    { name: "milestones", title: "milestones", value: milestonesText(known) || undefined, hint: "milestonesHint" },
    { name: "window_start", title: "opens", value: timeField(known?.window_start), attributes: { type: "datetime-local" } },
    { name: "window_end", title: "ends", value: timeField(known?.window_end), attributes: { type: "datetime-local" } },
    { name: "purpose", title: "purpose", kind: "area", value: value("purpose") },
    { name: "beneficiaries", title: "beneficiaries", kind: "area", value: value("beneficiaries") },
    { name: "uses", title: "uses", value: known?.uses.join("、"), hint: "usesHint" },
    { name: "remainder", title: "remainder", value: value("remainder") },
    { name: "area", title: "area", value: value("area") },
    { name: "responsible_person", title: "responsible", value: value("responsible_person") },
    { name: "account", title: "account", value: value("account") },
    { name: "cost_fen", title: "cost", kind: "money", value: known?.cost_fen === null || known?.cost_fen === undefined ? undefined : BigInt(known.cost_fen), hint: "costHint" },
    { name: "contact", title: "contact", value: value("contact") },
    { name: "query_method", title: "query", value: value("query_method") },
  ];
}

const PAIRS = [["kind", "organisation_id"], ["title", "title_en"], ["organisation", "licence"], ["goal_fen", "milestones"], ["window_start", "window_end"], ["purpose", "beneficiaries"], ["uses", "remainder"], ["area", "responsible_person"], ["account", "cost_fen"], ["contact", "query_method"]];

/** Put fields side by side, and show an organisation's own words only where the register has none. */
export function layOut(form) {
  const fieldOf = (name) => form.inputs.get(name).input.closest(".field");
  for (const names of PAIRS) {
    const pair = element("div", { class: "two" });
    fieldOf(names[0]).before(pair);
    pair.append(...names.map(fieldOf));
  }
  const of = form.inputs.get("organisation_id").input;
  const own = fieldOf("organisation").parentElement;
  const show = () => (own.hidden = of.value !== "");
  of.addEventListener("change", show);
  show();
}

/** The service's body of what the form has; null when the milestones can't be read. */
export function planBody({ milestones, uses, ...values }) {
  const told = readMilestones(milestones);
  if (told === null) return null;
  const body = { ...values, ...told, uses: split(uses ?? "") };
  for (const name of ["window_start", "window_end"]) if (body[name]) body[name] = `${body[name].slice(0, 16)}:00+08:00`;
  for (const name of ["purpose", "beneficiaries"]) if (body[name]) body[name] = flat(body[name]);
  if (body.organisation_id) {
    delete body.organisation;
    delete body.licence;
  } else delete body.organisation_id;
  return body;
}
