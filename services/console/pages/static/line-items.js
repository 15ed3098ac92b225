// Line items in a form: as many rows as are filled, their sum in exact fen, what is wrong at its row.

import { element, put } from "./dom.js";
import { formatYuan, parseYuan } from "./money.js";

const WHOLE = /^\d{1,10}$/;

export class LineItems {
  /** `summed(fen)`: the sum has changed; 0n without a line. Texts: items, itemWhat, itemCount, itemUnit, itemAmount,
   *  itemAdd, itemDrop, itemsSum, itemWrong. */
  constructor(shell, summed) {
    this.shell = shell;
    this.summed = summed;
    this.rows = element("div", {});
    this.sum = element("span", {});
    const add = element("button", { type: "button", class: "quiet", onclick: () => this.add().focus() }, shell.say("itemAdd"));
    this.said = element("p", { class: "said", role: "alert" });
    this.node = element("fieldset", { class: "lines-edit" }, element("legend", {}, shell.say("items")), this.rows, element("div", { class: "sum" }, add, this.sum), this.said);
    this.node.addEventListener("input", () => this.count());
    this.add();
  }

  add() {
    const field = (name, title, mode) => element("input", { class: name, "aria-label": this.shell.say(title), placeholder: this.shell.say(title), inputmode: mode, autocomplete: "off" });
    const what = field("what", "itemWhat");
    const drop = element("button", { type: "button", class: "quiet", "aria-label": this.shell.say("itemDrop") }, "×");
    const row = element("div", { class: "line" }, what, field("count", "itemCount", "numeric"), field("unit", "itemUnit"), field("amount", "itemAmount", "decimal"), drop);
    drop.addEventListener("click", () => {
      row.remove();
      this.count();
    });
    this.rows.append(row);
    return what;
  }

  count() {
    const amounts = [...this.rows.querySelectorAll(".amount")].map((input) => parseYuan(input.value) ?? 0n);
    const total = amounts.reduce((sum, each) => sum + each, 0n);
    put(this.sum, total > 0n ? this.shell.say("itemsSum", formatYuan(total)) : "");
    this.summed(total);
  }

  /** The lines for the service; null when one can't be read, which is then said. Empty rows are left out. */
  values() {
    const found = [];
    for (const row of this.rows.children) {
      const text = (name) => row.querySelector(`.${name}`).value.trim();
      if (!["what", "count", "unit", "amount"].some(text)) continue;
      const amount = parseYuan(text("amount"));
      const wrong = !text("what") ? "what" : amount === null ? "amount" : text("count") && !WHOLE.test(text("count")) ? "count" : null;
      for (const input of row.querySelectorAll("input")) input.setAttribute("aria-invalid", String(wrong === input.className));
      if (wrong) {
        put(this.said, this.shell.say("itemWrong"));
        row.querySelector(`.${wrong}`).focus();
        return null;
      }
      const item = { description: text("what"), amount_fen: amount };
      if (text("count")) item.quantity = Number(text("count"));
      if (text("unit")) item.unit = text("unit");
      found.push(item);
    }
    put(this.said, "");
    return found;
  }
}
