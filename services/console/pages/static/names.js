// What ids are called: ids are what the services speak of, titles are what people know.

import { getAll, Trouble } from "./api.js";
import { element, put } from "./dom.js";

const AGAIN_MS = 60_000;
const titled = (each, code) => (code === "en" && each.title_en) || each.title;
const KINDS = {
  campaigns: { service: "campaign", path: "/campaigns", id: "campaign_id", title: titled },
  channels: { service: "donation", path: "/channels", id: "channel", title: titled },
  organisations: { service: "campaign", path: "/organisations", id: "organisation_id", title: (each, code) => (code === "en" && each.name_en) || each.name },
};

export class Names {
  /** `kind`: campaigns, channels, organisations. `changed()` is called when names have come. Without them (a service
   *  away, no right) ids are shown. */
  constructor(kind, shell, changed = () => {}) {
    this.kind = KINDS[kind];
    this.shell = shell;
    this.changed = changed;
    this.known = new Map();
    this.readAt = -Infinity;
    this.list = element("datalist", { id: `known-${kind}` });
    document.body.append(this.list);
  }

  /** The attributes of a field that proposes ids, each with its title, while one is typed. */
  get attributes() {
    return { list: this.list.id };
  }

  titleOf(id) {
    const known = this.known.get(id);
    return known ? this.kind.title(known, this.shell.code) : id;
  }

  /** With its id, where that is another word. */
  fullOf(id) {
    const title = this.titleOf(id);
    return title === id ? id : `${title} (${id})`;
  }

  /** [[id, title], …] of all that are known. */
  get pairs() {
    return [...this.known.keys()].map((id) => [id, this.titleOf(id)]);
  }

  /** Ask once a minute at most; never stands in the way of the page. */
  async read() {
    if (performance.now() - this.readAt < AGAIN_MS) return;
    this.readAt = performance.now();
    const { service, path, id } = this.kind;
    try {
      const found = await getAll(service, path, {}, { tries: 0 });
      this.known = new Map(found.map((each) => [each[id], each]));
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      return;
    }
    this.list.replaceChildren(...this.pairs.map(([value, title]) => element("option", { value }, title)));
    this.changed();
  }

  /** Have the field `name` of a form, which takes several ids, offer those that are known; below it their titles.
   *  Texts: addTo. */
  offer(form, name) {
    const { input, field, said } = form.inputs.get(name);
    const hint = form.text(field.hint);
    const tell = () => {
      const titles = idsOf(input.value).filter((id) => this.known.has(id)).map((id) => this.titleOf(id));
      put(said, titles.length > 0 ? this.shell.list(titles) : hint);
    };
    field.hint = () => hint;
    const more = element("select", { "aria-label": this.shell.say("addTo") }, element("option", { value: "" }, this.shell.say("addTo")));
    more.append(...[...this.known.keys()].map((id) => element("option", { value: id }, this.fullOf(id))));
    more.hidden = this.known.size === 0;
    more.addEventListener("change", () => {
      input.value = [...new Set([...idsOf(input.value), more.value])].join(", ");
      more.value = "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
    });
    input.addEventListener("input", tell);
    input.after(more);
    tell();
  }
}

/** Ids as they are typed: with commas, spaces or lines between. */
export const idsOf = (text) => text.split(/[\s,，、]+/).filter(Boolean);
