// Chinese first unless the page's data-language says otherwise; English by `?lang=en`, the switch on the page, or the key "l". Texts that carry no data are
// marked in the templates with data-text="key", those the server has in both languages have data-zh and data-en; everything
// from outside is set with textContent. Links and forms marked data-keep-language lead to pages in the same language.

export class Language {
  /** `words`: {zh: {key: text}, en: …}. Reads `?lang=`; `onChange` runs after each switch. */
  constructor(words, onChange = () => {}) {
    this.words = words;
    this.onChange = onChange;
    const asked = new URLSearchParams(location.search).get("lang") ?? document.body.dataset.language;
    this.code = asked === "en" ? "en" : "zh";
    document.addEventListener("keydown", (event) => {
      if (event.key === "l" && !event.ctrlKey && !event.metaKey && event.target.tagName !== "INPUT") this.toggle();
    });
    for (const link of document.querySelectorAll("[data-switch]")) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.toggle();
      });
    }
    this.apply();
  }

  /** The text of `key`; those with data in them are functions. */
  say(key, ...data) {
    const text = this.words[this.code][key];
    return typeof text === "function" ? text(...data) : text;
  }

  toggle() {
    this.code = this.code === "zh" ? "en" : "zh";
    const address = new URL(location.href);
    if (this.code !== (document.body.dataset.language ?? "zh")) address.searchParams.set("lang", this.code);
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
    for (const element of document.querySelectorAll("[data-zh]")) element.textContent = element.dataset[this.code];
    for (const link of document.querySelectorAll("[data-switch]")) {
      link.textContent = this.say("switchTo");
      link.lang = this.say("switchToLang");
    }
    for (const link of document.querySelectorAll("a[data-keep-language]")) {
      const address = new URL(link.href);
      if (this.code === "en") address.searchParams.set("lang", "en");
      else address.searchParams.delete("lang");
      link.href = address.href;
    }
    for (const form of document.querySelectorAll("form[data-keep-language]")) form.elements.lang.disabled = this.code !== "en";
  }
}
