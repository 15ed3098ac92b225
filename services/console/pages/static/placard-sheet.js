// One pledge: what was promised and what of it is kept, what waits for a second person, its steps, its trace.

import { get, getWithEtag, post, Trouble } from "./api.js";
import { element } from "./dom.js";
import { notice } from "./notice.js";
import { differences, goodsOf, nameOf, spell, unread, yuan } from "./placard-forms.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { Steps } from "./steps.js";
import { dayOf, stampOf } from "./time.js";

const LISTS = { correction: "corrections", delivery: "deliveries", release: "releases" };
const VERSIONS = 200;
const GIFTS = 200;
const GIFT_PARTS = 5;

/** Show a pledge. `page`: {may: {enter, confirm, release}, confirm(row), correct(row), refresh()}. */
export async function openPledge(shell, row, page) {
  const path = `/pledges/${row.pledge_id}`;
  const before = openSheet();
  try {
    const [{ body, etag }, steps, versions] = await Promise.all([
      getWithEtag("campaign", path),
      get("campaign", `${path}/steps`),
      get("campaign", `${path}/versions`, { limit: VERSIONS }),
    ]);
    const waiting = Object.entries(LISTS)
      .map(([kind, list]) => [kind, steps[list].find((each) => each.state === "asked")])
      .filter(([, step]) => step);
    const gifts = body.goods && page.may.enter ? await giftsOf(body.campaign_id) : [];
    if (openSheet() !== before) return; // the person has gone on to something else
    const sheet = new Sheet(shell, nameOf(shell, body), ...contentOf(shell, body, etag, waiting, versions.items, { ...page, gifts }));
    sheet.node.classList.add("large");
    sheet.open();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
}

/** The confirmed gifts in kind of a campaign, the first thousand. */
async function giftsOf(campaignId) {
  const found = [];
  let after = null;
  for (let part = 0; part < GIFT_PARTS; part += 1) {
    const answer = await get("campaign", `/campaigns/${campaignId}/goods-gifts`, { state: "confirmed", after, limit: GIFTS });
    found.push(...answer.items);
    after = answer.next;
    if (after === null) break;
  }
  return found;
}

function contentOf(shell, row, etag, waiting, versions, page) {
  const { say } = shell;
  const hidden = unread(shell, row);
  const figure = (key, value) => element("div", {}, element("dt", {}, say(key)), element("dd", {}, value));
  return [
    element(
      "dl",
      { class: "sum" },
      figure("promisedTitle", hidden ? say("unread") : yuan(row.amount_fen)),
      figure("keptTitle", yuan(row.fulfilled_fen)),
      figure("openYuanTitle", hidden ? "–" : yuan(row.open_fen)),
      row.overpaid_fen > 0n ? figure("overpaid", yuan(row.overpaid_fen)) : null,
      row.released_fen > 0n ? figure("releasedYuan", yuan(row.released_fen)) : null,
    ),
    facts([
      [say("state"), say("states")[row.state]],
      [say("goods"), goodsOf(row) && `${goodsOf(row)} (${say("bases")[row.goods.basis]})`],
      [say("delivered"), row.goods ? `${row.delivered_quantity} / ${row.goods.quantity} ${row.goods.unit}` : ""],
      [say("display"), row.display === "name" ? say("displays").name : `${say("displays")[row.display]} · ${row.shown_name}`],
      [say("promisedOn"), row.promised_on],
      [say("due"), row.due_on],
      [say("enteredBy"), row.written_by],
      [say("confirmedBy"), row.confirmed_by && `${row.confirmed_by} · ${stampOf(row.confirmed_at)}`],
      [say("cancelReason"), row.cancel_reason],
    ]),
    ...waiting.map(([kind, step]) => waitingNode(shell, row, kind, step)),
    stepsOf(shell, row, etag, waiting, page),
    element("h3", {}, say("trace")),
    traceOf(shell, versions, hidden),
  ];
}

/** Whoever is to read a correction back off the placard is not shown what was asked for. */
const readsBack = (shell, step) => step.asked_by !== shell.me.person && shell.has("desk", "finance");

/** What one person has asked for and another has to decide. */
function waitingNode(shell, row, kind, step) {
  const { say } = shell;
  const about = {
    correction: () => differences(shell, row, step, { blind: readsBack(shell, step) }),
    delivery: () => element("p", {}, `${step.quantity} ${row.goods?.unit ?? ""} · ${yuan(step.value_fen)} · ${step.delivered_on}`),
    release: () => facts([[say("reportedTo"), step.reported_to], [say("reportReference"), step.report_reference], [say("reportedOn"), step.reported_on], [say("statement"), step.public_statement]]),
  }[kind]();
  return element(
    "section",
    { class: "waits" },
    element("h3", {}, say("waits")[kind]),
    about,
    element("p", {}, say("askedBy", step.asked_by, stampOf(step.asked_at), step.reason)),
    step.asked_by === shell.me.person ? element("p", { class: "warn-text" }, say("anotherDecides")) : null,
  );
}

function stepsOf(shell, row, etag, waiting, { may, gifts, confirm, correct, refresh }) {
  const { say } = shell;
  const own = { confirm: () => confirm(row), correct: () => correct(row) };
  const steps = new Steps(shell, (name) => {
    if (name in own) return own[name]();
    notice(shell, say("stepped", nameOf(shell, row))[name]);
    return refresh();
  });
  const call = (step, body, key) => post("campaign", `/pledges/${row.pledge_id}/${step}`, body, { ifMatch: etag, key });
  const form = (name, title, fields, options) => steps.form(name, title, fields, (values, key) => call(options?.path ?? name, values, key), options);
  const reason = (title) => [{ name: "reason", title, kind: "area", required: true }];
  const today = dayOf(new Date().toISOString());
  const decides = { correction: may.confirm, delivery: may.confirm, release: may.release };
  for (const [kind, step] of waiting) {
    const last = kind === "release" ? "approve" : "confirm";
    const another = decides[kind] && step.asked_by !== shell.me.person;
    if (another && kind === "correction") {
      const read = [{ name: "amount_fen", title: "readAmount", kind: "money", required: true, hint: "readCorrectionHint" }];
      form("correctionDone", "correctionDone", read, { path: "correction/confirm", main: true, opened: (made) => spell(shell, made) });
    } else if (another) steps.step(`${kind}Done`, `${kind}Done`, () => call(`${kind}/${last}`, null), { main: true });
    if (may.confirm || decides[kind]) form(`${kind}Withdrawn`, `${kind}Withdraw`, reason("withdrawReason"), { path: `${kind}/withdraw` });
  }
  const waits = (kind) => waiting.some(([each]) => each === kind);
  if (row.state === "entered" && may.confirm) steps.step("confirm", "confirm", async () => null, { main: true });
  if (["entered", "confirmed"].includes(row.state) && may.enter && !waits("correction")) steps.step("correct", "correct", async () => null);
  if (row.state === "entered" && may.enter) form("cancel", "cancel", reason("cancelReason"), { danger: true });
  if (row.goods && ["confirmed", "released"].includes(row.state) && may.enter && !waits("delivery")) {
    form("delivery", "delivery", [
      { name: "quantity", title: "quantity", kind: "number", required: true },
      { name: "value_fen", title: "valueYuan", kind: "money", required: true },
      { name: "delivered_on", title: "deliveredOn", kind: "day", required: true, value: today },
      { name: "reason", title: "deliveryNote", required: true },
      { name: "gift_id", title: "gift", kind: "select", hint: "giftHint", options: () => [["", say("noGift")], ...gifts.map((each) => [each.gift_id, giftText(each)])] },
    ]);
  }
  if (row.state === "confirmed" && row.open_fen > 0n && may.confirm && !waits("release")) {
    form("release", "release", [
      { name: "report_reference", title: "reportReference", required: true },
      { name: "reported_to", title: "reportedTo", required: true },
      { name: "reported_on", title: "reportedOn", kind: "day", required: true, value: today },
      { name: "reason", title: "releaseReason", kind: "area", required: true },
      { name: "public_statement", title: "statement", kind: "area", required: true, hint: "statementHint" },
    ], { danger: true, submit: "releaseAsk" });
  }
  return steps.node();
}

const giftText = (gift) => [gift.received_on, gift.donor, ...gift.items.slice(0, 2).map((item) => item.description), yuan(gift.value_fen)].join(" · ");

/** Every version: who, when, what changed, why. The first with what was entered. */
function traceOf(shell, versions, hidden) {
  const { say } = shell;
  const lines = versions.map((each, i) => {
    const before = versions[i - 1];
    const changed = before ? differences(shell, before, each, { blind: hidden }) : null;
    const first = before || hidden ? null : element("b", {}, yuan(each.amount_fen));
    const head = element("p", {}, element("time", {}, stampOf(each.changed_at)), element("span", {}, each.person), element("b", {}, say("acts")[each.action]), first, each.reason ? element("span", {}, each.reason) : null);
    return element("li", {}, head, changed);
  });
  return element("ol", { class: "trace" }, ...lines);
}
