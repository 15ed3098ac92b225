// Looking for a donor by what they can say, and what is done with the donations found. Those that are chosen stay when
// the next search comes, so that one request can name what several searches have found.

import { post, Trouble } from "./api.js";
import { openDonor } from "./donor-data.js";
import { at, element, put } from "./dom.js";
import { Form } from "./form.js";
import { formatYuan } from "./money.js";
import { Names } from "./names.js";
import { notice } from "./notice.js";
import { Sheet } from "./sheet.js";
import { Table } from "./table.js";
import { stampOf } from "./time.js";

const FIELDS = ["receipt", "transaction_id", "phone", "email", "donation_id", "wechat_openid"];

/** The view: `render()` writes it in the language of now. */
export function donorSearch(shell) {
  const { say } = shell;
  const [names, channels] = ["campaigns", "channels"].map((kind) => new Names(kind, shell, () => table.render()));
  let found = [];
  const table = new Table(at("table"), shell, {
    name: "donor",
    source: { rows: () => found },
    id: (row) => row.donation_id,
    columns: [
      { key: "occurred_at", title: "occurredAt", kind: "time" },
      { key: "amount_fen", title: "amount", kind: "money" },
      { key: "campaign_id", title: "campaign", cell: (row) => names.titleOf(row.campaign_id), value: (row) => row.campaign_id, wide: true },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "transaction_id", title: "transaction" },
      { key: "donation_id", title: "donationId" },
      { key: "erased_at", title: "erasedAt", kind: "time" },
    ],
    actions: [
      { key: "v", title: "show", main: true, run: (rows) => openDonor(shell, rows, { names, channels }) },
      { key: "e", title: "ask", when: (row) => row.erased_at === null, run: (rows) => askErasure(shell, rows, names) },
    ],
    open: (row) => openDonor(shell, [row], { names, channels }),
    empty: "notFound",
  });
  const seek = new SearchLine(shell, async (by, value) => {
    const { body } = await post("donation", "/personal-data/find", { [by]: value });
    const kept = table.rows.filter((row) => table.selected.has(row.donation_id));
    const known = new Set(kept.map((row) => row.donation_id));
    found = [...kept, ...body.items.filter((row) => !known.has(row.donation_id))];
    table.begin();
    at("table").hidden = false;
    names.read();
    channels.read();
    await table.reload();
    if (body.more) notice(shell, say("more", body.items.length), { level: "warn", ms: 12_000 });
  });
  shell.keys.on("s", "keySeek", () => seek.focus());
  at("table").hidden = true;
  return {
    render: () => {
      seek.render();
      table.render();
    },
  };
}

/** What the donor has said, in one line. `search(by, value)` asks the service. */
class SearchLine {
  constructor(shell, search) {
    this.shell = shell;
    this.search = search;
    at("seek").hidden = false;
  }

  focus() {
    this.form.inputs.get("value").input.focus();
  }

  render() {
    if (this.code === this.shell.code) return;
    this.code = this.shell.code;
    const asked = new URL(location.href).searchParams.get("donation_id");
    const before = this.form?.inputs;
    const by = before?.get("by").input.value ?? (asked ? "donation_id" : FIELDS[0]);
    const value = before?.get("value").input.value ?? asked ?? "";
    const { say } = this.shell;
    this.form = new Form(this.shell, {
      name: "seek",
      fields: [
        { name: "by", title: "by", kind: "select", value: by, options: () => FIELDS.map((each) => [each, say("fields")[each]]) },
        { name: "value", title: "sought", required: true, value, attributes: { maxlength: "254", spellcheck: "false" } },
      ],
      submit: "seek",
      send: async (values) => {
        const text = values.by === "phone" ? values.value.replace(/[\s-]/g, "") : values.value;
        try {
          await this.search(values.by, values.by === "receipt" ? text.toUpperCase() : text);
        } catch (trouble) {
          // The service speaks of the field that was chosen; here it is the one that was typed in.
          if (trouble instanceof Trouble && trouble.status === 422) trouble.fields = [{ field: "value", message: say("unreadable")[values.by] }];
          throw trouble;
        }
      },
    });
    this.form.inputs.get("by").input.addEventListener("change", () => this.hint());
    at("seek").replaceChildren(this.form.node);
    this.hint();
    if (asked && !before) this.form.submit();
  }

  hint() {
    const { input, said, field } = this.form.inputs.get("value");
    const hint = this.shell.say("examples")[this.form.inputs.get("by").input.value];
    field.hint = () => hint;
    input.removeAttribute("aria-invalid");
    said.classList.remove("bad");
    put(said, hint);
  }
}

/** Ask for an erasure. Nothing is gone before another person has carried it out. */
function askErasure(shell, rows, names) {
  const { say } = shell;
  return new Promise((ended) => {
    let asked = false;
    const form = new Form(shell, {
      name: "ask",
      fields: [{ name: "reference", title: "reference", required: true, hint: "referenceHint", attributes: { maxlength: "64", placeholder: "PIPL-2027-0012" } }],
      submit: "ask",
      send: ({ reference }, key) => post("donation", "/erasures", { donation_ids: rows.map((row) => row.donation_id), reference }, { key }).catch((trouble) => inWords(shell, trouble)),
      done: ({ body }) => {
        asked = true;
        notice(shell, say("asked", body.reference), { ms: 10_000 });
        sheet.close();
      },
    });
    const lines = rows.map((row) => element("li", {}, [stampOf(row.occurred_at), `¥${formatYuan(row.amount_fen)}`, names.titleOf(row.campaign_id), row.transaction_id].join(" · ")));
    const sheet = new Sheet(shell, say("askTitle", rows.length), element("p", { class: "dim" }, say("askHint")), element("ul", { class: "ids" }, ...lines), form.node);
    sheet.node.addEventListener("ended", () => ended(asked));
    sheet.open();
  });
}

function inWords(shell, trouble) {
  if (trouble instanceof Trouble) {
    const known = shell.say("refusals")[trouble.code];
    if (known) trouble.detail = known.join(" ");
    else if (trouble.status === 422) trouble.fields = [{ field: "reference", message: shell.say("referenceWrong") }];
    if (known) trouble.fields = [];
  }
  throw trouble;
}
