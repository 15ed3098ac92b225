// All that is known of one donation, read again while it is in sight: its events, what went back, receipts, bill,
// conflicts, thanks and where the money stands; and the forms that take its donor's name off, or take it back.

import { get, post, Trouble } from "./api.js";
import { element } from "./dom.js";
import { Form } from "./form.js";
import { formatPlain, formatShort, formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { statusCell } from "./cases.js";
import { facts } from "./sheet.js";
import { stampOf } from "./time.js";

const LEVELS = { DonationReceived: "good", DonationHeld: "warn", DonationConflicted: "alarm", DonationReversed: "alarm", release: "good", refuse: "alarm" };

export class RecordView {
  /** `names`, `channels`: Names of campaigns and of channels. `changed()` is called after a person has changed something. */
  constructor(shell, donationId, { names, channels, changed }) {
    this.shell = shell;
    this.donationId = donationId;
    this.names = names;
    this.channels = channels;
    this.changed = changed;
    this.told = "";
    this.beside = { thanks: null, trace: null };
    this.known = element("div", { class: "record" }, element("p", {}, shell.say("loading")));
    this.unname = element("div");
    this.reverse = element("div");
    this.node = element("div", { class: "record" }, this.known, this.unname, this.reverse);
  }

  /** Read it and what stands beside it. Throws Trouble when the donation itself can't be read. */
  async read() {
    const path = `/donations/${this.donationId}/record`;
    try {
      this.record = await get("donation", path, {}, { tries: 0 });
    } catch (trouble) {
      if (trouble instanceof Trouble) this.known.replaceChildren(element("p", { class: "wrong" }, trouble.status === 404 ? this.shell.say("notFound") : this.shell.words(trouble)));
      this.told = "";
      throw trouble;
    }
    const [thanks, trace] = await Promise.all([this.aside(() => this.readThanks()), this.aside(() => this.readTrace())]);
    this.beside = { thanks, trace };
    this.write();
  }

  /** What another part of the system knows must not hold up the record. */
  async aside(read) {
    try {
      return await read();
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      return { trouble };
    }
  }

  async readThanks() {
    if (!this.shell.has("viewer", "desk")) return null;
    const { message } = await get("notification", `/messages/of-donation/${this.donationId}`, {}, { tries: 0 });
    return message ?? { none: true };
  }

  /** The public trace of its valid receipt, by the receipt's check code. */
  async readTrace() {
    const valid = this.record.receipts.find((receipt) => receipt.valid);
    if (!valid) return { none: true };
    if (!this.shell.has("desk", "finance")) return null;
    this.code ??= (await get("donation", `/receipts/${valid.number}`, {}, { tries: 0 })).check_code;
    return get("donation", `/receipts/trace/${valid.number}`, { code: this.code }, { tries: 0 });
  }

  /** Show it; nothing is touched that has not changed, so that what a person marks stays marked. */
  write() {
    if (!this.record) return;
    const told = JSON.stringify([this.record, this.beside, this.names.titleOf(this.record.donation.campaign_id), this.channels.titleOf(this.record.donation.channel), this.shell.code], (_, item) => (typeof item === "bigint" ? String(item) : item));
    if (told === this.told) return;
    this.told = told;
    this.known.replaceChildren(this.sum(), this.about(), this.steps(), ...this.parts());
    this.writeUnname();
    this.writeReverse();
  }

  sum() {
    const { say, code } = this.shell;
    const { donation, consent_withdrawal: unnamed } = this.record;
    const short = formatShort(donation.amount_fen, code);
    const level = donation.conflicted || donation.status === "refused" ? "alarm" : donation.status === "held" ? "warn" : "good";
    return element(
      "p",
      { class: "sum" },
      element("b", {}, `¥ ${formatYuan(donation.amount_fen)}`),
      short === formatPlain(donation.amount_fen) ? null : element("span", { class: "dim" }, short),
      element("span", { class: "badge", data: { level } }, statusCell(this.shell, donation)),
      unnamed ? element("span", { class: "badge", data: { level: "warn" } }, say("unnamed")) : null,
      donation.status === "held" || donation.conflicted ? element("a", { href: donation.status === "held" ? "/held" : "/held?view=conflicts" }, say("openHeld")) : null,
      this.shell.has("finance") ? element("a", { href: `/personal-data?donation_id=${donation.donation_id}` }, say("personalData")) : null,
    );
  }

  about() {
    const { say } = this.shell;
    const { donation } = this.record;
    const mono = (text) => element("span", { class: "mono" }, text);
    const donor = `${donation.shown_name ?? say("anonymous")} · ${say("donorKinds")[donation.donor_kind] ?? donation.donor_kind}`;
    return element(
      "div",
      { class: "pair" },
      facts([
        [say("donor"), donor],
        [say("campaign"), this.names.titleOf(donation.campaign_id)],
        [say("occurredAt"), stampOf(donation.occurred_at)],
        [say("receivedAt"), stampOf(donation.received_at)],
        [say("fee"), donation.fee_fen === null ? null : formatYuan(donation.fee_fen)],
        [say("reversed"), donation.reversed_fen > 0n ? formatYuan(donation.reversed_fen) : null],
        [say("remains"), donation.reversed_fen > 0n ? formatYuan(donation.amount_fen - donation.reversed_fen) : null],
      ]),
      facts([
        [say("channel"), this.channels.titleOf(donation.channel)],
        [say("transaction"), mono(donation.transaction_id)],
        [say("donationId"), mono(donation.donation_id)],
        [say("position"), mono(`${donation.source} @ ${donation.sequence}`)],
      ]),
    );
  }

  /** Events and what persons decided, in the order of their times. */
  steps() {
    const { say } = this.shell;
    const { events, decision, reversals, consent_withdrawal: unnamed } = this.record;
    const amounts = new Map(reversals.map((each) => [each.reversal_id, each]));
    const lines = events.map((event) => {
      const back = event.type === "DonationReversed" ? amounts.get(event.subject) : null;
      const what = back ? `${say("events")[event.type]} ${formatYuan(back.amount_fen)} · ${say("kinds")[back.kind]}` : say("events")[event.type];
      return { at: event.at, level: LEVELS[event.type], what, place: `${event.source} @ ${event.sequence}` };
    });
    if (decision) {
      const what = `${say("decisions")[decision.decision]} · ${say("by", decision.decided_by)} · ${decision.reason}`;
      lines.push({ at: decision.decided_at, level: LEVELS[decision.decision], what, place: null });
    }
    if (unnamed) {
      const what = `${say("unnamedStep")} · ${say("by", unnamed.withdrawn_by)} · ${unnamed.reason}`;
      lines.push({ at: unnamed.withdrawn_at, level: "warn", what, place: null });
    }
    lines.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
    const items = lines.map(({ at, level, what, place }) =>
      element("li", { data: { level } }, element("time", { datetime: at }, stampOf(at)), element("span", {}, what, place ? element("span", { class: "mono" }, place) : null)),
    );
    return section(say("steps"), element("ol", { class: "steps" }, ...items));
  }

  parts() {
    const { say } = this.shell;
    const pairs = [
      [section(say("receipts"), this.receipts()), section(say("money"), this.money())],
      [section(say("reconciliation"), this.bill()), section(say("thanks"), this.thanks())],
    ];
    const shown = pairs.map((pair) => element("div", { class: "pair" }, ...pair));
    if (this.record.reversals.length > 0) shown.unshift(section(say("reversals"), this.reversals()));
    if (this.record.conflicts.length > 0) shown.unshift(section(say("conflicts"), this.conflicts()));
    return shown;
  }

  conflicts() {
    const { say } = this.shell;
    return element(
      "ul",
      { class: "steps" },
      ...this.record.conflicts.map((each) =>
        element(
          "li",
          { data: { level: each.resolved_at ? "" : "alarm" } },
          element("time", { datetime: each.received_at }, stampOf(each.received_at)),
          element("span", {}, say("conflictSaid", formatYuan(each.amount_fen), each.campaign_id), " · ", each.resolved_at ? say("resolvedBy", each.resolved_by, each.resolution) : say("unresolved")),
        ),
      ),
    );
  }

  reversals() {
    const { say } = this.shell;
    return element(
      "ul",
      { class: "steps" },
      ...this.record.reversals.map((each) =>
        element(
          "li",
          {},
          element("time", { datetime: each.occurred_at }, stampOf(each.occurred_at)),
          element("span", {}, [`${say("kinds")[each.kind]} ${formatYuan(each.amount_fen)}`, say("reversalStates")[each.status], each.reason, each.asked_by && say("by", each.asked_by)].filter(Boolean).join(" · ")),
        ),
      ),
    );
  }

  receipts() {
    const { say } = this.shell;
    const { donation, receipts, receipt_waived: waived } = this.record;
    if (receipts.length === 0) return element("p", { class: "dim" }, say(waived ? "waived" : "noReceipt"));
    const file = this.shell.has("desk", "finance");
    return facts(
      receipts.map((each) => [
        stampOf(each.issued_at),
        element(
          "span",
          {},
          element("span", { class: "mono" }, each.number),
          ` · ${formatYuan(each.amount_fen)} · ${each.valid ? say("valid") : say("invalid", each.void_reason, each.replaced_by)} `,
          each.valid && each.amount_fen > donation.amount_fen - donation.reversed_fen ? element("b", { class: "warn-text" }, `${say("overstated")} `) : null,
          file ? element("a", { href: `/api/donation/v1/receipts/${each.number}/pdf`, download: `${each.number}.pdf` }, say("pdf")) : null,
        ),
      ]),
    );
  }

  money() {
    const { say } = this.shell;
    const { trace } = this.beside;
    if (trace === null || trace.none) return element("p", { class: "dim" }, say("needsReceipt"));
    if (trace.trouble) return element("p", { class: "dim" }, this.shell.words(trace.trouble));
    if (!trace.stated_at) return element("p", { class: "dim" }, say("notStated"));
    const rows = trace.parts.flatMap((part) => [
      [say("campaign"), part.title],
      [say("spent"), `${formatYuan(part.spent_fen)} (${(Number(part.spent_basis_points) / 100).toFixed(2)}%)`],
      [say("moved"), part.moved_fen > 0n ? formatYuan(part.moved_fen) : null],
      [say("left"), formatYuan(part.left_fen)],
    ]);
    return facts([...rows, [say("statedAt"), stampOf(trace.stated_at)]]);
  }

  bill() {
    const { say } = this.shell;
    const { state, day, breaks } = this.record.reconciliation;
    const level = { matched: "good", open: "alarm" }[state] ?? "";
    return element(
      "p",
      {},
      element("span", { class: "badge", data: { level } }, say("reconciled")[state]),
      day ? ` ${say("billDay", day)}` : "",
      breaks.length > 0 ? element("a", { href: "/reconciliation" }, ` ${breaks.map((each) => `#${each.break_id}`).join(" ")}`) : null,
    );
  }

  thanks() {
    const { say } = this.shell;
    const { thanks } = this.beside;
    if (thanks === null || thanks.none) return element("p", { class: "dim" }, say("noThanks"));
    if (thanks.trouble) return element("p", { class: "dim" }, this.shell.words(thanks.trouble));
    const level = { delivered: "good", failed: "alarm", uncertain: "warn", retry: "warn" }[thanks.state] ?? "";
    return element(
      "p",
      {},
      element("span", { class: "badge", data: { level } }, say("messageStates")[thanks.state] ?? thanks.state),
      ` ${[say("ways")[thanks.way] ?? thanks.way, thanks.contact, stampOf(thanks.changed_at), thanks.reason].filter(Boolean).join(" · ")}`,
    );
  }

  // ---------------------------------------------------------------- naming no more

  /** While the donor is named: the form that ends it. It can't be undone, so it asks twice. */
  writeUnname() {
    const { say } = this.shell;
    const { shown_name: name } = this.record.donation;
    const may = this.shell.has("desk", "finance") && name !== null;
    const told = may ? `${name} ${this.shell.code}` : "";
    if (this.unname.dataset.told === told) return;
    this.unname.dataset.told = told;
    this.unname.replaceChildren();
    if (!may) return;
    const form = new Form(this.shell, {
      name: "unname",
      fields: [
        { name: "reason", title: "unnameReason", required: true, hint: "unnameReasonHint", attributes: { maxlength: "200" } },
        { name: "sure", title: () => say("unnameSure", name), kind: "check" },
      ],
      submit: "unnameDo",
      send: ({ sure, ...values }, key) => {
        if (!sure) throw new Trouble(422, { errors: [{ field: "sure", message: say("unnameSureFirst") }] });
        return this.send("consent/withdraw", values, key);
      },
      done: () => {
        notice(this.shell, say("unnamedNow"));
        this.changed();
      },
    });
    form.button.className = "danger";
    this.unname.append(element("details", { class: "act" }, element("summary", {}, say("unname")), element("p", { class: "dim" }, say("unnameNote", name)), form.node));
  }

  // ---------------------------------------------------------------- taking back

  /** What is not on its way back yet. */
  get remainingFen() {
    const gone = this.record.reversals.filter((each) => each.status !== "refused").reduce((sum, each) => sum + each.amount_fen, 0n);
    return this.record.donation.amount_fen - gone;
  }

  async send(what, values, key) {
    try {
      return await post("donation", `/donations/${this.donationId}/${what}`, values, { key });
    } catch (trouble) {
      if (trouble instanceof Trouble) inWords(this.shell, trouble);
      throw trouble;
    }
  }

  /** The form stays as it is while a person writes in it; it is made anew when what remains has changed. */
  writeReverse() {
    const { say } = this.shell;
    const may = this.shell.has("finance") && this.record.donation.status === "received" && this.remainingFen > 0n;
    const told = may ? `${this.remainingFen} ${this.shell.code}` : "";
    if (this.reverse.dataset.told === told) return;
    this.reverse.dataset.told = told;
    this.reverse.replaceChildren();
    if (!may) return;
    const left = formatYuan(this.remainingFen);
    const form = new Form(this.shell, {
      fields: [
        { name: "kind", title: "kind", kind: "select", required: true, options: () => Object.entries(say("kinds")) },
        { name: "amount_fen", title: "reverseAmount", kind: "money", attributes: { placeholder: say("reverseAmountHint", left) } },
        { name: "reversal_id", title: "channelReversal", hint: "channelReversalHint" },
        { name: "reason", title: "reason", required: true, hint: "reasonHint", attributes: { maxlength: "200" } },
      ],
      submit: "reverseDo",
      send: (values, key) => this.send("reversals", values, key),
      done: ({ body }) => {
        notice(this.shell, say("reversedNow", formatYuan(body.amount_fen)));
        this.changed();
      },
    });
    this.reverse.append(element("details", { class: "act" }, element("summary", {}, say("reverse")), element("p", { class: "dim" }, say("reverseNote")), form.node));
  }
}

/** The service's answers that a person may meet here, in words of the page. */
function inWords(shell, trouble) {
  if (trouble.code === "reversal-too-large") {
    const left = formatYuan(BigInt(trouble.facts.remaining_fen));
    trouble.fields = [{ field: "amount_fen", message: shell.say("tooMuch", left) }];
  } else if (trouble.code === "reversal-known") {
    trouble.fields = [{ field: "reversal_id", message: shell.say("reversalKnown") }];
  } else if (trouble.code === "undo-at-the-desk") {
    trouble.fields = [{ field: "kind", message: shell.say("undoAtDesk") }];
  } else if (trouble.code === "already-withdrawn") {
    trouble.fields = [{ field: "reason", message: shell.say("unnamedBefore") }];
  }
}

const section = (title, node) => element("section", {}, element("h3", {}, title), node);
