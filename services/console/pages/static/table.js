// A table of what a service lists by keyset pages: filters in the address, keys, selection, files, empty and error
// states, live without a reload. A page says what its columns and filters are; see docs/console-pages.md.

import { download, get, Trouble } from "./api.js";
import { element, fill, put } from "./dom.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { dayStart, stampOf } from "./time.js";

const EXPORT_PAGE = 500;
const EXPORT_ROWS = 50_000;
const NUMERIC = new Set(["money", "number"]);
/** What is pressed sooner after the cursor has gone on by itself was meant for the row before: nobody reads a row in less. */
const SETTLE_MS = 250;

export class Table {
  /**
   * `options`:
   *   name      of the page, for the files
   *   source    {service, path, query: {…fixed}, items: "items", cursor: "after", whole(rows, asked)}
   *             `cursor` is what the API calls it; `whole`: the API gives all rows as a list, and these are to be shown;
   *             of a plain list that goes on, each row has its `cursor`; or {rows: () => […]}: the page has them, nothing is asked
   *   id(row)   what a row is known by
   *   columns   [{key, title, kind: text|time|money|number, cell(row), value(row), wide}]; `title` is a text's key
   *   filters   [{name, title, wide, kind: text|select|day|days, options: () => [[value, text]], any, required, placeholder, attributes, asks(value)}]
   *             `any`: the text's key of a select's empty choice, where that is not everything;
   *             `required`: a select without "any", its first option unless another is chosen;
   *             `asks` gives what the API is asked instead of {[name]: value}; throws Trouble for what it can't read
   *   open(row) for Enter and a click; without it rows can't be opened
   *   actions   [{key, title, run(rows), when(row), main}]: for the selected rows, or the one under the cursor;
   *             `run` gives false when nothing was done: what is selected stays selected
   *   empty     a text's key: what to do when there is nothing at all
   *   pageSize  50
   */
  constructor(root, shell, options) {
    this.root = root;
    this.shell = shell;
    this.options = { pageSize: 50, filters: [], actions: [], ...options };
    this.rows = [];
    this.next = null;
    this.trouble = null;
    this.loaded = false;
    this.cursor = 0; // where the cursor is, or was when its row went
    this.held = null; // the row under the cursor, which goes with it however the list moves; null: none
    this.fresh = true; // what comes next has not been seen: the cursor begins at the first row
    this.acting = null; // the action under way
    this.own = new Set(); // rows that this person is doing something to
    this.movedAt = -Infinity; // when the cursor went on by itself
    this.selected = new Set();
    this.build();
    this.bindKeys();
    addEventListener("popstate", () => {
      this.readAddress();
      this.selected.clear();
      this.begin();
      this.reload();
    });
    this.readAddress();
  }

  // ---------------------------------------------------------------- nodes, once

  build() {
    const { actions, filters } = this.options;
    this.form = element("form", { class: "filters", role: "search", hidden: filters.length === 0 });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.apply();
    });
    this.form.addEventListener("change", (event) => event.target.tagName === "SELECT" && this.apply());
    this.inputs = new Map();
    for (const filter of filters) this.form.append(this.filterNode(filter));
    this.applyButton = element("button", {});
    this.clearButton = element("button", { type: "button", class: "quiet", onclick: () => this.clear() });
    this.form.append(element("div", { class: "filter-buttons" }, this.applyButton, this.clearButton));
    this.count = element("p", { class: "count", role: "status" });
    this.actionBar = element("div", { class: "actions" });
    this.actionButtons = actions.map((action) => {
      const button = element("button", { type: "button", class: action.main ? "main" : null });
      button.addEventListener("click", () => this.act(action));
      this.actionBar.append(button);
      return [action, button];
    });
    this.exports = ["csv", "xlsx"].map((form) => {
      const button = element("button", { type: "button", class: "quiet", data: { form } });
      button.addEventListener("click", () => this.export(form));
      return button;
    });
    const bar = element("div", { class: "table-bar" }, this.count, this.actionBar, element("div", { class: "exports" }, ...this.exports));
    this.headRow = element("tr");
    this.body = element("tbody");
    this.chooseAll = element("input", { type: "checkbox", onchange: () => this.toggleAll() });
    this.node = element("table", {}, element("thead", {}, this.headRow), this.body);
    this.scroll = element("div", { class: "scroll", tabindex: "0", role: "group" }, this.node);
    this.message = element("div", { class: "empty" });
    this.firstButton = element("button", { type: "button", class: "quiet", onclick: () => this.goto(null) });
    this.olderButton = element("button", { type: "button", onclick: () => this.goto(this.next) });
    this.newerButton = element("button", { type: "button", onclick: () => history.back() });
    const pager = element("div", { class: "pager" }, this.firstButton, this.newerButton, this.olderButton);
    this.root.classList.add("table");
    this.root.append(this.form, bar, this.scroll, this.message, pager);
    this.body.addEventListener("click", (event) => this.clicked(event));
  }

  filterNode(filter) {
    const id = `filter-${filter.name}`;
    const made =
      filter.kind === "select"
        ? element("select", { id, name: filter.name })
        : element("input", { id, name: filter.name, type: filter.kind === "day" ? "date" : "search", autocomplete: "off", placeholder: filter.placeholder, ...filter.attributes });
    const label = element("label", { for: id });
    this.inputs.set(filter.name, { filter, input: made, label });
    return element("div", { class: filter.wide ? "filter wide" : "filter" }, label, made);
  }

  bindKeys() {
    const { keys } = this.shell;
    for (const [key, title, step] of [["j", "keyDown", 1], ["ArrowDown", "keyDown", 1], ["k", "keyUp", -1], ["ArrowUp", "keyUp", -1]]) {
      keys.on(key, title, () => this.move(step), { repeats: true });
    }
    if (this.options.actions.length > 0) {
      keys.on("x", "keySelect", () => this.toggle(this.pointed));
      keys.on("X", "chooseAll", () => this.toggleAll());
    }
    if (this.options.open) keys.on("Enter", "keyOpen", () => this.pointed && this.openPointed());
    if (this.options.filters.length > 0) keys.on("/", "keyFilter", () => this.form.querySelector("input, select").focus());
    keys.on("n", "keyNext", () => this.next !== null && this.goto(this.next));
    keys.on("p", "keyPrevious", () => this.after !== null && history.back());
    for (const action of this.options.actions) keys.on(action.key, action.title, () => this.act(action));
  }

  // ---------------------------------------------------------------- the address

  readAddress() {
    const params = new URL(location.href).searchParams;
    this.after = params.get("after");
    for (const { filter, input } of this.inputs.values()) {
      if (filter.kind === "select") this.fillOptions(filter, input);
      input.value = params.get(filter.name) ?? (filter.required ? (input.options[0]?.value ?? "") : "");
    }
  }

  writeAddress(after, { replace = false } = {}) {
    const address = new URL(location.href);
    for (const [name, { input }] of this.inputs) {
      if (input.value.trim()) address.searchParams.set(name, input.value.trim());
      else address.searchParams.delete(name);
    }
    if (after === null) address.searchParams.delete("after");
    else address.searchParams.set("after", after);
    if (address.href === location.href) return;
    history[replace ? "replaceState" : "pushState"](null, "", address);
    this.after = after;
  }

  query() {
    const asked = {};
    for (const [name, { filter, input }] of this.inputs) {
      const value = input.value.trim();
      if (!value) continue;
      if (filter.asks) Object.assign(asked, filter.asks(value));
      else asked[name] = filter.kind === "day" ? dayStart(value, { after: filter.end }) : value;
    }
    return { ...this.options.source.query, ...asked };
  }

  apply() {
    this.writeAddress(null);
    this.after = null;
    this.selected.clear();
    this.begin();
    return this.reload({ tries: 1 });
  }

  clear() {
    for (const { filter, input } of this.inputs.values()) if (!filter.required) input.value = "";
    return this.apply();
  }

  goto(after) {
    this.writeAddress(after === null ? null : String(after));
    this.selected.clear();
    this.begin();
    this.scroll.scrollTop = 0;
    return this.reload({ tries: 1 });
  }

  // ---------------------------------------------------------------- reading

  /** Read this page anew; what is selected stays selected. Throws nothing: the table says what went wrong. */
  async reload({ tries } = {}) {
    try {
      await this.read({ tries });
      this.shell.alarm(null);
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
    }
  }

  /** The same for live.js, which wants to know of troubles. */
  async read({ tries = 0 } = {}) {
    const { source, pageSize } = this.options;
    const turn = (this.turn = {});
    const done = this.acting ? null : this.own; // what this person has done is in the answer
    try {
      const asked = { ...this.query(), after: this.after, limit: pageSize };
      const answer = await this.ask(asked, { tries });
      if (this.turn !== turn) return;
      this.next = answer.next ?? null;
      this.answer = answer;
      this.take(answer[source.items ?? "items"]);
      done?.clear();
      this.trouble = null;
    } catch (trouble) {
      if (this.turn === turn) this.trouble = trouble;
      // What was refused has no rows: those of another question must not stand below it.
      if (this.turn === turn && trouble.status === 422) {
        this.take([]);
        this.next = null;
      }
      throw trouble;
    } finally {
      if (this.turn === turn) {
        this.loaded = true;
        this.render();
      }
    }
  }

  /** Begin at the first row of what comes now: it answers another question. */
  begin() {
    [this.cursor, this.held, this.fresh] = [0, null, true];
    this.node.toggleAttribute("data-before", this.rows.length > 0);
  }

  /** Show these rows. The cursor goes with its row. From one that is gone by what this person did it goes on to the
   *  next; from one that went by itself to none, and a key is refused until a row is chosen: what was meant for one
   *  row must never be done to another. The same when all that was selected has gone by itself. */
  take(rows) {
    const { id } = this.options;
    const before = this.rows.map(id);
    this.rows = rows;
    const ids = rows.map(id);
    const listed = new Set(ids);
    const left = [...this.selected].filter((each) => !listed.has(each));
    for (const each of left) this.selected.delete(each);
    const unmeant = this.selected.size === 0 && left.some((each) => !this.own.has(each));
    if (this.fresh) this.held = ids[0] ?? null;
    else if (unmeant) this.held = null;
    else if (this.held !== null && !listed.has(this.held)) this.held = this.own.has(this.held) ? this.nextOf(before, listed) : null;
    this.fresh = ids.length === 0;
    this.node.removeAttribute("data-before");
    if (this.held !== null) this.cursor = ids.indexOf(this.held);
  }

  /** The first row below the cursor's that is still listed, else the nearest above it, else the first that has come. */
  nextOf(before, listed) {
    const place = before.indexOf(this.held);
    const found = [...before.slice(place + 1), ...before.slice(0, Math.max(0, place)).reverse()].find((each) => listed.has(each)) ?? [...listed][0] ?? null;
    if (found !== null) {
      this.movedAt = performance.now();
      setTimeout(() => this.sayActions(), SETTLE_MS + 1);
    }
    return found;
  }

  /** Out of sight at once: this person has done it. */
  leave(row) {
    const { id } = this.options;
    this.own.add(id(row));
    this.take(this.rows.filter((each) => id(each) !== id(row)));
    this.own.delete(id(row));
    this.render();
  }

  async ask({ after, limit, ...asked }, options) {
    const { service, path, cursor = "after", whole, rows } = this.options.source;
    if (rows) return { items: rows(), next: null };
    if (whole) {
      const all = await get(service, path, asked, options);
      return { items: whole(all, asked), next: null, cut: Array.isArray(all) && all.length === asked.limit };
    }
    const answer = await get(service, path, { ...asked, [cursor]: after, limit }, options);
    if (!Array.isArray(answer)) return answer;
    return { items: answer, next: answer.length < limit ? null : answer.at(-1).cursor };
  }

  // ---------------------------------------------------------------- showing

  /** Write everything in the language of now. */
  render() {
    const { say } = this.shell;
    const { columns, actions, empty } = this.options;
    put(this.applyButton, say("apply"));
    put(this.clearButton, say("clear"));
    put(this.firstButton, say("first"));
    put(this.olderButton, say("older"));
    put(this.newerButton, say("newer"));
    for (const { filter, input, label } of this.inputs.values()) {
      put(label, say(filter.title));
      if (filter.kind === "select") this.fillOptions(filter, input);
    }
    for (const button of this.exports) {
      put(button, say(button.dataset.form === "csv" ? "exportCsv" : "exportXlsx"));
      button.hidden = this.rows.length === 0;
    }
    this.scroll.setAttribute("aria-label", document.querySelector("h1")?.textContent ?? "");
    const chooses = actions.length > 0;
    const heads = [...(chooses ? [{ choose: true }] : []), ...columns];
    fill(this.headRow, heads, () => element("th", { scope: "col" }), (head, column) => {
      head.className = NUMERIC.has(column.kind) ? "n" : "";
      head.dataset.title = say(column.choose ? "chooseAll" : column.title);
      if (!column.choose) put(head, say(column.title));
      else if (head.firstChild !== this.chooseAll) head.replaceChildren(this.chooseAll);
    });
    this.chooseAll.setAttribute("aria-label", say("chooseAll"));
    this.cursor = Math.max(0, Math.min(this.cursor, this.rows.length - 1));
    this.placeRows();
    this.chooseAll.checked = this.rows.length > 0 && this.selected.size === this.rows.length;
    this.chooseAll.indeterminate = this.selected.size > 0 && !this.chooseAll.checked;
    this.scroll.hidden = this.rows.length === 0;
    this.firstButton.hidden = this.after === null;
    this.newerButton.hidden = this.after === null || history.length < 2;
    this.olderButton.hidden = this.next === null;
    const filtered = [...this.inputs.values()].some(({ filter, input }) => !filter.required && input.value.trim());
    this.clearButton.hidden = !filtered;
    this.sayState(filtered, empty);
    this.sayActions();
  }

  sayState(filtered, empty) {
    const { say } = this.shell;
    this.message.hidden = this.rows.length > 0 && !this.trouble;
    if (this.trouble) {
      const retry = element("button", { type: "button", onclick: () => this.reload() }, say("retry"));
      this.message.replaceChildren(element("p", { class: "wrong" }, this.shell.words(this.trouble)), retry);
    } else if (!this.loaded) {
      this.message.replaceChildren(element("p", {}, say("loading")));
    } else {
      const hint = filtered ? say("nothingHint") : empty ? say(empty) : "";
      this.message.replaceChildren(element("b", {}, say(filtered ? "nothing" : "nothingYet")), " ", element("span", {}, hint));
    }
    put(this.count, this.loaded && this.rows.length > 0 ? say(this.answer?.cut ? "rowsCut" : "rows", this.rows.length) : "");
  }

  sayActions() {
    const { say } = this.shell;
    if (this.selected.size > 0) put(this.count, say("chosen", this.selected.size));
    if (this.acting) put(this.count, say("working"));
    this.root.setAttribute("aria-busy", String(this.busy));
    const rows = this.acting ? [] : this.chosen();
    this.actionBar.hidden = this.rows.length === 0;
    for (const [action, button] of this.actionButtons) {
      put(button, `${say(action.title)} (${action.key})`);
      button.setAttribute("aria-keyshortcuts", action.key);
      button.disabled = rows.length === 0 || !rows.some((row) => !action.when || action.when(row));
    }
  }

  /** Each row keeps its node as long as it is listed: a click that began on one row never ends on another. */
  placeRows() {
    const before = new Map([...this.body.children].map((node) => [node.dataset.id, node]));
    const wanted = new Set(this.rows.map((row) => String(this.options.id(row))));
    for (const [id, node] of before) if (!wanted.has(id)) node.remove();
    let place = this.body.firstElementChild;
    for (const row of this.rows) {
      const node = before.get(String(this.options.id(row))) ?? this.makeRow();
      this.writeRow(node, row);
      if (node === place) place = place.nextElementSibling;
      else this.body.insertBefore(node, place);
    }
  }

  makeRow() {
    const cells = this.options.columns.map((column) => element("td", { class: NUMERIC.has(column.kind) ? "n" : column.wide ? "wide" : null }));
    const choose = this.options.actions.length > 0 ? [element("td", { class: "choose" }, element("input", { type: "checkbox" }))] : [];
    return element("tr", { class: this.options.open ? "opens" : null }, ...choose, ...cells);
  }

  writeRow(node, row) {
    const id = this.options.id(row);
    node.dataset.id = String(id);
    node.dataset.level = this.options.level?.(row) ?? "";
    node.toggleAttribute("data-cursor", id === this.held);
    const cells = [...node.children];
    if (this.options.actions.length > 0) {
      const box = cells.shift().firstChild;
      box.checked = this.selected.has(id);
      box.setAttribute("aria-label", `${this.shell.say("choose")} ${id}`);
      node.setAttribute("aria-selected", String(box.checked));
    }
    this.options.columns.forEach((column, i) => {
      cells[i].dataset.title = this.shell.say(column.title); // on a telephone each row is a card
      const shown = column.cell ? column.cell(row) : this.shown(column, row[column.key]);
      // What has not changed stays as it is: a person may be marking it.
      if (!(shown instanceof Node)) put(cells[i], shown ?? "");
      else if (!cells[i].firstChild?.isEqualNode(shown)) cells[i].replaceChildren(shown);
    });
  }

  shown(column, value) {
    if (value === null || value === undefined) return "";
    if (column.kind === "money") return formatYuan(value);
    if (column.kind === "time") return stampOf(value);
    if (column.kind === "number") return value.toLocaleString("en-US");
    return String(value);
  }

  // ---------------------------------------------------------------- the hand

  /** The row under the cursor, if it is under any. */
  get pointed() {
    return this.held === null ? undefined : this.rows[this.cursor];
  }

  move(step) {
    if (this.rows.length === 0) return;
    const last = this.rows.length - 1;
    // From a row that is gone, down leads to the one in its place.
    const from = this.held === null && step > 0 ? this.cursor - 1 : this.cursor;
    this.cursor = Math.max(0, Math.min(last, from + step));
    this.held = this.options.id(this.rows[this.cursor]);
    this.movedAt = -Infinity;
    [...this.body.children].forEach((node, i) => node.toggleAttribute("data-cursor", i === this.cursor));
    this.body.children[this.cursor].scrollIntoView({ block: "nearest" });
    this.sayActions();
  }

  openPointed() {
    this.movedAt = -Infinity;
    this.options.open(this.pointed);
  }

  toggle(row) {
    if (!row) return;
    const id = this.options.id(row);
    if (!this.selected.delete(id)) this.selected.add(id);
    this.movedAt = -Infinity;
    this.render();
  }

  toggleAll() {
    const all = this.selected.size === this.rows.length;
    this.selected = new Set(all ? [] : this.rows.map(this.options.id));
    this.movedAt = -Infinity;
    this.render();
  }

  clicked(event) {
    const node = event.target.closest("tr");
    if (!node || event.target.closest("a, button")) return;
    const index = [...this.body.children].indexOf(node);
    this.cursor = index;
    this.move(0);
    if (event.target.closest(".choose")) this.toggle(this.rows[index]);
    else if (this.options.open) this.options.open(this.rows[index]);
  }

  /** The selected rows, or the one under the cursor. */
  chosen() {
    const rows = this.rows.filter((row) => this.selected.has(this.options.id(row)));
    return rows.length > 0 ? rows : [this.pointed].filter(Boolean);
  }

  /** No action is heard: one is under way, or nobody can have read the row under the cursor yet. Said as "aria-busy". */
  get busy() {
    return this.acting !== null || performance.now() - this.movedAt < SETTLE_MS;
  }

  async act(action) {
    if (this.busy) return;
    const chosen = this.chosen();
    const rows = chosen.filter((row) => !action.when || action.when(row));
    if (rows.length === 0) {
      if (this.rows.length > 0) notice(this.shell, this.shell.say(chosen.length === 0 ? "rowGone" : "notForRow"), { level: "warn" });
      return;
    }
    const act = (this.acting = {});
    let changed = false;
    this.own = new Set(rows.map(this.options.id));
    this.sayActions();
    try {
      changed = (await action.run(rows)) !== false;
      if (changed) this.selected.clear();
      this.shell.alarm(null);
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      this.shell.alarm(trouble);
    } finally {
      if (!changed) this.acting = null; // the next key is for the same rows
      await this.reload();
      if (this.acting === act) this.acting = null; // not another that has begun meanwhile
      this.render();
    }
  }

  fillOptions(filter, input) {
    const chosen = input.value || new URL(location.href).searchParams.get(filter.name) || "";
    const options = [...(filter.required ? [] : [["", this.shell.say(filter.any ?? "any")]]), ...filter.options()];
    fill(input, options, () => element("option"), (node, [value, text]) => {
      node.value = value;
      put(node, text);
    });
    input.value = options.some(([value]) => value === chosen) ? chosen : (options[0]?.[0] ?? "");
  }

  // ---------------------------------------------------------------- files

  /** All pages of what the filters let through, as one file. */
  async export(form) {
    const { source, columns, name } = this.options;
    const { say } = this.shell;
    const rows = [];
    let after = null;
    try {
      do {
        const answer = await this.ask({ ...this.query(), after, limit: this.options.exportPage ?? EXPORT_PAGE });
        rows.push(...answer[source.items ?? "items"]);
        after = answer.next ?? null;
        put(this.count, say("exporting", rows.length));
      } while (after !== null && rows.length < EXPORT_ROWS);
      const cut = rows.length > EXPORT_ROWS || after !== null;
      const kept = rows.slice(0, EXPORT_ROWS);
      const sheet = {
        name,
        columns: columns.map((column) => ({ title: say(column.title), kind: column.kind ?? "text" })),
        rows: kept.map((row) => columns.map((column) => cellOf(column, row))),
      };
      await download("POST", "console", `/sheets/${form}`, sheet, `${name}.${form}`);
      notice(this.shell, cut ? say("exportCut", kept.length) : say("exported", kept.length), { level: cut ? "warn" : "good" });
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      this.shell.alarm(trouble);
    } finally {
      this.render();
    }
  }
}

/** What stands in a file: amounts and numbers as they are, everything else as the page shows it. */
function cellOf(column, row) {
  const value = column.value ? column.value(row) : row[column.key];
  if (value === null || value === undefined) return null;
  if (NUMERIC.has(column.kind)) return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (column.kind === "time") return String(value);
  const shown = column.value || !column.cell ? value : column.cell(row);
  return (shown instanceof Node ? shown.textContent : String(shown ?? "")).slice(0, 2_000);
}
