// A line at the foot of the page that says what was done, with Undo where it can be undone. It goes by itself.

import { Trouble } from "./api.js";
import { at, element } from "./dom.js";

const SHOWN_MS = 6_000;
const AT_ONCE = 4;

/** notice(shell, "已确认", {undo: () => …, ms: 10_000}); gives a function that takes it away. */
export function notice(shell, text, { undo = null, ms = SHOWN_MS, level = "good" } = {}) {
  const line = element("p", { class: "notice", data: { level } }, element("span", {}, text));
  const away = () => line.remove();
  if (undo) {
    const button = element("button", { type: "button", class: "undo" }, shell.say("undo"));
    button.addEventListener("click", () => {
      away();
      undo();
    });
    line.append(button);
  }
  const notices = at("notices");
  while (notices.children.length >= AT_ONCE) notices.firstElementChild.remove();
  notices.append(line);
  setTimeout(away, ms);
  return away;
}

/** What Undo does: `back()` takes it back, what stands in the way is said, and `again()` reads anew. */
export async function takeBack(shell, back, again) {
  try {
    await back();
    notice(shell, shell.say("undone"));
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    notice(shell, shell.words(trouble), { level: "alarm", ms: 12_000 });
  }
  again();
}
