// A secret that a service shows once: it stays on the page until the person says that it is kept.

import { element, put } from "./dom.js";
import { notice } from "./notice.js";
import { Sheet } from "./sheet.js";

/** `secret` null: the answer was given before, and has none any more. */
export function showSecret(shell, title, secret) {
  const { say } = shell;
  if (!secret) {
    notice(shell, say("secretGone"), { level: "warn", ms: 15_000 });
    return;
  }
  const shown = element("p", { class: "secret" }, secret);
  const copy = element("button", { type: "button" }, say("copy"));
  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(shown);
    await navigator.clipboard?.writeText(secret).then(() => put(copy, say("copied")), () => {});
  });
  const kept = element("button", { type: "button", class: "main", onclick: () => sheet.close() }, say("secretKept"));
  const buttons = element("div", { class: "sheet-buttons" }, copy, kept);
  const sheet = new Sheet(shell, title, element("p", {}, say("secretOnce")), shown, buttons).hold();
  sheet.open();
}
