// All that the donation service holds of a donor, to be given to them (PIPL art. 45). Each look is written down there.

import { post, save, toJson, Trouble } from "./api.js";
import { element } from "./dom.js";
import { formatYuan } from "./money.js";
import { notice } from "./notice.js";
import { Sheet, facts } from "./sheet.js";
import { dayOf, stampOf } from "./time.js";

/** Show what is known by these donations (`known`: Names of campaigns and of channels); false: what is chosen stays chosen. */
export async function openDonor(shell, rows, known) {
  const { say } = shell;
  try {
    const { body } = await post("donation", "/personal-data/export", { donation_ids: rows.map((row) => row.donation_id) });
    const file = element("button", { type: "button", class: "main", onclick: () => saved(shell, body) }, say("download"));
    const sheet = new Sheet(
      shell,
      say("known", body.donations.length),
      element("p", {}, say("knownHint")),
      element("div", { class: "steps" }, file),
      element("div", { class: "donor-data" }, ...body.donations.map((each) => donationNode(shell, each, known)), elsewhere(shell)),
    );
    sheet.node.classList.add("large");
    sheet.open();
    file.focus();
    shell.alarm(null);
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    shell.alarm(trouble);
  }
  return false;
}

function saved(shell, body) {
  const text = JSON.stringify(JSON.parse(toJson(body)), null, 2);
  const name = `personal-data-${dayOf(body.made_at)}.json`;
  save(new Blob([text, "\n"], { type: "application/json" }), name);
  notice(shell, shell.say("downloaded", name));
}

function donationNode(shell, each, { names, channels }) {
  const { say } = shell;
  const { contact } = each;
  const mono = (text) => element("span", { class: "mono" }, text);
  return element(
    "section",
    {},
    element("h3", {}, `${stampOf(each.occurred_at)} · ¥${formatYuan(each.amount_fen)}`),
    facts([
      [say("erasedAt"), each.erased_at && stampOf(each.erased_at)],
      [say("donor"), [each.donor_name, say("donorKinds")[each.donor_kind] ?? each.donor_kind].filter(Boolean).join(" · ")],
      [say("alias"), each.donor_alias],
      [say("display"), say("displays")[each.display]],
      [say("unnamedAt"), each.consent_withdrawn_at && stampOf(each.consent_withdrawn_at)],
      [say("fields").phone, contact?.phone],
      [say("fields").email, contact?.email],
      [say("fields").wechat_openid, contact?.wechat_openid && mono([contact.wechat_openid, contact.wechat_app_id].filter(Boolean).join(" · "))],
      [say("message"), each.message],
      [say("deskNote"), each.desk_note],
      [say("receipts"), each.receipts.length > 0 ? element("ul", {}, ...each.receipts.map((receipt) => element("li", {}, receiptText(shell, receipt)))) : null],
      [say("campaign"), names.titleOf(each.campaign_id)],
      [say("channel"), channels.titleOf(each.channel)],
      [say("transaction"), mono(each.transaction_id)],
      [say("donationId"), mono(each.donation_id)],
    ]),
  );
}

function receiptText({ say }, receipt) {
  const kept = receipt.restricted_until ? say("keptUntil", receipt.restricted_until) : null;
  return [receipt.number, receipt.donor_name, `¥${formatYuan(receipt.amount_fen)}`, stampOf(receipt.issued_at), receipt.valid ? null : say("void"), kept].filter(Boolean).join(" · ");
}

function elsewhere({ say }) {
  return element("section", {}, element("h3", {}, say("elsewhereTitle")), element("ul", {}, ...say("elsewhere").map((each) => element("li", {}, each))));
}
