// The placards page: a placard is entered in one line, read back by another person, and put right with a trace.

import { get, getAll, post, send } from "./api.js";
import { at, element, fill, put } from "./dom.js";
import { Form } from "./form.js";
import { Live } from "./live.js";
import { formatPlain, formatShort } from "./money.js";
import { notice, takeBack } from "./notice.js";
import { bodyOf, explained, fieldsOf, goodsOf, nameOf, spell, unread } from "./placard-forms.js";
import { openPledge } from "./placard-sheet.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { PLACARDS_TEXTS } from "./texts/placards.js";
import { dayOf } from "./time.js";

const UNDO_MS = 15_000;
const DUE_DAYS = 30;
const DAY_MS = 86_400_000;
const PAGE = 200;
const MANY = 200;
const CAMPAIGNS_EVERY = 10; // rounds
const LATER = ["goods.description", "goods.quantity", "goods.unit", "goods.basis", "display", "alias"];
const CHOSEN_FIRST = ["launched", "paused", "closed", "settled"];
const VIEWS = {
  waits: () => ({ waits: true }),
  confirmed: () => ({ state: "confirmed" }),
  overdue: () => ({ within_days: -1, campaign_id: chosen()?.campaign_id }),
  fulfilled: () => ({ fulfilled: true }),
  released: () => ({ state: "released" }),
  cancelled: () => ({ state: "cancelled" }),
  every: () => ({}),
};

const shell = new Shell(PLACARDS_TEXTS, () => write());
const { say } = shell;
const may = { enter: shell.has("desk"), confirm: shell.has("desk", "finance"), release: shell.has("approver") };

let campaigns = [];
let figures = null;
let entry = null;
let rounds = 0;

const titleOf = (each) => (shell.code === "en" && each.title_en) || each.title;
const pathOf = (row) => `/pledges/${row.pledge_id}`;
const versionOf = (row) => `"${row.version}"`;
const mine = (row) => row.written_by === shell.me.person;
const today = () => dayOf(new Date().toISOString());
const overdueDays = (row) => (row.state === "confirmed" && row.open_fen > 0n ? Math.max(0, (Date.parse(today()) - Date.parse(row.due_on)) / DAY_MS) : 0);
const viewShown = () => table.inputs.get("view").input.value;
const chosen = () => campaigns.find((each) => each.campaign_id === table.inputs.get("campaign_id").input.value);

// ---------------------------------------------------------------- the list

function stateOf(row) {
  const days = overdueDays(row);
  if (row.state === "confirmed" && viewShown() === "waits") return ["warn", say("changeWaits")];
  if (days > 0) return ["alarm", say("late", days)];
  if (row.state === "confirmed" && row.open_fen === 0n) return ["good", say("kept")];
  return [row.state === "entered" ? "warn" : "", say("states")[row.state]];
}

function badge(row) {
  const [level, text] = stateOf(row);
  return element("span", { class: "badge", data: { level } }, text);
}

const amountCell = (row) => (unread(shell, row) ? element("i", { class: "unread" }, say("unread")) : formatPlain(row.amount_fen));
const decidable = (row) => row.state === "entered" || viewShown() === "waits";

const table = new Table(at("table"), shell, {
  name: "placards",
  source: {
    service: "campaign",
    get path() {
      return viewShown() === "overdue" ? "/pledges/due" : `/campaigns/${chosen().campaign_id}/pledges`;
    },
  },
  id: (row) => row.pledge_id,
  level: (row) => (overdueDays(row) > 0 ? "alarm" : ""),
  columns: [
    { key: "placard", title: "placard" },
    { key: "company", title: "company", wide: true },
    { key: "amount_fen", title: "promised", kind: "money", cell: amountCell, value: (row) => (unread(shell, row) ? null : row.amount_fen) },
    { key: "goods", title: "goods", cell: goodsOf, value: goodsOf },
    { key: "due_on", title: "due" },
    { key: "state", title: "state", cell: badge, value: (row) => stateOf(row)[1] },
    { key: "fulfilled_fen", title: "keptYuan", kind: "money", cell: (row) => formatPlain(row.fulfilled_fen) },
    { key: "written_by", title: "enteredBy" },
    { key: "confirmed_by", title: "confirmedBy" },
  ],
  filters: [
    { name: "campaign_id", title: "campaign", kind: "select", required: true, options: () => campaigns.map((each) => [each.campaign_id, titleOf(each)]), asks: () => ({}) },
    { name: "view", title: "shown", kind: "select", required: true, options: () => Object.keys(VIEWS).map((each) => [each, say("views")[each]]), asks: (view) => VIEWS[view]() },
  ],
  actions: [
    ...(may.confirm ? [{ key: "c", title: "confirm", main: true, when: decidable, run: confirm }] : []),
    ...(may.enter
      ? [
          { key: "r", title: "correct", when: (row) => ["entered", "confirmed"].includes(row.state), run: ([row]) => correct(row) },
          { key: "d", title: "cancel", when: (row) => row.state === "entered", run: ([row]) => cancel(row) },
        ]
      : []),
  ],
  exportPage: PAGE,
  open: (row) => open(row),
  empty: may.enter ? "emptyHint" : null,
});
Object.keys(VIEWS).forEach((name, i) => shell.keys.on(String(i + 1), () => say("show", say("views")[name]), () => show(name)));
table.form.addEventListener("change", () => live.round());

function show(view) {
  table.inputs.get("view").input.value = view;
  table.apply();
}

/** Out of sight at once: the next key is for the next row, not for the one that is done. */
function gone(row) {
  if (viewShown() === "waits") table.leave(row);
  else table.render();
}

const refresh = () => live.round();

const open = (row) => openPledge(shell, row, { may, confirm: readBack, correct, refresh });

// ---------------------------------------------------------------- one line to enter

function writeEntry() {
  at("enter").hidden = !may.enter || campaigns.length === 0;
  if (at("enter").hidden) return;
  const taken = chosen()?.state === "launched";
  if (entry?.code !== shell.code) entry = entryForm(entry?.form);
  entry.form.node.hidden = !taken;
  entry.hint.hidden = taken;
}

/** Number, who, amount, Enter; the focus is back in the first field. A due day stays for the next placard. */
function entryForm(before = null) {
  const due = before?.inputs.get("due_on").input.value ?? dayOf(new Date(Date.now() + DUE_DAYS * DAY_MS).toISOString());
  const form = new Form(shell, {
    name: "entry",
    fields: fieldsOf(shell, null, due),
    submit: "enter",
    send: (values, key) => explained(shell, () => post("campaign", `/campaigns/${chosen().campaign_id}/pledges`, bodyOf(values), { key })),
    done: ({ body, etag }, values) => {
      const undo = () => takeBack(shell, () => post("campaign", `${pathOf(body)}/cancel`, { reason: say("undoReason") }, { ifMatch: etag }), refresh);
      notice(shell, say("entered", nameOf(shell, body), formatPlain(body.amount_fen)), { undo, ms: UNDO_MS });
      form.reset();
      form.inputs.get("due_on").input.value = values.due_on;
      form.say("due_on", null);
      refresh();
    },
  });
  const field = (name) => form.inputs.get(name).input.closest(".field");
  const more = element("details", { class: "more" }, element("summary", {}, say("more")), element("div", { class: "goods" }, ...LATER.map(field)));
  form.node.querySelector(".form-buttons").after(more);
  spell(shell, form);
  for (const [name, { input }] of before?.inputs ?? []) form.inputs.get(name).input.value = input.value;
  form.say("due_on", null);
  const hint = element("p", { class: "dim" }, say("notTaken"));
  at("enter").replaceChildren(at("enter-title"), form.node, hint);
  return { form, hint, code: shell.code };
}

// ---------------------------------------------------------------- read back, corrected, cancelled

/** One after the other; the first that is not confirmed ends it. */
async function confirm(rows) {
  for (const row of rows) {
    if (row.state !== "entered") {
      await open(row);
      return false;
    }
    if (!(await readBack(row))) return false;
  }
  return true;
}

/** The second person types what the placard says, without seeing what was entered: true when that is confirmed. */
function readBack(row) {
  if (mine(row)) {
    notice(shell, say("ownEntry", nameOf(shell, row)), { level: "alarm", ms: 10_000 });
    return Promise.resolve(false);
  }
  return new Promise((ended) => {
    let known = row;
    let confirmed = false;
    const about = element("div", {});
    const tell = () =>
      about.replaceChildren(
        facts([
          [say("placard"), known.placard],
          [say("company"), known.company],
          [say("goods"), goodsOf(known)],
          [say("due"), known.due_on],
          [say("enteredBy"), known.written_by],
        ]),
      );
    const form = new Form(shell, {
      fields: [{ name: "amount_fen", title: "readAmount", kind: "money", required: true, hint: "readHint" }],
      submit: "confirm",
      send: (values, key) => explained(shell, () => post("campaign", `${pathOf(known)}/confirm`, values, { key, ifMatch: versionOf(known) }).catch(again)),
      done: ({ body }) => {
        confirmed = true;
        gone(row);
        notice(shell, say("confirmed", nameOf(shell, body), formatPlain(body.amount_fen)));
        sheet.close();
        refresh();
      },
    });
    // Changed by somebody in between: what stands now is shown, and the placard is read once more.
    const again = async (trouble) => {
      if (trouble.code === "version-changed") {
        known = await get("campaign", pathOf(row));
        tell();
      }
      throw trouble;
    };
    form.node.classList.add("read-back");
    spell(shell, form);
    tell();
    const sheet = new Sheet(shell, say("readTitle"), about, form.node);
    sheet.node.addEventListener("ended", () => ended(confirmed));
    sheet.open();
  });
}

/** A form in a sheet: true when it was sent. */
function asked(title, hint, fields, submit, sending, told) {
  return new Promise((ended) => {
    let sent = false;
    const form = new Form(shell, {
      fields,
      submit,
      send: (values, key) => explained(shell, () => sending(values, key)),
      done: ({ body }) => {
        sent = true;
        notice(shell, told(body));
        sheet.close();
        refresh();
      },
    });
    const sheet = new Sheet(shell, title, element("p", { class: "dim" }, hint), form.node);
    if (form.inputs.has("amount_fen")) {
      spell(shell, form);
      form.node.classList.add("terms");
      sheet.node.classList.add("large");
    }
    sheet.node.addEventListener("ended", () => ended(sent));
    sheet.open();
  });
}

function correct(row) {
  const path = pathOf(row);
  const fields = fieldsOf(shell, row);
  const options = { ifMatch: versionOf(row) };
  if (row.state === "entered") {
    const sending = (values, key) => send("PUT", "campaign", path, bodyOf(values), { ...options, key });
    return asked(say("correctTitle", nameOf(shell, row)), say("rewriteHint"), fields, "correct", sending, (body) => say("rewritten", nameOf(shell, body)));
  }
  const reason = { name: "reason", title: "correctReason", kind: "area", required: true };
  const sending = (values, key) => post("campaign", `${path}/correction`, bodyOf(values), { ...options, key });
  return asked(say("correctTitle", nameOf(shell, row)), say("correctHint"), [...fields, reason], "correctAsk", sending, (body) => say("correctionAsked", nameOf(shell, body)));
}

function cancel(row) {
  const fields = [{ name: "reason", title: "cancelReason", kind: "area", required: true }];
  const sending = (values, key) => post("campaign", `${pathOf(row)}/cancel`, values, { key, ifMatch: versionOf(row) });
  return asked(say("cancelTitle", nameOf(shell, row)), say("cancelHint"), fields, "cancel", sending, (body) => say("cancelled", nameOf(shell, body)));
}

// ---------------------------------------------------------------- promised, and beside it what is kept

function writeFigures() {
  const shown = figures !== null && figures.campaign_id === chosen()?.campaign_id;
  at("figures").hidden = !shown;
  if (!shown) return;
  const { promised, overdue } = figures;
  const spoken = (fen) => `¥${formatShort(fen, shell.code)}`;
  const late = overdue.reduce((sum, row) => sum + row.open_fen, 0n);
  const many = overdue.length < MANY ? String(overdue.length) : `${MANY}+`;
  const told = [
    ["promised", spoken(promised.promised_fen), say("promisedHint", promised.pledges, promised.goods_fen > 0n ? spoken(promised.goods_fen) : "")],
    ["kept", spoken(promised.fulfilled_fen), say("keptHint", promised.fulfilled)],
    ["openYuan", spoken(promised.open_fen), promised.released_fen > 0n ? say("releasedHint", spoken(promised.released_fen)) : say("openHint")],
    ["waiting", say("placards", promised.entered), say("waitingHint"), promised.entered > 0 ? "warn" : ""],
    ["overdue", say("placards", many), overdue.length > 0 ? say("overdueHint", spoken(late)) : say("nothingLate"), overdue.length > 0 ? "alarm" : ""],
  ];
  const make = () => element("div", { class: "figure" }, element("dt"), element("dd", { class: "value" }), element("dd", { class: "hint" }));
  fill(at("figures"), told, make, (node, [key, value, hint, level = ""]) => {
    node.dataset.level = level;
    [say(`${key}Title`), value, hint].forEach((text, i) => put(node.children[i], text));
  });
}

function write() {
  table.render();
  writeEntry();
  writeFigures();
}

if (may.enter) shell.keys.on("e", "enterKey", () => entry?.form.node.hidden === false && entry.form.inputs.get("placard").input.focus());

async function readCampaigns() {
  const items = await getAll("campaign", "/campaigns", {}, { tries: 0 });
  const place = (each) => CHOSEN_FIRST.indexOf(each.state);
  campaigns = items.filter((each) => place(each) >= 0).sort((a, b) => place(a) - place(b) || (b.launched_on ?? "").localeCompare(a.launched_on ?? ""));
}

const live = new Live(shell, 3_000, async () => {
  if (rounds % CAMPAIGNS_EVERY === 0 || campaigns.length === 0) await readCampaigns();
  rounds += 1;
  table.render();
  const campaign_id = chosen()?.campaign_id;
  if (campaign_id === undefined) return;
  const [promised, due] = await Promise.all([
    get("campaign", `/campaigns/${campaign_id}/promised`, {}, { tries: 0 }),
    get("campaign", "/pledges/due", { campaign_id, within_days: -1, limit: MANY }, { tries: 0 }),
    table.read(),
  ]);
  figures = { campaign_id, promised, overdue: due.items };
  write();
});
