// The reconciliation page: how each day of each channel stands, and the differences with what is done about them.

import { at } from "./dom.js";
import { billSheet } from "./bills.js";
import { breaksTable } from "./breaks.js";
import { daysTable } from "./days.js";
import { Figures } from "./reconciled.js";
import { Live } from "./live.js";
import { Names } from "./names.js";
import { Shell } from "./shell.js";
import { RECONCILIATION_TEXTS } from "./texts/reconciliation.js";
import { chosenView } from "./views.js";

const shell = new Shell(RECONCILIATION_TEXTS, () => write());
const write = () => {
  table.render();
  figures.render();
};
const again = () => line.round();
const view = chosenView({ days: true, breaks: true });
const [campaigns, channels] = ["campaigns", "channels"].map((kind) => new Names(kind, shell, () => write()));
const figures = new Figures(shell, channels);
const table = view === "breaks" ? breaksTable(shell, again, { campaigns, channels }) : daysTable(shell, (row) => figures.owes(row), channels);
const line = new Live(shell, 5_000, async () => {
  campaigns.read();
  channels.read();
  await Promise.all([table.read(), figures.read()]);
  table.render();
});

if (shell.has("finance")) {
  at("upload").hidden = false;
  at("upload").addEventListener("click", () => billSheet(shell, again));
  shell.keys.on("a", "upload", () => billSheet(shell, again));
}
