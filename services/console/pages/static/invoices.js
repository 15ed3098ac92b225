// A disbursement's invoices: files that are kept with their hash and never changed, and one more added with its own number and amount.

import { send, Trouble } from "./api.js";
import { element } from "./dom.js";
import { formatYuan } from "./money.js";

const TYPES = { pdf: "application/pdf", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg" };
const MAX_BYTES = 5 * 1024 * 1024;

/** The files that a request has: the invoice's number and amount, name, size, hash, who sent it, where else it was used. */
export function invoicesTable(shell, row, invoices) {
  const { say } = shell;
  if (invoices.length === 0) return null;
  const right = ["invoiceAmount", "invoiceSize"];
  const head = ["invoiceNumber", "invoiceAmount", "invoiceName", "invoiceSize", "invoiceHash", "addedBy"].map((key) => element("th", { scope: "col", class: right.includes(key) ? "n" : null }, say(key)));
  const badge = (key) => element("span", { class: "badge", data: { level: "alarm" } }, say(key));
  const lines = invoices.map((file) =>
    element(
      "tr",
      {},
      element("td", { class: "mono" }, file.invoice_number ?? "", " ", file.number_also_at.length > 0 ? badge("numberTwice") : null),
      element("td", { class: "n" }, file.amount_fen === null ? "" : formatYuan(file.amount_fen)),
      element("td", { class: "wide" }, linkOf(row, file), " ", file.also_at.length > 0 ? badge("invoiceTwice") : null),
      element("td", { class: "n" }, sizeOf(file.size_bytes)),
      element("td", {}, element("code", { title: file.sha256 }, file.sha256.slice(0, 16))),
      element("td", {}, file.added_by),
    ),
  );
  const sum = invoices.reduce((all, file) => all + (file.amount_fen ?? 0n), 0n);
  const level = sum > row.amount_fen ? "alarm" : null;
  return element(
    "div",
    {},
    element("h3", {}, say("invoices")),
    element("div", { class: "scroll" }, element("table", { class: "items invoices" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines))),
    sum > 0n ? element("p", { class: level ? "alarm-text" : "dim" }, say("invoiceSum", formatYuan(sum), formatYuan(row.amount_fen))) : null,
  );
}

const linkOf = (row, file) => element("a", { href: `/api/campaign/v1/disbursements/${row.disbursement_id}/invoices/${file.number}`, download: file.name }, file.name);
const sizeOf = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`);

/** The step that adds one to a request as it was read (`etag`). */
export function addInvoice(shell, steps, { row, etag }) {
  const fields = [
    { name: "invoice_number", title: "invoiceNumber", hint: "invoiceNumberHint", attributes: { maxlength: "40" } },
    { name: "amount_fen", title: "invoiceAmount", kind: "money" },
    { name: "file", title: "invoiceFile", kind: "file", required: true, hint: "invoiceFileHint", attributes: { accept: ".pdf,.png,.jpg,.jpeg" } },
    { name: "name", title: "invoiceName", hint: "invoiceNameHint", attributes: { maxlength: "200" } },
  ];
  steps.form("invoice", "invoiceAdd", fields, ({ file, name = file.name, ...said }, key) => {
    if (file.size > MAX_BYTES) throw new Trouble(413, { detail: shell.say("invoiceLarge") });
    const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? file.type;
    return send("POST", "campaign", `/disbursements/${row.disbursement_id}/invoices`, file, { key, ifMatch: etag, query: { name, ...said }, type: type || undefined });
  });
}
