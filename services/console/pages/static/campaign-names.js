// Campaigns by their names: ids are what the services speak of, titles are what people know.

import { get, Trouble } from "./api.js";
import { element } from "./dom.js";

const PAGE = 200;
const AGAIN_MS = 60_000;
const LIST = "known-campaigns";

export class CampaignNames {
  /** `changed()` is called when names have come. Without them (a service away, no right) ids are shown. */
  constructor(shell, changed) {
    this.shell = shell;
    this.changed = changed;
    this.known = new Map();
    this.readAt = -Infinity;
    this.list = element("datalist", { id: LIST });
    document.body.append(this.list);
  }

  /** The attributes of a field that proposes campaigns while an id is typed. */
  get attributes() {
    return { list: LIST };
  }

  titleOf(id) {
    const known = this.known.get(id);
    return known ? (this.shell.code === "en" && known.title_en) || known.title : id;
  }

  /** Ask once a minute at most; never stands in the way of the page. */
  async read() {
    if (performance.now() - this.readAt < AGAIN_MS) return;
    this.readAt = performance.now();
    try {
      const { items } = await get("campaign", "/campaigns", { limit: PAGE }, { tries: 0 });
      this.known = new Map(items.map((each) => [each.campaign_id, each]));
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      return;
    }
    this.list.replaceChildren(...[...this.known.keys()].map((id) => element("option", { value: id }, this.titleOf(id))));
    this.changed();
  }
}
