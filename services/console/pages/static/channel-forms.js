// The forms of a channel: registering, changing, adding a key. The service checks; its errors come to the field.

import { post, send, Trouble } from "./api.js";
import { element } from "./dom.js";
import { Form } from "./form.js";
import { idsOf } from "./names.js";
import { notice, takeBack } from "./notice.js";
import { showSecret } from "./secret.js";
import { Sheet } from "./sheet.js";

/** What a channel of a scheme has to say of itself when it is registered; more goes by the settings' JSON. */
const CAMPAIGN = { name: "settings.campaign_id", title: "campaign", required: true, hint: "settingsCampaignHint" };
const SETTINGS = {
  wechatpay: [{ name: "settings.mchid", title: "mchid", required: true }, { name: "settings.appids", title: "appids" }, CAMPAIGN],
  alipay: [{ name: "settings.app_id", title: "appId", required: true }, { name: "settings.seller_id", title: "sellerId" }, CAMPAIGN],
  unionpay: [{ name: "settings.mer_id", title: "merId", required: true }, CAMPAIGN],
  files: [
    { name: "settings.profile.base", title: "profile", kind: "select", options: (say) => Object.entries(say("profiles")) },
    { name: "settings.profile.campaign.otherwise", title: "campaign", hint: "profileCampaignHint" },
  ],
};
const PURPOSES = { wechatpay: ["platform", "apiv3"], alipay: ["platform"], unionpay: ["platform"] };

/** `acts`: {again, open(name), names} of the list. */
export function registerSheet(shell, acts) {
  const { say } = shell;
  const place = element("div");
  const sheet = new Sheet(shell, say("register"), place);
  const build = (scheme, before) => {
    const form = new Form(shell, {
      fields: registerFields(shell, scheme, before, acts.names),
      submit: "register",
      send: (values, key) => post("donation", "/channels", registered(values), { key }),
      done: ({ body }) => {
        sheet.close();
        acts.again();
        notice(shell, say("registered", body.channel));
        if (scheme === "webhooks") showSecret(shell, say("secretOf", body.channel), body.secret);
        else acts.open(body.channel);
      },
    });
    acts.names.campaigns.offer(form, "campaigns");
    place.replaceChildren(form.node);
    form.inputs.get("scheme").input.addEventListener("change", (event) => {
      const kept = [...form.inputs].map(([name, { input }]) => [name, input.type === "checkbox" ? input.checked : input.value]);
      build(event.target.value, Object.fromEntries(kept));
      place.querySelector("select").focus();
    });
  };
  build("webhooks", {});
  sheet.open();
}

/** A field for one campaign's or organisation's id proposes those that are known. */
const proposes = (field, { campaigns, organisations }) => (field.name === "organisation_id" ? organisations : /campaign(_id|\.otherwise)$/.test(field.name) ? campaigns : {}).attributes;

function registerFields(shell, scheme, before, names) {
  const { say } = shell;
  const fields = [
    { name: "scheme", title: "scheme", kind: "select", options: () => Object.entries(say("schemes")), value: scheme },
    { name: "channel", title: "channel", required: true, hint: "channelHint" },
    { name: "title", title: "name", required: true },
    ...(SETTINGS[scheme] ?? []),
    { name: "limit_per_second", title: "limit", kind: "number", hint: "limitHint" },
    { name: "campaigns", title: "campaigns", hint: "campaignsHint" },
    { name: "organisation_id", title: "organisation", hint: "organisationHint" },
    { name: "contact", title: "contact", hint: "contactHint" },
    ...(scheme === "webhooks" ? [{ name: "sandbox", title: "sandbox", kind: "check", hint: "sandboxHint" }] : []),
  ];
  return fields.map((field) => ({ value: before[field.name], attributes: proposes(field, names), ...field, ...(field.options?.length ? { options: () => field.options(say) } : {}) }));
}

function registered(values) {
  const body = { ...values };
  if (values.campaigns !== undefined) body.campaigns = idsOf(values.campaigns);
  if (values.settings?.appids !== undefined) body.settings = { ...values.settings, appids: idsOf(values.settings.appids) };
  return body;
}

// ---------------------------------------------------------------- changing

/** `told`: {row, etag, acts} of the channel's sheet. */
export function changeSheet(shell, { row, etag, acts }) {
  const { say } = shell;
  const hasSettings = row.scheme in SETTINGS;
  const form = new Form(shell, {
    fields: [
      { name: "title", title: "name", required: true, value: row.title },
      { name: "limit_per_second", title: "limit", kind: "number", required: true, value: row.limit_per_second },
      { name: "campaigns", title: "campaigns", hint: "campaignsHint", value: row.campaigns?.join(", ") ?? "" },
      { name: "organisation_id", title: "organisation", value: row.organisation_id ?? "", attributes: acts.names.organisations.attributes },
      { name: "contact", title: "contact", hint: "contactHint", value: row.contact ?? "" },
      ...(hasSettings ? [{ name: "settings", title: "settings", kind: "area", required: true, value: JSON.stringify(row.settings, null, 1) }] : []),
    ],
    submit: "save",
    send: (values) => send("PATCH", "donation", `/channels/${row.channel}`, patchOf(shell, row, values), { ifMatch: etag }),
    done: ({ body, etag: now }, values) => {
      const names = Object.keys(patchOf(shell, row, values));
      const before = Object.fromEntries(names.map((name) => [name, row[name]]));
      const back = () => send("PATCH", "donation", `/channels/${row.channel}`, before, { ifMatch: now });
      notice(shell, say("changed", body.title), names.length > 0 ? { undo: () => takeBack(shell, back, acts.again), ms: 10_000 } : {});
      acts.again();
      acts.reopen();
    },
  });
  acts.names.campaigns.offer(form, "campaigns");
  new Sheet(shell, say("changeTitle", row.channel), form.node).open();
}

/** Only what differs; what was emptied is null. */
function patchOf(shell, row, values) {
  const wanted = {
    title: values.title,
    limit_per_second: values.limit_per_second,
    campaigns: values.campaigns === undefined ? null : idsOf(values.campaigns).sort(),
    organisation_id: values.organisation_id ?? null,
    contact: values.contact ?? null,
    ...(values.settings === undefined ? {} : { settings: parsed(shell, values.settings) }),
  };
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(row[name])));
}

function parsed(shell, text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Trouble(422, { detail: shell.say("notJson"), errors: [{ field: "settings", message: shell.say("notJson") }] });
  }
}

// ---------------------------------------------------------------- keys

export function keySheet(shell, { row, acts }) {
  const { say } = shell;
  const purposes = PURPOSES[row.scheme] ?? ["signing"];
  const theirs = purposes[0] !== "signing";
  const form = new Form(shell, {
    fields: [
      ...(purposes.length > 1 ? [{ name: "purpose", title: "purpose", kind: "select", options: () => purposes.map((each) => [each, say("purposes")[each]]) }] : []),
      ...(theirs ? [{ name: "key", title: "keyText", kind: "area", required: true, hint: "keyTextHint" }, { name: "key_id", title: "keyId", hint: "keyIdHint" }] : []),
      { name: "overlap_hours", title: "overlap", kind: "number", hint: theirs ? "overlapTheirsHint" : "overlapHint", value: theirs ? "" : "24" },
    ],
    submit: theirs ? "addKey" : "rotate",
    send: (values, key) => post("donation", `/channels/${row.channel}/keys`, { purpose: purposes[0], ...values }, { key }),
    done: ({ body }) => {
      acts.again();
      if (theirs) acts.reopen();
      else {
        sheet.close();
        showSecret(shell, say("secretOf", row.channel), body.secret);
      }
      notice(shell, say("keyAdded", body.key_id));
    },
  });
  const sheet = new Sheet(shell, say(theirs ? "addKeyTitle" : "rotateTitle", row.channel), form.node).open();
}
