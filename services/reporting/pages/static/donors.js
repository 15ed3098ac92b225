// Recent donors who agreed to be shown. A fixed set of rows is reused all evening, and what waits for a row is
// bounded: in a surge the newest are shown at a pace that can be read, the rest are in the number.

import { widthInEms } from "./counter.js";

const PACE_MS = 900;
const WAITING = 6;
const SEEN = 200; // ids remembered, so that a snapshot after a reconnect does not show a donor twice

// Marks that turn the direction of the text after them: a name must not reverse its neighbour's amount.
const DIRECTION_MARKS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export const withoutDirectionMarks = (text) => text.replace(DIRECTION_MARKS, "");

function makeRow() {
  const row = document.createElement("li");
  row.className = "donor vacant";
  const parts = {};
  for (const part of ["name", "at", "amount"]) {
    parts[part] = document.createElement(part === "name" ? "bdi" : "span");
    parts[part].className = "donor-" + part;
    row.append(parts[part]);
  }
  return { row, ...parts, item: null };
}

export class DonorList {
  /** `write(item)` → {name, at, amount}: the texts of a row, in the language of the moment. */
  constructor(element, size, write, { still = () => false } = {}) {
    this.element = element;
    this.write = write;
    this.still = still;
    this.rows = Array.from({ length: size }, makeRow);
    element.replaceChildren(...this.rows.map((entry) => entry.row));
    this.seen = new Set();
    this.waiting = [];
    this.timer = 0;
  }

  /** Take the donations of a frame, newest first. `fill`: the page is new, show them without a procession. */
  take(items, { fill = false } = {}) {
    const fresh = items.filter((item) => !this.seen.has(item.donation_id)).reverse();
    for (const item of fresh) this.remember(item.donation_id);
    if (fill) {
      for (const item of fresh.slice(-this.rows.length)) this.push(item, true);
      return;
    }
    this.waiting.push(...fresh);
    this.waiting.splice(0, Math.max(0, this.waiting.length - WAITING));
    if (this.waiting.length > 0 && this.timer === 0) this.next();
  }

  /** Take these donations off the list: they were given back, or their donor's name may not be shown. */
  drop(ids) {
    const gone = new Set(ids);
    if (gone.size === 0) return;
    for (const id of gone) this.remember(id);
    this.waiting = this.waiting.filter((item) => !gone.has(item.donation_id));
    for (const entry of this.rows.filter((each) => each.item !== null && gone.has(each.item.donation_id))) {
      this.rows.splice(this.rows.indexOf(entry), 1);
      this.rows.push(entry); // the next to be filled
      entry.item = null;
      for (const part of ["name", "at", "amount"]) entry[part].textContent = "";
      entry.row.className = "donor vacant";
      this.element.append(entry.row);
    }
  }

  next() {
    const item = this.waiting.shift();
    if (item === undefined) {
      this.timer = 0;
      return;
    }
    this.push(item, this.still());
    this.timer = setTimeout(() => this.next(), PACE_MS);
  }

  push(item, quietly) {
    const entry = this.rows.pop();
    this.rows.unshift(entry);
    entry.item = item;
    this.fillIn(entry);
    entry.row.className = quietly ? "donor" : "donor arriving";
    this.element.prepend(entry.row);
  }

  fillIn(entry) {
    const { name, at, amount } = this.write(entry.item);
    entry.name.textContent = withoutDirectionMarks(name);
    entry.name.style.setProperty("--ems", widthInEms(name));
    entry.at.textContent = at;
    entry.amount.textContent = amount;
    entry.row.dataset.kind = entry.item.name && entry.item.kind === "company" ? "company" : "person";
  }

  /** Write all rows again, after the language has changed. */
  redraw() {
    for (const entry of this.rows) if (entry.item !== null) this.fillIn(entry);
  }

  remember(id) {
    this.seen.add(id);
    if (this.seen.size > SEEN) this.seen.delete(this.seen.values().next().value);
  }
}
