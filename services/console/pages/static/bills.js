// A channel's bill of a day, as the channel gives it.

import { get, send, Trouble } from "./api.js";
import { spokenOf } from "./bill-words.js";
import { element } from "./dom.js";
import { Form } from "./form.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet } from "./sheet.js";
import { dayOf } from "./time.js";

const DAY_MS = 86_400_000;

export async function billSheet(shell, again) {
  const { say } = shell;
  try {
    const channels = (await get("donation", "/channels")).filter((each) => !each.sandbox);
    const yesterday = dayOf(new Date(Date.now() - DAY_MS).toISOString());
    const wrong = element("ul", { class: "wrong-lines" });
    const form = new Form(shell, {
      fields: [
        { name: "channel", title: "channel", kind: "select", options: () => channels.map((each) => [each.channel, `${each.title} (${each.channel})`]) },
        { name: "day", title: "day", kind: "day", required: true, value: yesterday, hint: "dayHint", attributes: { max: yesterday } },
        { name: "format", title: "format", kind: "select", hint: "formatHint", options: () => [["", say("agreed")], ...Object.entries(say("formats"))] },
        { name: "confirmed", title: "confirmed", kind: "check", hint: "confirmedHint" },
        { name: "body", title: "file", kind: "file", required: true, hint: "fileHint", attributes: { accept: ".csv,.txt,.xlsx,.xml" } },
      ],
      submit: "upload",
      send: async ({ channel, day, format, confirmed, body }, key) => {
        wrong.replaceChildren();
        try {
          return await send("POST", "donation", "/reconciliation/bills", body, { key, query: { channel, day, format, confirmed: confirmed ? "true" : null }, type: "text/csv" });
        } catch (trouble) {
          if (trouble instanceof Trouble && trouble.code === "bill-unusable") throw unusable(shell, wrong, trouble);
          throw trouble;
        }
      },
      done: ({ body, status }) => {
        sheet.close();
        notice(shell, status === 200 ? say("cameBefore") : say("uploaded", body.channel, body.day, body.payments, formatYuan(body.payments_fen)), { ms: 10_000 });
        again();
      },
    });
    form.node.insertBefore(wrong, form.node.lastElementChild);
    const sheet = new Sheet(shell, say("upload"), form.node).open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

/** Names each line that is wrong in `place`; gives the refusal in this language, at the field it is about. */
function unusable(shell, place, { facts }) {
  const { lines = [], detail, errors } = facts;
  place.replaceChildren(...lines.map((line) => element("li", {}, spokenOf(shell, line))));
  const message = lines.length > 0 ? shell.say("linesWrong") : spokenOf(shell, detail);
  return new Trouble(422, { title: message, errors: errors.map(({ field }) => ({ field, message })) });
}
