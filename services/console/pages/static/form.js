// A form that sends JSON to a service: amounts in yuan exact to the fen, the service's answer at the field it is
// about, one Idempotency-Key for one thing that a person wants, however often it is sent.

import { newKey, Trouble } from "./api.js";
import { element, put } from "./dom.js";
import { formatPlain, parseYuan } from "./money.js";
import { sent } from "./session.js";
import { spelledDay } from "./time.js";

export class Form {
  /**
   * `options`:
   *   fields  [{name, title, kind: text|area|money|number|select|day|check|password|file, required, hint, value, options: () => [[value, text]], attributes: {…}}]
   *           `title` and `hint` are texts' keys, or functions that give the text; a file goes as File; `name` is the API's, so that its errors find the field; money
   *           goes as BigInt fen, so its name ends with _fen
   *   submit  a text's key
   *   name    "field"; another where two forms of one page have fields of the same name
   *   send(values, key)  awaits the call; throws Trouble
   *   done(answer)
   */
  constructor(shell, options) {
    this.shell = shell;
    this.options = options;
    this.inputs = new Map();
    this.key = newKey();
    this.problem = element("p", { class: "wrong", role: "alert", hidden: true });
    this.button = element("button", { class: "main" }, shell.say(options.submit ?? "save"));
    this.node = element("form", { class: "form", novalidate: true }, this.problem, ...options.fields.map((field) => this.fieldNode(field)), element("div", { class: "form-buttons" }, this.button));
    this.node.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    // Another content is another thing to do.
    this.node.addEventListener("input", () => (this.key = newKey()));
    this.node.addEventListener("input", ({ target }) => target.type === "date" && this.say(target.name, null));
    // What was said of a field holds no longer once it is written anew; a page may say something else of it then.
    const anew = ({ target }) => target.getAttribute("aria-invalid") === "true" && this.inputs.has(target.name) && this.say(target.name, null);
    this.node.addEventListener("input", anew, { capture: true });
    for (const { kind, name } of options.fields) if (kind === "day") this.say(name, null);
  }

  fieldNode(field) {
    const id = `${this.options.name ?? "field"}-${field.name.replaceAll(".", "-")}`;
    const shared = { id, name: field.name, required: field.required, "aria-describedby": `${id}-said`, ...field.attributes };
    const input = this.inputNode(field, shared);
    const said = element("p", { id: `${id}-said`, class: "said" }, this.text(field.hint));
    this.inputs.set(field.name, { field, input, said });
    const label = element("label", { for: id }, this.text(field.title), field.required ? element("span", { class: "must", "aria-hidden": "true" }, " *") : null);
    return element("div", { class: `field ${field.kind ?? "text"}` }, label, input, said);
  }

  text(said) {
    return typeof said === "function" ? said() : said ? this.shell.say(said) : "";
  }

  inputNode(field, shared) {
    const value = field.kind === "money" && typeof field.value === "bigint" ? formatPlain(field.value) : field.value;
    if (field.kind === "select") {
      const options = field.options().map(([each, text]) => element("option", { value: each }, text));
      const select = element("select", shared, ...options);
      if (value !== undefined) select.value = value;
      return select;
    }
    if (field.kind === "area") {
      const area = element("textarea", { rows: "3", ...shared });
      area.value = value ?? "";
      return area;
    }
    const types = { day: "date", check: "checkbox", password: "password", file: "file" };
    const modes = { money: "decimal", number: "numeric" };
    const input = element("input", { type: types[field.kind] ?? "text", inputmode: modes[field.kind], autocomplete: "off", ...shared });
    if (field.kind === "file") return input;
    if (field.kind === "check") input.checked = Boolean(value);
    else input.value = value ?? "";
    return input;
  }

  /** {name: value}, names with dots as objects inside; null when something is wrong, which is then said. */
  values() {
    const found = {};
    let wrong = null;
    for (const [name, { field, input }] of this.inputs) {
      const [value, problem] = this.valueOf(field, input);
      this.say(name, problem);
      if (problem) wrong ??= input;
      else if (value !== undefined) setAt(found, name, value);
    }
    wrong?.focus();
    return wrong ? null : found;
  }

  /** [value, what is wrong]; undefined: left empty, not sent. */
  valueOf(field, input) {
    const { say } = this.shell;
    if (field.kind === "check") return [input.checked, null];
    if (field.kind === "file") return input.files.length > 0 ? [input.files[0], null] : [undefined, field.required ? say("required") : null];
    const text = field.kind === "password" ? input.value : input.value.trim();
    if (text === "") return [undefined, field.required ? say("required") : null];
    if (field.kind === "money") {
      const fen = parseYuan(text);
      return fen === null ? [undefined, say("notMoney")] : [fen, null];
    }
    if (field.kind === "number") return /^-?\d{1,15}$/.test(text) ? [Number(text), null] : [undefined, say("notNumber")];
    return [text, null];
  }

  say(name, problem) {
    const { field, input, said } = this.inputs.get(name);
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    said.classList.toggle("bad", Boolean(problem));
    put(said, problem ?? this.hintOf(field, input));
  }

  /** A day is spelled: a browser in another language than the page writes it in another order. */
  hintOf(field, input) {
    const hint = this.text(field.hint);
    return field.kind === "day" ? [spelledDay(input.value, this.shell.code), hint].filter(Boolean).join(" · ") : hint;
  }

  async submit() {
    const values = this.values();
    if (values === null || this.button.disabled) return;
    this.button.disabled = true;
    this.problem.hidden = true;
    try {
      const answer = await this.options.send(values, this.key);
      this.key = newKey();
      sent(this.node);
      this.options.done?.(answer, values);
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      this.refused(trouble);
    } finally {
      this.button.disabled = false;
    }
  }

  /** Put what the service said where it belongs. */
  refused(trouble) {
    // An answer that is not about to change must not be given again from the record of this key.
    if (!trouble.passing) this.key = newKey();
    const others = [];
    let first = null;
    for (const { field, message } of trouble.fields) {
      if (this.inputs.has(field)) {
        this.say(field, this.shell.wordsAt(trouble, message));
        first ??= this.inputs.get(field).input;
      } else others.push(this.shell.say("fieldTrouble", field, this.shell.wordsAt(trouble, message)));
    }
    first?.focus();
    const text = first === null || others.length > 0 ? [this.shell.words(trouble), ...others].join(" ") : "";
    put(this.problem, text);
    this.problem.hidden = text === "";
  }

  reset() {
    this.node.reset();
    this.key = newKey();
    for (const name of this.inputs.keys()) this.say(name, null);
    this.problem.hidden = true;
    this.inputs.values().next().value?.input.focus();
  }
}

function setAt(object, name, value) {
  const parts = name.split(".");
  const last = parts.pop();
  let place = object;
  for (const part of parts) place = place[part] ??= {};
  place[last] = value;
}
