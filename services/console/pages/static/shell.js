// What every page has: words in two languages, dark and light, the keys, who is signed in, troubles in words.

import { whenSignedOut } from "./api.js";
import { at, element, put } from "./dom.js";
import { Keys } from "./keys.js";
import { chooseOwnPassword } from "./own-password.js";
import { signInAgain } from "./session.js";
import { problemInChinese, ruleInChinese } from "./texts/problems.js";
import { SHELL_TEXTS } from "./texts/shell.js";

const YEAR_S = 31_536_000;

const told = JSON.parse(document.querySelector('meta[name="told"]')?.content ?? "null");
const remember = (name, value) => {
  document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=strict`;
};

export class Shell {
  /** `texts`: {zh, en} of the page. `render` runs once the page's module has, and after each switch of the
   *  language. */
  constructor(texts, render = () => {}) {
    this.texts = { zh: { ...SHELL_TEXTS.zh, ...texts.zh }, en: { ...SHELL_TEXTS.en, ...texts.en } };
    this.render = render;
    this.code = document.documentElement.lang === "en" ? "en" : "zh";
    this.me = told;
    this.say = this.say.bind(this);
    this.keys = new Keys(this);
    at("language")?.addEventListener("click", () => this.toggleLanguage());
    at("theme")?.addEventListener("click", () => this.toggleTheme());
    at("help")?.addEventListener("click", () => this.keys.help());
    if (told?.way === "password" && at("own")) {
      at("own").hidden = false;
      at("own").firstElementChild.addEventListener("click", () => chooseOwnPassword(this));
    }
    this.keys.on("l", "keyLanguage", () => this.toggleLanguage());
    this.keys.on("D", "keyTheme", () => this.toggleTheme());
    for (const page of told?.pages ?? []) {
      this.keys.on(`g ${page.key}`, () => this.say("keyGo", page[this.code]), () => location.assign(page.path));
    }
    whenSignedOut(() => signInAgain(this.say, () => document.dispatchEvent(new Event("visibilitychange"))));
    this.writeWords();
    // On a telephone the ways lie in one line: the page that is shown is in sight.
    at("ways")?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    queueMicrotask(() => this.render());
  }

  /** The text of `key`: say("rows", 5). Lists of words: say("roles").finance. */
  say(key, ...data) {
    const text = this.texts[this.code][key];
    return typeof text === "function" ? text(...data) : text;
  }

  /** Words one after the other, as this language does it. */
  list(words) {
    return words.join(this.code === "zh" ? "、" : ", ");
  }

  /** Has the person this role, anywhere? Only for hiding: the service decides. */
  has(...roles) {
    const held = [...told.roles, ...Object.values(told.grants).flat()];
    return [...roles, "administrator"].some((role) => held.includes(role));
  }

  toggleLanguage() {
    this.code = this.code === "zh" ? "en" : "zh";
    remember("shanliu_language", this.code);
    const address = new URL(location.href);
    if (address.searchParams.has("lang")) {
      address.searchParams.delete("lang");
      history.replaceState(history.state, "", address);
    }
    this.apply();
  }

  toggleTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    document.querySelector('meta[name="color-scheme"]').content = root.dataset.theme;
    remember("shanliu_theme", root.dataset.theme);
  }

  apply() {
    this.writeWords();
    this.render();
  }

  writeWords() {
    document.documentElement.lang = this.code === "zh" ? "zh-CN" : "en";
    for (const node of document.querySelectorAll("[data-text]")) {
      const { text, value } = node.dataset;
      put(node, value === undefined ? this.say(text) : this.say(text, value));
    }
    for (const node of document.querySelectorAll("[data-zh]")) put(node, node.dataset[this.code]);
    const language = at("language");
    if (language) {
      put(language, this.say("switchTo"));
      language.lang = this.code === "zh" ? "en" : "zh-CN";
    }
    if (at("me-roles")) put(at("me-roles"), this.rolesInWords());
    const title = told?.pages.find((page) => page.path === location.pathname);
    if (title) document.title = `${title[this.code]} · 善流`;
  }

  rolesInWords() {
    const words = (roles) => this.list(roles.map((role) => this.say("roles")[role] ?? role));
    const parts = told.roles.length > 0 ? [`${words(told.roles)} (${this.say("everywhere")})`] : [];
    for (const [place, roles] of Object.entries(told.grants)) parts.push(`${words(roles)} (${place})`);
    return parts.join(" · ");
  }

  /** A trouble (api.js) in words of this language: what it is and what to do. */
  words(trouble) {
    if (trouble.code === "service-away" || trouble.code === "service-silent") {
      return this.say("serviceAway", this.say("services")[trouble.service] ?? trouble.service);
    }
    if (trouble.status === 0) return this.say("offline");
    if (trouble.status === 401) return this.say("signedOut");
    if (trouble.code === "role-missing") return this.forbidden(trouble);
    if (trouble.code === "version-changed") return this.say("changed");
    // A page may have put better words in place of the service's.
    const own = trouble.detail !== (trouble.facts.detail ?? "");
    const known = this.code === "zh" && !own ? problemInChinese(trouble.code) : null;
    if (known) return known;
    if (trouble.status >= 500 && !trouble.detail) return this.say("mistake");
    return this.rule(trouble.detail || trouble.title);
  }

  /** Which roles it needs; and where this person's are, when they are not good for all organisations. */
  forbidden({ detail }) {
    const needed = Object.entries(this.say("roles")).filter(([role]) => detail.includes(role));
    const places = told.roles.length > 0 ? [] : Object.keys(told.grants);
    return this.say("forbidden", this.list(needed.map(([, name]) => name)), this.list(places));
  }

  /** What a trouble says of one field: the rule, or the whole refusal where it is about that field. */
  wordsAt(trouble, message) {
    const known = this.code === "zh" && !/[\u4e00-\u9fff]/.test(message) ? problemInChinese(trouble.code) : null;
    return known ?? this.rule(message);
  }

  /** A rule that a service says was broken, in this language. */
  rule(said) {
    return this.code === "zh" ? ruleInChinese(said) : said;
  }

  /** Show what stands in the way above the page; null takes it away. */
  alarm(trouble) {
    at("alerts").replaceChildren(...(trouble ? [element("p", {}, this.words(trouble))] : []));
  }

  /** "12 秒", "3 分" … */
  duration(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 90) return this.say("seconds", s);
    if (s < 5_400) return this.say("minutes", Math.floor(s / 60));
    if (s < 172_800) return this.say("hours", Math.floor(s / 3_600));
    return this.say("days", Math.floor(s / 86_400));
  }
}
