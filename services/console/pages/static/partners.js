// The partners page: where partners are called, each call, and the thank-you messages that did not arrive.

import { deliveriesTable } from "./deliveries.js";
import { endpointsTable } from "./endpoints-list.js";
import { Live } from "./live.js";
import { Names } from "./names.js";
import { Shell } from "./shell.js";
import { PARTNERS_TEXTS } from "./texts/partners.js";
import { thanksTable } from "./thanks.js";
import { chosenView } from "./views.js";

const LISTS = { endpoints: endpointsTable, deliveries: deliveriesTable, thanks: thanksTable };

const shell = new Shell(PARTNERS_TEXTS, () => table.render());
const [campaigns, channels] = ["campaigns", "channels"].map((kind) => new Names(kind, shell, () => table.render()));
const table = LISTS[chosenView({ endpoints: true, deliveries: true, thanks: true })](shell, () => line.round(), campaigns, channels);
const line = new Live(shell, 5_000, () => {
  campaigns.read();
  channels.read();
  return table.read();
});
