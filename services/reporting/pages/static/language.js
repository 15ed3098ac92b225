// Chinese first, English by `?lang=en`, the switch on the page, or the key "l". Texts that carry no data are
// marked in the templates with data-text="key"; everything from outside is set with textContent.

const TEXTS = {
  zh: {
    // screen
    raised: "已募得善款",
    yuan: "元",
    goal: "募捐目标",
    reached: "已达成目标",
    ofGoal: (percent) => `完成 ${percent}%`,
    promised: "认捐",
    promisedNote: "承诺，未计入善款",
    received: "已到账",
    receivedNote: (count) => `已计入善款 · ${count} 笔`,
    disbursed: "已拨付",
    disbursedNote: "已从善款中支出",
    reversedNote: (amount) => `已扣除退款、撤销 ${amount} 元`,
    stepBack: (amount, time) => `${time} 按退款或撤销更正 −${amount} 元`,
    donors: "爱心榜 · 最新捐赠",
    donorsShort: "最新捐赠",
    noDonors: "静候第一份爱心",
    kindHeart: "爱心人士",
    kindCompany: "爱心企业",
    organisation: "募捐组织",
    licence: "公开募捐资格证书",
    filing: "备案编号",
    filingLate: "应急募捐 · 依法十日内补办备案",
    filingNone: "未备案",
    contact: "联系方式",
    query: "查询方式",
    live: "实时",
    confirming: "正在确认",
    connecting: "正在连接",
    asOf: (time) => `数字截至 ${time}`,
    upcoming: "募捐即将开始",
    paused: "募捐活动已暂停 · 暂不接受捐赠",
    closed: "募捐已圆满结束 · 感谢每一份善意",
    waiting: "正在等待活动资料",
    proof: (version, digest, asOf) => `版本 ${version} · 摘要 ${digest} · 截至 ${asOf}`,
    proofReversed: (amount) => `退款、撤销 ${amount} 元`,
    switchTo: "English",
    switchToLang: "en",
    titleSuffix: "善流",
    // list of campaigns
    campaigns: "募捐活动",
    campaignsLead: "每一笔善款，实时可见，分毫可查。",
    openScreen: "打开大屏",
    noCampaigns: "还没有募捐活动",
    noCampaignsHint: "活动备案后会自动出现在这里。",
    operations: "运营台",
    indexFailed: "暂时读不到活动列表，正在重试",
    statusFiled: "已备案",
    statusLaunched: "募捐中",
    statusPaused: "已暂停",
    statusClosed: "已结束",
    statusUnknown: "筹备中",
    promisedShort: "认捐",
    receivedShort: "已到账",
    disbursedShort: "已拨付",
  },
  en: {
    raised: "Funds raised",
    yuan: "CNY",
    goal: "Goal",
    reached: "Goal reached",
    ofGoal: (percent) => `${percent}% of goal`,
    promised: "Promised",
    promisedNote: "Pledged, not counted above",
    received: "Received",
    receivedNote: (count) => `The amount raised · ${count} gifts`,
    disbursed: "Disbursed",
    disbursedNote: "Spent from the funds",
    reversedNote: (amount) => `Net of ${amount} CNY reversed`,
    stepBack: (amount, time) => `${time} corrected by a reversal of ${amount} CNY`,
    donors: "Latest donations",
    donorsShort: "Latest donations",
    noDonors: "Awaiting the first donation",
    kindHeart: "A kind heart",
    kindCompany: "A caring company",
    organisation: "Organised by",
    licence: "Fundraising licence",
    filing: "Filing number",
    filingLate: "Emergency appeal · filing within ten days by law",
    filingNone: "Not filed",
    contact: "Contact",
    query: "Verify at",
    live: "Live",
    confirming: "Confirming",
    connecting: "Connecting",
    asOf: (time) => `As of ${time}`,
    upcoming: "The campaign opens soon",
    paused: "The campaign is paused · no donations are taken",
    closed: "The campaign has closed · thank you for every gift",
    waiting: "Waiting for the campaign",
    proof: (version, digest, asOf) => `Version ${version} · digest ${digest} · as of ${asOf}`,
    proofReversed: (amount) => `reversed ${amount} CNY`,
    switchTo: "中文",
    switchToLang: "zh-CN",
    titleSuffix: "Shanliu",
    campaigns: "Campaigns",
    campaignsLead: "Every gift, live, accounted for to the fen.",
    openScreen: "Open the screen",
    noCampaigns: "No campaigns yet",
    noCampaignsHint: "A campaign appears here as soon as it has been filed.",
    operations: "Operations",
    indexFailed: "The list cannot be read right now, trying again",
    statusFiled: "Filed",
    statusLaunched: "Open",
    statusPaused: "Paused",
    statusClosed: "Closed",
    statusUnknown: "In preparation",
    promisedShort: "Promised",
    receivedShort: "Received",
    disbursedShort: "Disbursed",
  },
};

export class Language {
  /** Reads `?lang=`; `onChange` runs after each switch. */
  constructor(onChange = () => {}) {
    this.onChange = onChange;
    this.code = new URLSearchParams(location.search).get("lang") === "en" ? "en" : "zh";
    document.addEventListener("keydown", (event) => {
      if (event.key === "l" && !event.ctrlKey && !event.metaKey && !event.target.closest("input")) this.toggle();
    });
    for (const link of document.querySelectorAll("[data-switch]")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.toggle();
      });
    }
    this.apply();
  }

  get texts() {
    return TEXTS[this.code];
  }

  /** The text of `key`; those with data in them are functions. */
  say(key, ...data) {
    const text = this.texts[key];
    return typeof text === "function" ? text(...data) : text;
  }

  toggle() {
    this.code = this.code === "zh" ? "en" : "zh";
    const address = new URL(location.href);
    if (this.code === "en") address.searchParams.set("lang", "en");
    else address.searchParams.delete("lang");
    history.replaceState(null, "", address);
    this.apply();
    this.onChange();
  }

  apply() {
    document.documentElement.lang = this.code === "zh" ? "zh-CN" : "en";
    for (const element of document.querySelectorAll("[data-text]")) {
      element.textContent = this.say(element.dataset.text);
    }
    for (const link of document.querySelectorAll("[data-switch]")) {
      link.textContent = this.say("switchTo");
      link.lang = this.say("switchToLang");
    }
  }
}
