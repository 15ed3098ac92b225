// The lists beside the number: messages that a moderator has let through, and the rankings of the parts and of
// companies. Rows are made once and reused all evening. Where the layout has room for one list only, they take turns.

import { widthInEms } from "./counter.js";
import { withoutDirectionMarks } from "./donors.js";

const TURN_MS = 12_000;

function rowsOf(element, size, className, parts) {
  const rows = Array.from({ length: size }, () => {
    const row = document.createElement("li");
    row.className = className;
    row.hidden = true;
    const cells = {};
    for (const [part, tag] of parts) {
      cells[part] = document.createElement(tag);
      cells[part].className = `${className}-${part}`;
      row.append(cells[part]);
    }
    return { row, cells };
  });
  element.replaceChildren(...rows.map((entry) => entry.row));
  return rows;
}

/** A list of `size` rows of which each frame says all: `write(items)` → of each row the text of each part. */
export class Panel {
  constructor(element, size, className, parts, write) {
    this.box = element.closest(".panel");
    this.write = write;
    this.rows = rowsOf(element, size, className, parts);
    this.items = [];
  }

  show(items) {
    this.items = items.slice(0, this.rows.length);
    this.box.hidden = this.items.length === 0;
    const written = this.write(this.items);
    this.rows.forEach(({ row, cells }, i) => {
      row.hidden = i >= this.items.length;
      // What is not shown any more is not on the page either: a name may have been withdrawn.
      const texts = row.hidden ? {} : written[i];
      for (const part of Object.keys(cells)) {
        const text = withoutDirectionMarks(texts[part] ?? "");
        if (cells[part].textContent === text) continue;
        cells[part].textContent = text;
        if (part === "name") cells[part].style.setProperty("--ems", widthInEms(text));
        if (part === "amount") row.style.setProperty("--amount", widthInEms(text)); // the name has what it leaves
      }
    });
  }

  redraw() {
    this.show(this.items);
  }
}

/** Let the panels of `element` that have something to show take turns; the style decides whether it must. */
export function takeTurns(element) {
  setInterval(() => {
    const names = [...element.children].filter((panel) => !panel.hidden).map((panel) => panel.dataset.panel);
    element.dataset.shown = names[(names.indexOf(element.dataset.shown) + 1) % names.length] ?? "donors";
  }, TURN_MS);
}
