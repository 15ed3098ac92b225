// A disbursement's invoices: files that are kept with their hash and never changed, and one more added.

import { send, Trouble } from "./api.js";
import { element } from "./dom.js";

const TYPES = { pdf: "application/pdf", png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg" };
const MAX_BYTES = 5 * 1024 * 1024;

/** The files that a request has: number, name, size, hash, who sent it, and where else it was used. */
export function invoicesTable(shell, row, invoices) {
  const { say } = shell;
  if (invoices.length === 0) return null;
  const head = ["invoiceNumber", "invoiceName", "invoiceSize", "invoiceHash", "addedBy"].map((key) => element("th", { scope: "col", class: ["invoiceNumber", "invoiceSize"].includes(key) ? "n" : null }, say(key)));
  const lines = invoices.map((file) =>
    element(
      "tr",
      {},
      element("td", { class: "n" }, String(file.number)),
      element("td", { class: "wide" }, linkOf(row, file), file.also_at.length > 0 ? element("span", { class: "badge", data: { level: "alarm" } }, say("invoiceTwice")) : ""),
      element("td", { class: "n" }, sizeOf(file.size_bytes)),
      element("td", {}, element("code", { title: file.sha256 }, file.sha256.slice(0, 16))),
      element("td", {}, file.added_by),
    ),
  );
  return element("div", {}, element("h3", {}, say("invoices")), element("table", { class: "items invoices" }, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...lines)));
}

const linkOf = (row, file) => element("a", { href: `/api/campaign/v1/disbursements/${row.disbursement_id}/invoices/${file.number}`, download: file.name }, file.name);
const sizeOf = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} kB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`);

/** The step that adds one to a request as it was read (`etag`). */
export function addInvoice(shell, steps, { row, etag }) {
  const fields = [
    { name: "file", title: "invoiceFile", kind: "file", required: true, hint: "invoiceFileHint", attributes: { accept: ".pdf,.png,.jpg,.jpeg" } },
    { name: "name", title: "invoiceName", hint: "invoiceNameHint", attributes: { maxlength: "200" } },
  ];
  steps.form("invoice", "invoiceAdd", fields, ({ file, name = file.name }, key) => {
    if (file.size > MAX_BYTES) throw new Trouble(413, { detail: shell.say("invoiceLarge") });
    const type = TYPES[file.name.split(".").pop().toLowerCase()] ?? file.type;
    return send("POST", "campaign", `/disbursements/${row.disbursement_id}/invoices`, file, { key, ifMatch: etag, query: { name }, type: type || undefined });
  });
}
