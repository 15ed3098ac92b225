// A channel's bill of a day, as the channel gives it.

import { get, send, Trouble } from "./api.js";
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
    const form = new Form(shell, {
      fields: [
        { name: "channel", title: "channel", kind: "select", options: () => channels.map((each) => [each.channel, `${each.title} (${each.channel})`]) },
        { name: "day", title: "day", kind: "day", required: true, value: yesterday, hint: "dayHint", attributes: { max: yesterday } },
        { name: "format", title: "format", kind: "select", hint: "formatHint", options: () => [["", say("agreed")], ...Object.entries(say("formats"))] },
        { name: "confirmed", title: "confirmed", kind: "check", hint: "confirmedHint" },
      ],
      submit: "upload",
      send: ({ channel, day, format, confirmed }, key) => {
        const [chosen] = file.files;
        if (!chosen) throw new Trouble(422, { detail: say("noFile") });
        return send("POST", "donation", "/reconciliation/bills", chosen, { key, query: { channel, day, format, confirmed: confirmed ? "true" : null }, type: "text/csv" });
      },
      done: ({ body, status }) => {
        sheet.close();
        notice(shell, status === 200 ? say("cameBefore") : say("uploaded", body.channel, body.day, body.payments, formatYuan(body.payments_fen)), { ms: 10_000 });
        again();
      },
    });
    const file = element("input", { id: "field-file", type: "file", accept: ".csv,.txt,.xlsx,.xml" });
    const field = element("div", { class: "field" }, element("label", { for: "field-file" }, say("file")), file, element("p", { class: "said" }, say("fileHint")));
    form.node.insertBefore(field, form.node.lastElementChild);
    const sheet = new Sheet(shell, say("upload"), form.node).open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}
