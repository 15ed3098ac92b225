// The channels page: the list of channels, and what their statements (files) come to.

import { channelsTable } from "./channels-list.js";
import { Live } from "./live.js";
import { Shell } from "./shell.js";
import { statementsTable } from "./statements.js";
import { CHANNELS_TEXTS } from "./texts/channels.js";
import { chosenView } from "./views.js";

const shell = new Shell(CHANNELS_TEXTS, () => table.render());
const view = chosenView({ channels: true, statements: shell.has("finance") });
const live = () => line.round();
const table = view === "statements" ? statementsTable(shell, live) : channelsTable(shell, live);
const line = new Live(shell, 5_000, () => table.read());
