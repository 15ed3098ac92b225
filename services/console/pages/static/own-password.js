// Everybody chooses a password of their own in place of the one that was made for them.

import { post } from "./api.js";
import { Form } from "./form.js";
import { Sheet } from "./sheet.js";

export function chooseOwnPassword(shell) {
  const form = new Form(shell, {
    fields: [
      { name: "old", title: "oldPassword", kind: "password", required: true, attributes: { autocomplete: "current-password" } },
      { name: "new", title: "chosenPassword", kind: "password", required: true, hint: "chosenHint", attributes: { autocomplete: "new-password", maxlength: "128" } },
    ],
    submit: "choosePassword",
    send: (values, key) => post("console", "/me/password", values, { key }),
    done: () => location.assign("/sign-in"),
  });
  new Sheet(shell, shell.say("ownPassword"), form.node).open();
}
