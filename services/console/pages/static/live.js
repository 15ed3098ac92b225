// Asking again and again while the page is in sight, and saying how old what it shows is.

import { at, put } from "./dom.js";
import { Trouble } from "./api.js";

const STALE_ROUNDS = 3;

export class Live {
  /** `ask()` reads and shows; it is asked anew `everyMs` after it has ended, and not while the page is hidden. */
  constructor(shell, everyMs, ask) {
    this.shell = shell;
    this.everyMs = everyMs;
    this.ask = ask;
    this.answeredAt = 0;
    this.running = false;
    this.wanted = false; // a round was asked for while another was under way
    document.addEventListener("visibilitychange", () => this.round());
    setInterval(() => this.sayAge(), 1_000);
    this.round();
  }

  /** Ask now, as after a person has changed something; what is under way may not know of it, and another follows. */
  async round() {
    clearTimeout(this.timer);
    this.wanted = this.running;
    if (this.running || document.hidden) return;
    this.running = true;
    try {
      await this.ask();
      this.answeredAt = Date.now();
      this.shell.alarm(null);
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      this.shell.alarm(trouble);
    } finally {
      this.running = false;
      this.sayAge();
      this.timer = setTimeout(() => this.round(), this.wanted ? 0 : this.everyMs);
    }
  }

  sayAge() {
    const node = at("freshness");
    if (this.answeredAt === 0) {
      node.dataset.state = "connecting";
      put(node, this.shell.say("connecting"));
      return;
    }
    const age = Date.now() - this.answeredAt;
    const stale = age > this.everyMs * STALE_ROUNDS + 1_000;
    node.dataset.state = stale ? "stale" : "live";
    put(node, stale ? this.shell.say("stale", this.shell.duration(age)) : `${this.shell.say("live")} · ${this.shell.say("dataAge", this.shell.duration(age))}`);
  }
}
