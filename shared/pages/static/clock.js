// Times are UTC on the wire and Asia/Shanghai on every page, wherever the page is open.

const ZONE = "Asia/Shanghai";
const formats = {
  time: new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }),
  minute: new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  zh: new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, year: "numeric", month: "long", day: "numeric", weekday: "short" }),
  en: new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, year: "numeric", month: "long", day: "numeric", weekday: "short" }),
};

const valid = (date) => !Number.isNaN(date.getTime());

export const timeOf = (iso) => (valid(new Date(iso)) ? formats.time.format(new Date(iso)) : "");
export const minuteOf = (iso) => (valid(new Date(iso)) ? formats.minute.format(new Date(iso)) : "");
export const dateOf = (iso, language) => (valid(new Date(iso)) ? formats[language].format(new Date(iso)) : "");

/** The server's time, carried on between its heartbeats: a hall player's own clock may be wrong by hours. */
export class ServerClock {
  constructor() {
    this.offsetMs = null;
  }

  /** `iso`: the server's "now" in a frame that has just arrived. */
  hear(iso) {
    const at = Date.parse(iso);
    if (!Number.isNaN(at)) this.offsetMs = at - performance.now();
  }

  /** ISO time of now by the server, or by this machine before the first heartbeat. */
  now() {
    return new Date(this.offsetMs === null ? Date.now() : this.offsetMs + performance.now()).toISOString();
  }
}
