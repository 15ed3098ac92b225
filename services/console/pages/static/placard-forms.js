// What a placard says, as fields, as the body of a call and in words; and what the service refuses, in words.

import { Trouble } from "./api.js";
import { element, put } from "./dom.js";
import { formatPlain, formatShort, formatSpoken, formatYuan, parseYuan } from "./money.js";

const BASES = ["agreed", "invoice", "appraisal"];
const DISPLAYS = ["name", "alias", "anonymous"];
const LINE = { maxlength: "200" };
const SHORT = { maxlength: "20" };

/** The fields of a placard; of `known` with what it says now, but for an amount that this person is to read back. */
export function fieldsOf(shell, known = null, due = known?.due_on) {
  const goods = known?.goods ?? {};
  const choices = (key, names) => names.map((each) => [each, shell.say(key)[each]]);
  return [
    { name: "placard", title: "placard", value: known?.placard, attributes: SHORT },
    { name: "company", title: "company", required: true, value: known?.company, attributes: LINE },
    { name: "amount_fen", title: "amount", kind: "money", required: true, value: known && !unread(shell, known) ? BigInt(known.amount_fen) : undefined, hint: "amountHint" },
    { name: "due_on", title: "due", kind: "day", required: true, value: due },
    { name: "goods.description", title: "goodsWhat", value: goods.description, attributes: LINE },
    { name: "goods.quantity", title: "quantity", kind: "number", value: goods.quantity },
    { name: "goods.unit", title: "unit", value: goods.unit, attributes: SHORT },
    { name: "goods.basis", title: "basis", kind: "select", value: goods.basis, options: () => [["", ""], ...choices("bases", BASES)] },
    { name: "display", title: "display", kind: "select", value: known?.display, options: () => choices("displays", DISPLAYS) },
    { name: "alias", title: "alias", value: known?.display === "alias" ? known.shown_name : undefined, attributes: LINE },
  ];
}

/** The body of a call: goods only when there are some. */
export function bodyOf({ goods, ...values }) {
  const some = goods && (goods.description || goods.quantity !== undefined || goods.unit);
  return some ? { ...values, goods } : values;
}

export const yuan = (fen) => `¥${formatYuan(BigInt(fen))}`;
export const goodsOf = (row) => (row.goods ? `${row.goods.description} ${row.goods.quantity} ${row.goods.unit}` : "");
export const nameOf = (shell, row) => (row.placard ? shell.say("numbered", row.placard, row.company) : row.company);

/** Whoever is to read the placard back is not shown what was entered. */
export const unread = (shell, row) => row.state === "entered" && row.written_by !== shell.me.person && shell.has("desk", "finance");

/** Say below a field of money what it comes to, while it is typed: a nought too many is seen. */
export function spell(shell, form, name = "amount_fen") {
  const { input } = form.inputs.get(name);
  input.addEventListener("input", () => {
    const fen = parseYuan(input.value);
    form.say(name, null);
    if (fen === null) return;
    const spoken = shell.code === "zh" ? formatSpoken(fen) : formatShort(fen, "en");
    put(form.inputs.get(name).said, [yuan(fen), ...(spoken === formatPlain(fen) ? [] : [spoken])].join(" · "));
  });
}

/** `send()`, its refusals said in this language, at the field that they are about. */
export async function explained(shell, send) {
  try {
    return await send();
  } catch (trouble) {
    const known = trouble instanceof Trouble && shell.say("refusals")[trouble.code];
    if (!known) throw trouble;
    const text = known.join(" ").trim();
    throw Object.assign(trouble, { detail: text, fields: trouble.fields.map(({ field }) => ({ field, message: text })) });
  }
}

const TERMS = {
  placard: (shell, row) => row.placard ?? "",
  company: (shell, row) => row.company,
  amount: (shell, row) => yuan(row.amount_fen),
  due: (shell, row) => row.due_on,
  promisedOn: (shell, row) => row.promised_on,
  goods: (shell, row) => (row.goods ? `${goodsOf(row)} (${shell.say("bases")[row.goods.basis]})` : ""),
  display: (shell, row) => (row.display === "name" ? shell.say("displays").name : `${shell.say("displays")[row.display]} · ${row.shown_name}`),
};

/** What one wording says otherwise than the one before it, as a list; null: nothing. `blind`: not the amount. */
export function differences(shell, before, after, { blind = false } = {}) {
  const lines = Object.entries(TERMS)
    .filter(([key]) => !(blind && key === "amount"))
    .map(([key, text]) => [key, text(shell, before), text(shell, after)])
    .filter(([, was, is]) => was !== is)
    .map(([key, was, is]) => element("li", {}, element("span", {}, shell.say(key)), element("s", {}, was || shell.say("none")), element("span", {}, "→"), element("b", {}, is || shell.say("none"))));
  return lines.length > 0 ? element("ul", { class: "differences" }, ...lines) : null;
}
