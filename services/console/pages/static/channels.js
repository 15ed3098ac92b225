// The channels page: the list of channels, and what their statements (files) come to.

import { channelsTable } from "./channels-list.js";
import { Live } from "./live.js";
import { Names } from "./names.js";
import { Shell } from "./shell.js";
import { statementsTable } from "./statements.js";
import { CHANNELS_TEXTS } from "./texts/channels.js";
import { chosenView } from "./views.js";

const shell = new Shell(CHANNELS_TEXTS, () => table.render());
const view = chosenView({ channels: true, statements: shell.has("finance") });
const live = () => line.round();
const [campaigns, organisations, channels] = ["campaigns", "organisations", "channels"].map((kind) => new Names(kind, shell, () => table.render()));
const table = view === "statements" ? statementsTable(shell, live, channels) : channelsTable(shell, live, { campaigns, organisations });
const line = new Live(shell, 5_000, () => {
  for (const names of [campaigns, organisations, channels]) names.read();
  return table.read();
});
