// What the guardrail has answered, in plain words: why, what is left, what can be done.

import { element } from "./dom.js";
import { formatYuan } from "./money.js";

const FIGURES = ["amount_fen", "remaining_fen", "held_fen", "planned_fen", "balance_fen", "difference_fen", "spent_fen"];

/** The panel for a refusal. Texts: refusals ({code: [what, what to do]}), figures ({name: title}), refused. */
export function answered(shell, trouble) {
  const known = shell.say("refusals")[trouble.code];
  const figures = FIGURES.filter((name) => name in trouble.facts && shell.say("figures")[name]);
  const uses = trouble.facts.uses?.length ? [shell.say("figures").uses, shell.list(trouble.facts.uses)] : null;
  const use = trouble.facts.use && shell.say("figures").use ? [[shell.say("figures").use, trouble.facts.use]] : [];
  const days = ["opens_on", "spend_until"].filter((name) => trouble.facts[name]).map((name) => [shell.say("figures")[name], trouble.facts[name]]);
  const pairs = [...use, ...figures.map((name) => [shell.say("figures")[name], `¥${formatYuan(BigInt(trouble.facts[name]))}`]), ...(uses ? [uses] : []), ...days];
  return element(
    "div",
    { class: "guardrail", role: "alert", data: { code: trouble.code } },
    element("h3", {}, known ? known[0] : shell.say("refused")),
    element("p", {}, known ? known[1] : shell.words(trouble)),
    pairs.length > 0 ? element("dl", {}, ...pairs.map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, value)))) : null,
  );
}
