// The accounts page: who may come in, and what each may do.

import { post, send, Trouble } from "./api.js";
import { at, element } from "./dom.js";
import { Form } from "./form.js";
import { Live } from "./live.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { ACCOUNTS_TEXTS } from "./texts/accounts.js";
import { stampOf } from "./time.js";

const shell = new Shell(ACCOUNTS_TEXTS, () => table.render());
const { say } = shell;

const ROLES = ["viewer", "desk", "moderator", "finance", "approver", "administrator"];
const word = (role) => say("roles")[role] ?? role;
const inWords = (roles) => shell.list(ROLES.filter((role) => roles.includes(role)).map(word));
const placed = (row) => Object.entries(row.grants).flatMap(([place, roles]) => roles.map((role) => `${place}:${role}`));
const rights = (row) => {
  const at = Object.entries(row.grants).map(([place, roles]) => say("at", inWords(roles), place));
  return [inWords(row.roles), ...at].filter(Boolean).join(" · ") || say("noRights");
};
const state = (row) => say("states")[row.disabled ? "disabled" : "active"];

const table = new Table(at("table"), shell, {
  name: "accounts",
  source: { service: "console", path: "/accounts" },
  id: (row) => row.person,
  level: (row) => (row.disabled ? "warn" : ""),
  columns: [
    { key: "person", title: "name" },
    { key: "roles", title: "rightsHeld", cell: rights, wide: true },
    { key: "way", title: "way", cell: (row) => say("ways")[row.way] },
    { key: "disabled", title: "state", cell: state },
    { key: "changed_at", title: "changedAt", kind: "time" },
  ],
  open: (row) => openAccount(row),
  empty: "emptyHint",
});
const live = new Live(shell, 5_000, () => table.read());

const splitWords = (text) => (text ?? "").split(/[\s,，、]+/).filter(Boolean);
const rightsFields = (row = { roles: ["viewer"], grants: {} }) => [
  ...ROLES.map((role) => ({ name: `everywhere.${role}`, title: () => word(role), kind: "check", value: row.roles.includes(role) })),
  { name: "grants", title: "rolesAt", hint: "rolesAtHint", kind: "area", value: placed(row).join("\n") },
];
const rightsOf = (values) => ({
  roles: ROLES.filter((role) => values.everywhere[role]),
  grants: splitWords(values.grants).map((each) => {
    const [organisation, role] = each.split(/[:：]/);
    return { organisation, roles: [role ?? ""] };
  }),
});
/** The boxes of what a person may do everywhere stand together. */
function rightsForm(options) {
  const form = new Form(shell, options);
  const boxes = ROLES.map((role) => form.inputs.get(`everywhere.${role}`).input.closest(".field"));
  const group = element("fieldset", { class: "choices" }, element("legend", {}, say("rolesEverywhere")));
  boxes[0].before(group);
  group.append(...boxes);
  return form;
}

const of = (row) => `/accounts/${encodeURIComponent(row.person)}`;

function showPassword(made) {
  const password = element("p", { class: "password mono" }, made.password);
  new Sheet(shell, made.person, element("p", {}, say("passwordOnce")), password).open();
  live.round();
}

at("add").addEventListener("click", addAccount);
shell.keys.on("c", "add", addAccount);

function addAccount() {
  const form = rightsForm({
    fields: [{ name: "person", title: "name", hint: "nameHint", required: true, attributes: { maxlength: "64" } }, ...rightsFields()],
    submit: "makeIt",
    send: (values, key) => post("console", "/accounts", { person: values.person, ...rightsOf(values) }, { key }),
    done: ({ body }) => showPassword(body),
  });
  new Sheet(shell, say("add"), form.node).open();
}

function openAccount(row) {
  const sheet = new Sheet(shell, row.person);
  const form = rightsForm({
    fields: rightsFields(row),
    submit: "grantIt",
    send: (values, key) => send("PUT", "console", `${of(row)}/rights`, rightsOf(values), { key, ifMatch: `"${row.version}"` }),
    done: () => finish(sheet, say("rightsChanged", row.person)),
  });
  // Undo is the same button's other side: nothing here needs to be asked twice.
  const act = (text, run, danger) => element("button", { type: "button", class: danger ? "danger" : null, onclick: () => guarded(sheet, run) }, text);
  const buttons = element(
    "div",
    { class: "form-buttons spread" },
    row.way === "password" ? act(say("newPassword"), async () => showPassword((await post("console", `${of(row)}/password`)).body)) : null,
    act(say("signOutTheirs"), async () => {
      const { body } = await post("console", `${of(row)}/sign-out`);
      finish(sheet, say("signedOutNow", row.person, body.sessions));
    }),
    act(say(row.disabled ? "enable" : "disable"), () => setDisabled(row, !row.disabled, sheet), !row.disabled),
  );
  const known = facts([
    [say("way"), say("ways")[row.way]],
    [say("state"), state(row)],
    [say("changedAt"), stampOf(row.changed_at)],
    ["sub", row.subject],
  ]);
  sheet.node.querySelector(".sheet-body").append(known, form.node, buttons);
  sheet.open();
}

async function setDisabled(row, disabled, sheet) {
  await send("PUT", "console", `${of(row)}/disabled`, { disabled });
  sheet?.close();
  const undo = () => setDisabled(row, !disabled).catch((trouble) => shell.alarm(trouble));
  notice(shell, say(disabled ? "disabledNow" : "enabledNow", row.person), { undo });
  live.round();
}

async function guarded(sheet, run) {
  try {
    await run();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    sheet.close();
    notice(shell, shell.words(trouble), { level: "alarm" });
  }
}

function finish(sheet, text) {
  sheet.close();
  notice(shell, text);
  live.round();
}
