// One channel: how it is set, its keys, and who changed what.

import { get, getWithEtag, send, Trouble } from "./api.js";
import { changeSheet, keySheet } from "./channel-forms.js";
import { campaignsOf, schemeOf, stateOf } from "./channel-words.js";
import { element } from "./dom.js";
import { notice } from "./notice.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { stampOf } from "./time.js";

const CHANGES = 20;

/** `acts`: {again, pause(rows), resume(rows), names} of the list. */
export async function openChannel(shell, name, acts) {
  const path = `/channels/${name}`;
  const before = openSheet();
  try {
    const [{ body: row, etag }, keys, changes] = await Promise.all([
      getWithEtag("donation", path),
      get("donation", `${path}/keys`),
      get("donation", `${path}/changes`, { limit: CHANGES }),
    ]);
    if (openSheet() !== before) return; // the person has gone on to another one
    const reopen = () => openChannel(shell, name, acts);
    const told = { row, etag, keys, acts: { ...acts, reopen } };
    const sheet = new Sheet(shell, `${row.title} · ${row.channel}`, ...body(shell, told, changes));
    sheet.node.classList.add("large");
    sheet.open();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

function body(shell, told, changes) {
  const { say } = shell;
  const { row } = told;
  const { campaigns, organisations } = told.acts.names;
  const settings = Object.keys(row.settings).length > 0 ? element("code", { class: "mono" }, JSON.stringify(row.settings)) : null;
  return [
    shell.has("administrator") ? buttons(shell, told) : null,
    facts([
      [say("state"), element("span", {}, stateOf(shell, row), row.paused_reason ? ` ${row.paused_reason}` : "")],
      [say("scheme"), schemeOf(shell, row)],
      [say("limit"), say("perSecond", row.limit_per_second.toLocaleString("en-US"))],
      [say("campaigns"), row.campaigns ? shell.list(row.campaigns.map((id) => campaigns.titleOf(id))) || campaignsOf(shell, row, campaigns) : campaignsOf(shell, row, campaigns)],
      [say("organisation"), organisations.titleOf(row.organisation_id)],
      [say("contact"), row.contact],
      [say("topic"), row.topic],
      [say("settings"), settings],
      [say("createdAt"), stampOf(row.created_at)],
    ]),
    element("h3", {}, say("keysOf")),
    keyTable(shell, told),
    element("h3", {}, say("changes")),
    changeList(shell, row.channel, changes),
  ].filter(Boolean);
}

function buttons(shell, told) {
  const { say } = shell;
  const { row, acts } = told;
  const button = (key, run, kind = null) => element("button", { type: "button", class: kind, onclick: run }, say(key));
  const paused = row.state === "paused";
  const turn = async () => {
    await act(shell, () => (paused ? acts.resume([row]) : acts.pause([row])));
    if (paused) acts.reopen();
  };
  return element(
    "div",
    { class: "sheet-buttons" },
    button("change", () => changeSheet(shell, told)),
    row.scheme === "desk" ? null : button(rotates(row) ? "rotate" : "addKey", () => keySheet(shell, told)),
    button(paused ? "resume" : "pause", turn, paused ? "main" : null),
  );
}

const rotates = (row) => ["webhooks", "files", "kafka"].includes(row.scheme);

async function act(shell, run) {
  try {
    await run();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    notice(shell, shell.words(trouble), { level: "alarm", ms: 12_000 });
  }
}

// ---------------------------------------------------------------- keys

function keyTable(shell, told) {
  const { say } = shell;
  if (told.keys.length === 0) return element("p", { class: "dim" }, say(told.row.scheme === "desk" ? "keysNever" : "keysNone"));
  const may = shell.has("administrator");
  const heads = ["purpose", "keyId", "createdAt", "createdBy", "validUntil", ...(may ? ["act"] : [])];
  const rows = told.keys.map((key) =>
    element(
      "tr",
      {},
      element("td", {}, say("purposes")[key.purpose]),
      element("td", { class: "mono", title: key.fingerprint }, key.key_id),
      element("td", {}, stampOf(key.created_at)),
      element("td", {}, key.created_by ?? ""),
      element("td", {}, element("span", { class: "badge", data: { level: key.counts ? (key.valid_until ? "warn" : "good") : "" } }, validity(say, key))),
      may ? element("td", {}, key.counts ? revokeButton(shell, told, key) : "") : null,
    ),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": say("keysOf") }, element("table", {}, headOf(say, heads), element("tbody", {}, ...rows)));
}

const headOf = (say, heads) => element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, say(head)))));

function validity(say, key) {
  if (!key.counts) return say("ended", stampOf(key.valid_until));
  return key.valid_until ? say("until", stampOf(key.valid_until)) : say("counts");
}

/** What is signed with a revoked key is refused for good, so it is asked first. */
function revokeButton(shell, told, key) {
  const { say } = shell;
  const ask = () => {
    const last = told.keys.filter((each) => each.counts && each.purpose === key.purpose).length === 1;
    const yes = element("button", { type: "button", class: "danger" }, say("revokeNow"));
    yes.addEventListener("click", () =>
      act(shell, async () => {
        await send("DELETE", "donation", `/channels/${told.row.channel}/keys/${key.purpose}/${key.key_id}`);
        notice(shell, say("revoked", key.key_id));
        told.acts.reopen();
      }),
    );
    const back = element("button", { type: "button", onclick: told.acts.reopen }, say("back"));
    const words = element("p", { class: last ? "wrong" : null }, say(last ? "revokeLast" : "revokeHint"));
    new Sheet(shell, say("revokeTitle", key.key_id), words, element("div", { class: "sheet-buttons" }, yes, back)).open();
  };
  return element("button", { type: "button", class: "danger", onclick: ask }, say("revoke"));
}

// ---------------------------------------------------------------- changes

function changeList(shell, name, first) {
  const { say } = shell;
  const list = element("tbody");
  const older = element("button", { type: "button" }, say("olderChanges"));
  let next = null;
  const add = (page) => {
    for (const each of page.items) {
      const detail = element("td", { class: "wide" }, detailOf(say, each.detail));
      list.append(element("tr", {}, element("td", {}, stampOf(each.changed_at)), element("td", {}, each.person), element("td", {}, say("whats")[each.what] ?? each.what), detail));
    }
    next = page.next;
    older.hidden = next === null;
  };
  older.addEventListener("click", () => act(shell, async () => add(await get("donation", `/channels/${name}/changes`, { before: next, limit: CHANGES }))));
  add(first);
  const table = element("table", {}, headOf(say, ["at", "person", "what", "detail"]), list);
  return element("div", {}, element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": say("changes") }, table), older);
}

/** {limit_per_second: {from: 1, to: 2}} → "每秒上限：1 → 2". */
function detailOf(say, detail) {
  const shown = (field, value) => say("detailWords")[field]?.[value] ?? plain(field, value);
  const one = (field, value) => (value && typeof value === "object" && "to" in value ? `${shown(field, value.from)} → ${shown(field, value.to)}` : shown(field, value));
  return Object.entries(detail)
    .filter(([field, value]) => value !== null && !(field === "sandbox" && value === false))
    .map(([field, value]) => say("pair", say("fields")[field] ?? field, one(field, value)))
    .join(say("between"));
}

function plain(field, value) {
  if (value === null) return "—";
  if (field === "others_until") return stampOf(value);
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
