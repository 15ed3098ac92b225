// The page of what waits for a person: held donations to release or refuse, reversals without their donation, and
// conflicts to resolve.

import { get, post } from "./api.js";
import { decide } from "./cases.js";
import { at, element, fill, put } from "./dom.js";
import { Live } from "./live.js";
import { formatPlain, formatYuan } from "./money.js";
import { Names } from "./names.js";
import { Sheet, facts } from "./sheet.js";
import { Shell } from "./shell.js";
import { Table } from "./table.js";
import { HELD_TEXTS } from "./texts/held.js";
import { stampOf } from "./time.js";

const VIEWS = { held: "/held", reversals: "/held?view=reversals", conflicts: "/held?view=conflicts" };
const PATHS = { held: "/held", reversals: "/waiting-reversals", conflicts: "/conflicts" };
const MANY = 99;
const BULK = 200;

const asked = new URL(location.href).searchParams.get("view");
const view = asked in VIEWS ? asked : "held";
const counts = { held: null, reversals: null, conflicts: null };
const shell = new Shell(HELD_TEXTS, () => {
  table.render();
  writeTabs();
});
const { say } = shell;
const finance = shell.has("finance");
const [names, channels] = ["campaigns", "channels"].map((kind) => new Names(kind, shell, () => table.render()));

const table = new Table(at("table"), shell, { pageSize: BULK, exportPage: BULK, ...{ held, reversals, conflicts }[view]() });

// ---------------------------------------------------------------- held

function held() {
  const decideOn = (decision) => (rows) =>
    decide(shell, {
      title: say(`${decision}Title`, rows.length, sumOf(rows)),
      hint: [say(`${decision}Hint`), say("leftOut", table.chosen().length - rows.length)].join(" "),
      submit: decision,
      rows,
      about: aboutHeld,
      send: async (chosen, reason, key) =>
        (await post("donation", `/held/${decision}`, { donation_ids: chosen.map((row) => row.donation_id), reason }, { key })).body.items,
    });
  return {
    name: "held",
    source: { service: "donation", path: "/held" },
    id: (row) => row.donation_id,
    columns: [
      { key: "occurred_at", title: "occurredAt", kind: "time" },
      { key: "received_at", title: "waiting", cell: (row) => shell.duration(Date.now() - Date.parse(row.received_at)), value: (row) => row.received_at },
      { key: "amount_fen", title: "amount", kind: "money" },
      { key: "shown_name", title: "donor", cell: (row) => row.shown_name ?? say("anonymous") },
      { key: "campaign_id", title: "campaign", cell: (row) => names.titleOf(row.campaign_id), value: (row) => row.campaign_id, wide: true },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "held_reason", title: "why", cell: (row) => say("heldReasons")[row.held_reason] ?? row.held_reason },
      { key: "way", title: "way", cell: wayOut, wide: true },
    ],
    filters: [
      { name: "campaign_id", title: "campaignSought", kind: "text", attributes: names.attributes },
      { name: "reason", title: "reasonSought", kind: "select", options: () => Object.entries(say("heldReasons")) },
    ],
    actions: finance
      ? [
          { key: "r", title: "release", main: true, when: releasable, run: decideOn("release") },
          { key: "f", title: "refuse", when: (row) => row.decision === null, run: decideOn("refuse") },
        ]
      : [],
    open: openHeld,
    empty: "heldEmpty",
  };
}

function releasable(row) {
  return row.decision === null && !["filed", null].includes(row.campaign_status);
}

const sumOf = (rows) => formatPlain(rows.reduce((sum, row) => sum + row.amount_fen, 0n));
const aboutHeld = (row) => [formatYuan(row.amount_fen), row.shown_name ?? say("anonymous"), row.campaign_id, row.transaction_id].join(" · ");

/** What lets it go on, as its campaign stands now. */
function wayOut(row) {
  const ways = say("ways");
  if (row.decision) return ways.released;
  if (row.campaign_status === null) return ways.unknown;
  if (row.campaign_status === "filed") return ways.filed;
  if (row.held_reason === "campaign_not_allowed") return ways.notAllowed;
  return { paused: ways.paused, closed: ways.closed }[row.campaign_status] ?? ways.going;
}

function openHeld(row) {
  const mono = (text) => element("span", { class: "mono" }, text);
  const list = facts([
    [say("amount"), formatYuan(row.amount_fen)],
    [say("donor"), `${row.shown_name ?? say("anonymous")} · ${say("donorKinds")[row.donor_kind] ?? row.donor_kind}`],
    [say("campaign"), names.titleOf(row.campaign_id)],
    [say("why"), say("heldReasons")[row.held_reason] ?? row.held_reason],
    [say("way"), wayOut(row)],
    [say("occurredAt"), stampOf(row.occurred_at)],
    [say("receivedAt"), stampOf(row.received_at)],
    [say("channel"), channels.titleOf(row.channel)],
    [say("transaction"), mono(row.transaction_id)],
    [say("position"), mono(`${row.source} @ ${row.sequence}`)],
  ]);
  new Sheet(shell, say("views").held, list, donationLink(row)).open();
}

// ---------------------------------------------------------------- reversals that wait

function reversals() {
  return {
    name: "reversals",
    source: { service: "donation", path: PATHS.reversals },
    id: (row) => row.reversal_id,
    columns: [
      { key: "waits_since", title: "waiting", cell: (row) => shell.duration(Date.now() - Date.parse(row.waits_since)) },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "transaction_id", title: "transaction", cell: (row) => row.transaction_id ?? say("notKept") },
      { key: "amount_fen", title: "amount", kind: "money" },
      { key: "kind", title: "kind", cell: (row) => say("kinds")[row.kind] ?? row.kind, value: (row) => row.kind },
      { key: "occurred_at", title: "wentBackAt", kind: "time" },
      { key: "way", title: "way", cell: wayOfReversal, wide: true },
    ],
    actions: finance ? [{ key: "s", title: "setAside", main: true, when: lost, run: setAside }] : [],
    open: openReversal,
    empty: "reversalsEmpty",
  };
}

/** Whether no donation will let it go on by itself. */
function lost(row) {
  return row.donation_status === null || row.donation_status === "refused";
}

function wayOfReversal(row) {
  return say("reversalWays")[row.donation_status ?? "unknown"];
}

function setAside(rows) {
  return decide(shell, {
    title: say("setAsideTitle", rows.length, sumOf(rows)),
    hint: [say("setAsideHint"), say("leftOut", table.chosen().length - rows.length)].join(" "),
    submit: "setAside",
    rows,
    about: (row) => [channels.titleOf(row.channel), row.transaction_id ?? say("notKept"), formatYuan(row.amount_fen)].join(" · "),
    send: async (chosen, reason, key) =>
      (await post("donation", `${PATHS.reversals}/set-aside`, { reversal_ids: chosen.map((row) => row.reversal_id), reason }, { key })).body.items,
  });
}

function openReversal(row) {
  const mono = (text) => element("span", { class: "mono" }, text);
  const list = facts([
    [say("amount"), formatYuan(row.amount_fen)],
    [say("kind"), say("kinds")[row.kind] ?? row.kind],
    [say("way"), wayOfReversal(row)],
    [say("reason"), row.reason ?? ""],
    [say("wentBackAt"), stampOf(row.occurred_at)],
    [say("receivedAt"), stampOf(row.waits_since)],
    [say("channel"), channels.titleOf(row.channel)],
    [say("transaction"), mono(row.transaction_id ?? say("notKept"))],
    [say("reversalId"), mono(row.reversal_id)],
    [say("position"), mono(`${row.source} @ ${row.sequence}`)],
  ]);
  new Sheet(shell, say("views").reversals, list, ...(row.donation_status === null ? [] : [donationLink(row)])).open();
}

// ---------------------------------------------------------------- conflicts

function conflicts() {
  return {
    name: "conflicts",
    source: { service: "donation", path: "/conflicts" },
    id: (row) => `${row.source} @ ${row.sequence}`,
    columns: [
      { key: "received_at", title: "foundAt", kind: "time" },
      { key: "channel", title: "channel", cell: (row) => channels.titleOf(row.channel), value: (row) => row.channel },
      { key: "transaction_id", title: "transaction" },
      { key: "known_amount_fen", title: "counted", kind: "money" },
      { key: "amount_fen", title: "other", kind: "money" },
      { key: "differs", title: "differs", cell: differs, wide: true },
      { key: "resolution", title: "resolution", cell: resolution, wide: true },
    ],
    filters: [{ name: "shown", title: "which", kind: "select", any: "open", options: () => [["all", say("all")]] }],
    actions: finance ? [{ key: "r", title: "resolve", main: true, when: (row) => row.resolved_at === null, run: resolve }] : [],
    open: openConflict,
    empty: "conflictsEmpty",
  };
}

function resolve(rows) {
  return decide(shell, {
    title: say("resolveTitle", rows.length),
    hint: say("resolveHint"),
    submit: "resolve",
    rows,
    about: (row) => `${row.transaction_id} · ${formatYuan(row.known_amount_fen)} / ${formatYuan(row.amount_fen)} · ${differs(row)}`,
    send: async (chosen, reason, key) => {
      const places = chosen.map(({ source, sequence }) => ({ source, sequence }));
      return (await post("donation", "/conflicts/resolve", { conflicts: places, reason }, { key })).body.items;
    },
  });
}

function differs(row) {
  return shell.list(row.differs.map((field) => say("fields")[field.split(".")[0]] ?? field));
}

function resolution(row) {
  return row.resolved_at === null ? say("open") : say("resolvedBy", row.resolved_by, row.resolution);
}

function openConflict(row) {
  const both = (known, other) => (known === other ? known : element("span", {}, known, " → ", element("span", { class: "differs" }, other)));
  const list = facts([
    [say("amount"), both(formatYuan(row.known_amount_fen), formatYuan(row.amount_fen))],
    [say("campaign"), both(names.titleOf(row.known_campaign_id), names.titleOf(row.campaign_id))],
    [say("differs"), differs(row)],
    [say("foundAt"), stampOf(row.received_at)],
    [say("channel"), channels.titleOf(row.channel)],
    [say("transaction"), element("span", { class: "mono" }, row.transaction_id)],
    [say("position"), element("span", { class: "mono" }, `${row.source} @ ${row.sequence}`)],
    [say("resolution"), resolution(row)],
  ]);
  new Sheet(shell, say("views").conflicts, list, donationLink(row)).open();
}

const donationLink = (row) => element("p", {}, element("a", { href: `/donations?find=${row.donation_id}` }, say("seeDonation")));

// ---------------------------------------------------------------- the two views

function writeTabs() {
  put(at("lead"), say("leads")[view]);
  fill(at("tabs"), Object.entries(VIEWS), () => element("a"), (node, [name, address]) => {
    put(node, say("tab", say("views")[name], counts[name]));
    node.href = address;
    if (name === view) node.setAttribute("aria-current", "page");
  });
}

/** How many wait in each view, as far as one part of the list tells. */
async function count() {
  for (const name of Object.keys(VIEWS)) {
    const { items } = await get("donation", PATHS[name], { limit: MANY + 1 }, { tries: 0 });
    counts[name] = items.length > MANY ? `${MANY}+` : String(items.length);
  }
  writeTabs();
}

new Live(shell, 4_000, () => {
  names.read();
  channels.read();
  return Promise.all([table.read(), count()]);
});
