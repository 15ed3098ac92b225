// Keyboard shortcuts: one key, or two in a row ("g a"). None while a person types. "?" lists them.

import { element } from "./dom.js";
import { Sheet } from "./sheet.js";

const NEXT_MS = 1_200;
const TYPING = "input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]";
const NAMES = { Enter: "↵", " ": "␣", ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };

export class Keys {
  constructor(shell) {
    this.shell = shell;
    this.known = new Map();
    this.before = "";
    document.addEventListener("keydown", (event) => this.press(event));
    this.on("?", "keyHelp", () => this.help());
  }

  /** `keys`: "j" or "g a"; `title`: a text's key, or a function that gives the text; `run(event)`. `repeats`: again
   *  and again while the key is held down; anything else is done once. */
  on(keys, title, run, { repeats = false } = {}) {
    this.known.set(keys, { title, run, repeats });
  }

  off(keys) {
    this.known.delete(keys);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest?.(TYPING)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    // Enter and space press the button or the link that has the focus.
    if (["Enter", " "].includes(event.key) && event.target.closest?.("button, a, summary")) return;
    const found = this.known.get(`${this.before} ${event.key}`) ?? this.known.get(event.key);
    clearTimeout(this.timer);
    this.before = event.key;
    this.timer = setTimeout(() => (this.before = ""), NEXT_MS);
    if (!found) return;
    this.before = "";
    event.preventDefault();
    if (!event.repeat || found.repeats) found.run(event);
  }

  help() {
    const rows = [...this.known].map(([keys, { title }]) =>
      element(
        "div",
        {},
        element("dt", {}, ...keys.split(" ").map((key) => element("kbd", {}, NAMES[key] ?? (key || NAMES[" "])))),
        element("dd", {}, typeof title === "function" ? title() : this.shell.say(title)),
      ),
    );
    new Sheet(this.shell, this.shell.say("keysTitle"), element("dl", { class: "key-list" }, ...rows)).open();
  }
}
