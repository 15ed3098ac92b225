// The steps that a person may take with what a sheet shows: buttons, or small forms below them. A refusal is shown
// where the step was taken.

import { Trouble } from "./api.js";
import { element } from "./dom.js";
import { Form } from "./form.js";
import { answered } from "./guardrail.js";

export class Steps {
  /** `took(name, answer)`: a step was taken; the sheet is closed by then. */
  constructor(shell, took) {
    this.shell = shell;
    this.took = took;
    this.place = element("div", {});
    this.buttons = [];
  }

  /** A step without questions: `send()` awaits the call. */
  step(name, title, send, { main = false } = {}) {
    const button = element("button", { type: "button", class: main ? "main" : null }, this.shell.say(title));
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        this.done(name, await send());
      } catch (trouble) {
        if (!(trouble instanceof Trouble)) throw trouble;
        this.place.replaceChildren(answered(this.shell, trouble));
        this.asked(null);
      } finally {
        button.disabled = false;
      }
    });
    this.buttons.push(button);
  }

  /** A step that asks for `fields` (form.js): `send(values, key)`; `opened(form)` when it is asked for. */
  form(name, title, fields, send, { main = false, danger = false, submit = title, opened = null } = {}) {
    const button = element("button", { type: "button", class: main ? "main" : danger ? "danger" : null }, this.shell.say(title));
    button.addEventListener("click", () => {
      const form = new Form(this.shell, {
        fields,
        submit,
        send: (values, key) => guarded(this.shell, form, () => send(values, key)),
        done: (answer) => this.done(name, answer),
      });
      this.place.className = "step";
      this.place.replaceChildren(form.node);
      this.asked(button); // the form has one of the same name
      opened?.(form);
      form.inputs.values().next().value.input.focus();
    });
    this.buttons.push(button);
  }

  asked(button) {
    for (const each of this.buttons) each.hidden = each === button;
  }

  done(name, answer) {
    document.querySelector("dialog.sheet[open]")?.close();
    this.took(name, answer);
  }

  node(hint = "") {
    return element("div", { class: "steps" }, hint ? element("p", {}, hint) : null, ...this.buttons, this.place);
  }
}

/** Show the guardrail's answer above a form, in place of the service's own words. */
export async function guarded(shell, form, send) {
  form.node.querySelector(".guardrail")?.remove();
  try {
    return await send();
  } catch (trouble) {
    const known = trouble instanceof Trouble && shell.say("refusals")[trouble.code];
    if (!known) throw trouble;
    form.node.prepend(answered(shell, trouble));
    form.node.scrollIntoView({ block: "start" });
    throw Object.assign(trouble, { detail: known[0], fields: [] });
  }
}
