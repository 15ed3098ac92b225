// The donations page: find one by what its donor can say, see all that is known of it, take it back.

import { Trouble } from "./api.js";
import { receiptCell, statusCell } from "./cases.js";
import { at } from "./dom.js";
import { Live } from "./live.js";
import { formatPlain, parseYuan } from "./money.js";
import { Names } from "./names.js";
import { RecordView } from "./record.js";
import { Sheet } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { DONATIONS_TEXTS } from "./texts/donations.js";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const RECEIPT = /^[A-Z][A-Z0-9]{1,11}-2[01]\d{2}-\d{7}$/;
const TAIL = /^[A-Za-z0-9._:-]{4,64}$/;

const shell = new Shell(DONATIONS_TEXTS, () => {
  table.render();
  shown?.write();
});
const { say } = shell;
const [names, channels] = ["campaigns", "channels"].map(
  (kind) =>
    new Names(kind, shell, () => {
      table.render();
      shown?.write();
    }),
);
let shown = null;

/** What was typed, as what it can be. A whole transaction id ends with itself. */
function sought(text) {
  if (UUID.test(text)) return { donation_id: text.toLowerCase() };
  if (RECEIPT.test(text.toUpperCase())) return { receipt: text.toUpperCase() };
  if (TAIL.test(text)) return { transaction_id_ends: text };
  throw new Trouble(422, { detail: say("soughtShort") });
}

function amount(text) {
  const fen = parseYuan(text);
  if (fen === null) throw new Trouble(422, { detail: say("notMoney") });
  return { amount_fen: fen };
}

const table = new Table(at("table"), shell, {
  name: "donations",
  source: { service: "donation", path: "/donations" },
  id: (row) => row.donation_id,
  level: (row) => (row.conflicted ? "alarm" : row.status === "held" ? "warn" : ""),
  columns: [
    { key: "occurred_at", title: "occurredAt", kind: "time" },
    { key: "amount_fen", title: "amount", kind: "money" },
    { key: "status", title: "status", cell: (row) => statusCell(shell, row) },
    { key: "shown_name", title: "donor", cell: (row) => row.shown_name ?? say("anonymous") },
    { key: "campaign_id", title: "campaign", cell: (row) => names.titleOf(row.campaign_id), value: (row) => row.campaign_id, wide: true },
    { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
    { key: "transaction_id", title: "transaction" },
    { key: "receipt", title: "receipt", cell: receiptCell },
  ],
  filters: [
    { name: "find", title: "sought", kind: "text", wide: true, asks: sought },
    { name: "amount", title: "amountSought", kind: "text", asks: amount },
    { name: "day", title: "day", kind: "day", asks: (day) => ({ day }) },
  ],
  exportPage: 200,
  open,
  empty: "emptyHint",
});

async function open(row) {
  const view = new RecordView(shell, row.donation_id, { names, channels, changed: () => live.round() });
  const sheet = new Sheet(shell, `${say("record")} · ${formatPlain(row.amount_fen)}`, view.node);
  sheet.node.classList.add("large");
  sheet.node.addEventListener("ended", () => (shown = null));
  sheet.open();
  shown = view;
  await view.read();
}

const live = new Live(shell, 4_000, async () => {
  names.read();
  channels.read();
  await Promise.all([table.read(), shown?.read()]);
});
