// The page of donors' personal data: finance looks for a donor, gives out what is known, asks for an erasure; an
// approver carries it out or refuses. What is looked for stands in no address: it is personal data itself.

import { donorSearch } from "./donor-search.js";
import { erasuresTable } from "./erasures-list.js";
import { Live } from "./live.js";
import { Shell } from "./shell.js";
import { PERSONAL_DATA_TEXTS } from "./texts/personal-data.js";
import { chosenView } from "./views.js";

const shell = new Shell(PERSONAL_DATA_TEXTS, () => view.render());
const asks = shell.has("finance");
const view = chosenView({ find: asks, erasures: true }) === "find" ? donorSearch(shell) : erasuresTable(shell, () => live.round());
const live = view.read ? new Live(shell, 5_000, () => view.read()) : null;
