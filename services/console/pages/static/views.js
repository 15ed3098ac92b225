// Several lists on one page, each with its own address: /channels and /channels?view=statements.

import { at } from "./dom.js";

/** The view of the address, among `views` ({name: whether this person has it}); the first one without. The
 *  links in #views with `data-view` lead to them. */
export function chosenView(views) {
  const had = Object.keys(views).filter((name) => views[name]);
  const asked = new URL(location.href).searchParams.get("view");
  const chosen = had.includes(asked) ? asked : had[0];
  const links = [...at("views").querySelectorAll("[data-view]")];
  for (const link of links) {
    link.hidden = !had.includes(link.dataset.view);
    if (link.dataset.view === chosen) link.setAttribute("aria-current", "page");
  }
  at("views").hidden = had.length < 2;
  return chosen;
}
