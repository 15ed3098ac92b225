// The forms of an endpoint: registering and changing, another secret, a replay from a date.

import { get, post, send } from "./api.js";
import { element } from "./dom.js";
import { RECEIVED, typeOf, WITHDRAWN } from "./endpoint-words.js";
import { Form } from "./form.js";
import { idsOf } from "./names.js";
import { notice } from "./notice.js";
import { showSecret } from "./secret.js";
import { Sheet } from "./sheet.js";
import { dayOf, dayStart, stampOf } from "./time.js";

// Whoever is told a name is told when it is not to be shown any more.
const USUAL = [RECEIVED, WITHDRAWN];

/** `told` null: a new one; `acts`: {again, campaigns} of the list. The owner's address is shown masked, so that it is asked for anew. */
export async function endpointForm(shell, told, { again, campaigns: known }) {
  const { say } = shell;
  const row = told?.row;
  const types = (await get("notification", "/webhook-event-types")).map((each) => each.type);
  const chosen = new Set(row?.event_types ?? USUAL);
  const boxes = types.map((type) => {
    const box = element("input", { type: "checkbox", value: type });
    box.checked = chosen.has(type);
    return box;
  });
  const form = new Form(shell, {
    fields: [
      { name: "description", title: "partner", required: true, value: row?.description },
      { name: "url", title: "url", required: true, hint: "urlHint", value: row?.url, attributes: { inputmode: "url" } },
      { name: "owner_email", title: "owner", required: true, hint: row ? "ownerAgainHint" : "ownerHint", attributes: { inputmode: "email", placeholder: row?.owner_email } },
      { name: "campaigns", title: "campaigns", hint: "campaignsHint", value: row?.campaigns?.join(", ") },
      { name: "ordered", title: "ordered", kind: "check", hint: "orderedHint", value: row?.ordered },
    ],
    submit: row ? "save" : "register",
    send: (values, key) => {
      const campaigns = values.campaigns === undefined ? null : idsOf(values.campaigns);
      const body = { ...values, campaigns, event_types: boxes.filter((box) => box.checked).map((box) => box.value) };
      return row ? send("PUT", "notification", told.path, body, { key, ifMatch: told.etag }) : post("notification", "/webhook-endpoints", body, { key });
    },
    done: ({ body }, values) => {
      again();
      if (row) told.acts.reopen();
      else {
        sheet.close();
        showSecret(shell, say("secretOf", values.description), body.secret);
      }
      notice(shell, say(row ? "changed" : "registered", values.description));
    },
  });
  const labels = boxes.map((box) => element("label", { class: "check" }, box, ` ${typeOf(shell, box.value)}`));
  const field = element("fieldset", { class: "choices" }, element("legend", {}, say("eventTypes")), ...labels);
  form.node.insertBefore(field, form.node.lastElementChild);
  known.offer(form, "campaigns");
  const sheet = new Sheet(shell, row ? say("changeTitle", row.description) : say("register"), form.node).open();
}

export function secretSheet(shell, { row, path, acts }) {
  const { say } = shell;
  const form = new Form(shell, {
    fields: [{ name: "overlap_hours", title: "overlap", kind: "number", hint: "overlapHint", value: "24", required: true }],
    submit: "rotate",
    send: (values, key) => post("notification", `${path}/secret`, values, { key }),
    done: ({ body }) => {
      sheet.close();
      acts.again();
      showSecret(shell, say("secretOf", row.description), body.secret);
    },
  });
  const sheet = new Sheet(shell, say("rotateTitle", row.description), form.node).open();
}

export function replaySheet(shell, { row, path, acts }) {
  const { say } = shell;
  const today = dayOf(new Date().toISOString());
  const form = new Form(shell, {
    fields: [{ name: "since", title: "since", kind: "day", required: true, hint: "sinceHint", value: today, attributes: { max: today } }],
    submit: "replay",
    send: ({ since }, key) => post("notification", `${path}/replays`, { since: dayStart(since) }, { key }),
    done: ({ body }) => {
      notice(shell, say("replaying", stampOf(body.since)));
      acts.again();
      acts.reopen();
    },
  });
  new Sheet(shell, say("replayTitle", row.description), form.node).open();
}
