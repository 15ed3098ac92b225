// A sheet over the page: details of a row, a form, the list of keys. A dialog of the browser's own, so that focus
// stays in it, Escape closes it, and the focus goes back to where it was.

import { element, put } from "./dom.js";
import { written } from "./session.js";

export class Sheet {
  constructor(shell, title, ...content) {
    const close = element("button", { type: "button", class: "quiet", onclick: () => this.leave() }, shell.say("close"));
    this.unsent = element("p", { class: "unsent", role: "alert", hidden: true });
    this.say = shell.say;
    this.node = element(
      "dialog",
      { class: "sheet", "aria-label": title },
      element("div", { class: "sheet-head" }, element("h2", {}, title), close, this.unsent),
      element("div", { class: "sheet-body" }, ...content),
    );
    // The browser says "close" a task later, and a key pressed in between would still find the sheet at work.
    this.node.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (!this.held) this.leave();
    });
    this.node.addEventListener("close", () => this.end());
    this.node.addEventListener("click", (event) => event.target === this.node && !this.held && !written(this.node) && this.close());
    for (const goesOn of ["input", "submit"]) this.node.addEventListener(goesOn, () => (this.unsent.hidden = true));
  }

  /** By the person: what is written and not sent goes at the second time only. */
  leave() {
    if (this.unsent.hidden && written(this.node)) {
      put(this.unsent, this.say("unsent"));
      this.unsent.hidden = false;
    } else this.close();
  }

  open() {
    openSheet()?.close();
    document.body.append(this.node);
    this.node.showModal();
    this.node.querySelector(".sheet-body :is(input, select, textarea):not([readonly])")?.focus();
    return this;
  }

  close() {
    this.node.close();
    this.end();
  }

  /** Gone from the page, and whoever waits for its end ("ended") is told at once. */
  end() {
    if (!this.node.isConnected) return;
    this.node.remove();
    this.node.dispatchEvent(new Event("ended"));
  }

  /** Have it stay until `close` is called: neither Escape nor a click beside it takes it away. */
  hold() {
    this.held = true;
    this.node.querySelector(".sheet-head button").hidden = true;
    this.node.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
    return this;
  }
}

/** The sheet that is open now, if any: what was asked for meanwhile must not take away another one. */
export const openSheet = () => document.querySelector("dialog.sheet[open]");

/** Pairs of words and values as a list: [[title, text or node], …]; what is null is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element(
    "dl",
    { class: "facts" },
    ...shown.map(([title, value]) => element("div", {}, element("dt", {}, title), element("dd", {}, value))),
  );
}
