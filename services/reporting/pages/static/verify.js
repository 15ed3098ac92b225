// The page where a photographed number is checked. The browser makes the digest anew from the claim: whoever
// does not trust the server's word has their own.

import { Language } from "./language.js";
import { dateOf, timeOf } from "./clock.js";
import { PUBLIC_TEXTS } from "./texts.js";

const TEXTS = {
  zh: {
    ...PUBLIC_TEXTS.zh,
    title: "核对数字",
    lead: "屏幕小字里的摘要，能说明它数了哪些捐款。前八位即可，大小写与空格不限。",
    campaign: "募捐活动",
    digest: "摘要",
    check: "核对",
    unknown: "没有找到：此活动没有显示过这个摘要，或已超过保存期（全部保存七天，之后每分钟一条）。",
    ambiguous: "有两个摘要这样开头，请再多输几位。",
    unreadable: "这不是摘要：请输入至少八位，只含数字 0–9 与字母 a–f。",
    shown: "这个数字确曾显示",
    broken: "摘要与数额不符，请告知慈善会",
    asOf: "时间",
    donations: "计入捐款",
    donationsUnit: "笔",
    received: "已到账",
    reversed: "退回",
    promised: "认捐（承诺，未计入）",
    disbursed: "已拨付",
    version: "版本",
    code: "短码",
    recomputed: "服务器由这些数额与位置重新计算，摘要相同。",
    here: "本机浏览器也重新计算了一遍，摘要相同。",
    positions: "数到哪里：每个来源的最后一条",
    source: "来源",
    position: "位置",
  },
  en: {
    ...PUBLIC_TEXTS.en,
    title: "Check a number",
    lead: "The digest in a screen's small type says which donations it counted. Eight digits are enough; case and spaces don't count.",
    campaign: "Campaign",
    digest: "Digest",
    check: "Check",
    unknown: "Not found: this campaign has shown no such digest, or it is not kept any more (all for seven days, then one a minute).",
    ambiguous: "Two digests begin like this. Type some more of it.",
    unreadable: "That is no digest: type eight characters at least, digits 0–9 and letters a–f.",
    shown: "This number was shown",
    broken: "The digest is not that of these amounts: please tell the federation",
    asOf: "When",
    donations: "Donations counted",
    donationsUnit: "",
    received: "Received",
    reversed: "Given back",
    promised: "Promised (not counted in)",
    disbursed: "Disbursed",
    version: "Version",
    code: "Short code",
    recomputed: "Made anew by the server from these amounts and positions, the digest is the same.",
    here: "This browser has made it anew as well: the digest is the same.",
    positions: "How far it counted: the last of each source",
    source: "Source",
    position: "Position",
  },
};

const language = new Language(TEXTS, write);

function write() {
  for (const time of document.querySelectorAll("time")) {
    time.textContent = `${dateOf(time.dateTime, language.code)} ${timeOf(time.dateTime)}`;
  }
  document.title = `${language.say("title")} · ${language.code === "en" ? "Shanliu" : "善流"}`;
}

/** Only where the page came over TLS, or from this machine, do browsers give us SHA-256. */
async function recompute(found) {
  if (!globalThis.crypto?.subtle) return;
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(found.dataset.claim));
  const digest = [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const here = document.getElementById("here");
  if (here !== null) here.hidden = digest !== found.dataset.digest;
}

write();
const found = document.querySelector(".found");
if (found !== null) recompute(found);
