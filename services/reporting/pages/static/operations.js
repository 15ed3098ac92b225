// The operations page: asks /v1/operations each second and writes the answer into nodes that stay.

import { minuteOf, timeOf } from "./clock.js";
import { parseExact } from "./frames.js";
import { Language } from "./language.js";
import { formatPlain, formatShort, formatYuan, permille } from "./money.js";
import { OPERATIONS_TEXTS } from "./operations-texts.js";
import { Sparkline, perMinute } from "./sparkline.js";

const ASK_MS = 1_000;
const ASK_HIDDEN_MS = 5_000;
const ANSWER_MS = 4_000;
const MINUTES_EVERY = 5; // rounds
const STALE_MS = 5_000;
// Records that wait: a service reads thousands a second, so a few hundred are a moment, these are a delay.
const LAG_WARN = 1_000;
const LAG_ALARM = 20_000;
const STREAMS_WARN_SHARE = 0.9;
const INTAKE = "intake.";
const WORKER = "donation-worker";

const at = (id) => document.getElementById(id);
const language = new Language(OPERATIONS_TEXTS, render);
const say = (key, ...data) => language.say(key, ...data);
const spark = new Sparkline(at("spark"));

let view = null; // the last answer
let answeredAt = 0;
let trouble = null; // {key, data} of what went wrong since
let minutes = null; // {campaign, rows} | {campaign, failed}
let chosen = new URLSearchParams(location.search).get("campaign");

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make `parent` have one child per item: nodes are reused, so that an evening adds none. */
function fill(parent, items, make, write) {
  while (parent.children.length < items.length) parent.append(make());
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  items.forEach((item, i) => write(parent.children[i], item));
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

const makeRow = (classes) => () => element("tr", "", ...classes.map((name) => element("td", name)));
const writeRow = (texts) => (row, item) => texts(item).forEach((text, i) => put(row.children[i], text));
const number = (count) => count.toLocaleString("en-US");
const named = (prefix, code) => say(`${prefix}-${code}`) ?? code;
const sum = (items, key) => items.reduce((total, item) => total + item[key], 0);

// ------------------------------------------------------------------ asking

async function ask(address) {
  const response = await fetch(address, {
    cache: "no-store",
    credentials: "same-origin",
    signal: AbortSignal.timeout ? AbortSignal.timeout(ANSWER_MS) : undefined,
  });
  const body = await response.text();
  if (response.ok) return parseExact(body);
  throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status, detail: detailOf(body) });
}

function detailOf(body) {
  try {
    return String(JSON.parse(body).detail ?? "");
  } catch {
    return "";
  }
}

function troubleOf(error) {
  if (error.status === 401) return { key: "signIn", data: [] };
  if (error.status === 403) return { key: "roleMissing", data: [] };
  if (error.status) return { key: "refused", data: [error.detail || error.message] };
  return { key: "unreachable", data: [view === null ? "—" : timeOf(view.as_of)] };
}

async function round(count) {
  try {
    view = await ask("/v1/operations");
    answeredAt = Date.now();
    trouble = null;
  } catch (error) {
    trouble = troubleOf(error);
    if (error.status === 401) location.assign("/login");
  }
  if (view !== null && count % MINUTES_EVERY === 0) await askMinutes();
  render();
  setTimeout(() => round(count + 1), document.hidden ? ASK_HIDDEN_MS : ASK_MS);
}

async function askMinutes() {
  const campaign = chosenCampaign();
  if (campaign === undefined || campaign.title === null) {
    minutes = null;
    return;
  }
  const id = campaign.campaign_id;
  try {
    const answer = await ask(`/v1/campaigns/${encodeURIComponent(id)}/minutes`);
    minutes = { campaign: id, rows: answer.minutes };
  } catch {
    minutes = { campaign: id, failed: true, rows: [] };
  }
}

const chosenCampaign = () =>
  view.campaigns.find((campaign) => campaign.campaign_id === chosen) ?? view.campaigns[0];

function choose(id) {
  chosen = id;
  const address = new URL(location.href);
  address.searchParams.set("campaign", id);
  history.replaceState(null, "", address);
  askMinutes().then(render);
}

// ------------------------------------------------------------------ writing

function render() {
  document.title = `${say("title")} · 善流`;
  const fresh = view !== null && trouble === null && Date.now() - answeredAt < STALE_MS;
  document.body.dataset.state = fresh ? "live" : view === null && trouble === null ? "connecting" : "stale";
  put(at("state"), say(document.body.dataset.state));
  renderAlerts();
  if (view === null) return;
  put(at("as_of"), say("asOf", timeOf(view.as_of)));
  renderFigures();
  renderSpark();
  renderCampaigns();
  renderChannels();
  renderLetters();
  renderServices();
}

function renderAlerts() {
  const alerts = [];
  if (trouble !== null) alerts.push({ level: "alarm", text: say(trouble.key, ...trouble.data) });
  else if (view !== null) {
    if (view.lag_error !== null) alerts.push({ level: "warn", text: say("lagUnknown", view.lag_error) });
    if (!view.listening) alerts.push({ level: "warn", text: say("notListening") });
  }
  fill(at("alerts"), alerts, () => element("p", ""), (line, alert) => {
    line.className = alert.level;
    put(line, alert.text);
  });
}

function figure(name, level, value, hint) {
  at(`figure-${name}`).dataset.level = level;
  put(at(name), value);
  put(at(`${name}-hint`), hint);
}

/** A count that should be none. */
function doubt(name, count, level = "warn") {
  figure(name, count > 0 ? level : "good", number(count), say(count > 0 ? `${name}Bad` : `${name}Ok`));
}

function renderFigures() {
  const paces = [1, 5, 15].map((over) =>
    view.campaigns.flatMap((campaign) => campaign.pace).filter((pace) => pace.over_minutes === over),
  );
  const [one, five, fifteen] = paces.map((entries) => number(Math.round(sum(entries, "donations_per_minute") * 10) / 10));
  figure("pace", "plain", one, say("paceHint", five, fifteen));
  const age = view.newest_age_s;
  figure("newest", "plain", age === null ? say("newestNone") : say("ago", duration(age)), say("newestHint"));
  const waiting = sum(view.lag, "records");
  const lagLevel = waiting >= LAG_ALARM ? "alarm" : waiting >= LAG_WARN ? "warn" : "good";
  const known = view.lag_error === null;
  figure("lag", known ? lagLevel : "unknown", number(waiting), say(waiting >= LAG_WARN ? "lagBad" : "lagOk"));
  if (!known) put(at("lag-hint"), say(view.lag.length > 0 ? "lagOld" : "noLag"));
  doubt("held", view.held_open);
  doubt("conflicts", view.conflicts);
  doubt("letters", view.dead_letters.count);
  if (view.gaps_open > 0) figure("gaps", "alarm", number(view.gaps_open), say("gapsBad"));
  else figure("gaps", "good", "0", say("gapsOk", view.out_of_order));
  const full = view.streams_open >= view.max_streams * STREAMS_WARN_SHARE;
  figure("streams", full ? "warn" : "plain", number(view.streams_open), say("streamsHint", number(view.max_streams)));
}

function duration(seconds) {
  if (seconds < 90) return say("seconds", Math.floor(seconds));
  if (seconds < 5400) return say("minutes", Math.floor(seconds / 60));
  return say("hours", Math.floor(seconds / 3600));
}

const titleOf = (campaign) =>
  (language.code === "en" && campaign.title_en) || campaign.title || `${say("unknownCampaign")} ${campaign.campaign_id}`;

function renderSpark() {
  const campaign = chosenCampaign();
  put(at("spark-title"), say("perMinute", campaign === undefined ? "—" : titleOf(campaign)));
  const mine = campaign !== undefined && minutes?.campaign === campaign.campaign_id ? minutes : { rows: [] };
  const counts = perMinute(mine.rows, Date.parse(view.as_of));
  const peak = Math.max(...counts);
  spark.draw(counts);
  const when = Date.parse(view.as_of) - (counts.length - 1 - counts.lastIndexOf(peak)) * 60_000;
  put(at("spark-peak"), peak > 0 ? say("sparkPeak", number(peak), minuteOf(new Date(when).toISOString())) : "");
  at("spark-empty").hidden = peak > 0;
  put(at("spark-empty"), say(mine.failed ? "sparkFailed" : "sparkEmpty"));
}

function makeCampaign() {
  const button = element("button", "choose");
  button.type = "button";
  button.addEventListener("click", () => choose(button.dataset.campaign));
  const facts = ["received", "promised", "disbursed"].map((name) =>
    element("div", name, element("dt", ""), element("dd", "")),
  );
  const head = element("p", "campaign-head", button, element("span", "status"), element("a", "to-screen"));
  const bar = element("div", "bar", element("div", "bar-fill"));
  return element("li", "campaign", head, bar, element("dl", "facts", ...facts), element("p", "doubts"));
}

function writeCampaign(item, campaign) {
  const [head, bar, facts, doubts] = item.children;
  const [button, status, link] = head.children;
  item.dataset.status = campaign.status ?? "unknown";
  button.dataset.campaign = campaign.campaign_id;
  button.setAttribute("aria-pressed", String(campaign === chosenCampaign()));
  put(button, titleOf(campaign));
  put(status, statusText(campaign.status));
  link.hidden = campaign.title === null;
  link.href = `/screens/${encodeURIComponent(campaign.campaign_id)}${language.code === "en" ? "?lang=en" : ""}`;
  put(link, say("openScreen"));
  const goal = campaign.goal_fen ?? 0n;
  bar.hidden = goal <= 0n;
  bar.style.setProperty("--share", String(Math.min(1000, permille(campaign.net_fen, goal)) / 1000));
  const amounts = [campaign.net_fen, campaign.promised_fen, campaign.disbursed_fen];
  ["received", "promised", "disbursed"].forEach((name, i) => {
    const [term, value] = facts.children[i].children;
    put(term, say(name));
    put(value, amounts[i] === null ? "—" : i === 0 ? formatYuan(amounts[i]) : formatShort(amounts[i], language.code));
  });
  put(doubts, doubtsOf(campaign));
}

function statusText(status) {
  if (status === null) return say("unknownCampaign");
  return say("status" + status[0].toUpperCase() + status.slice(1)) ?? status;
}

function doubtsOf(campaign) {
  const texts = [`${say("donations")} ${number(campaign.donations)}`];
  if (campaign.reversed_fen > 0n) texts.push(`${say("reversed")} ${formatPlain(campaign.reversed_fen)} ${say("yuan")}`);
  if (campaign.held_open > 0) {
    texts.push(`${say("held")} ${number(campaign.held_open)} (${formatPlain(campaign.held_open_fen)} ${say("yuan")})`);
  }
  if (campaign.conflicts > 0) texts.push(`${say("conflicts")} ${number(campaign.conflicts)}`);
  const left = campaign.filing_days_left;
  if (left !== null) texts.push(left < 0 ? say("filingLate", -left) : say("filingLeft", left));
  return texts.join(" · ");
}

function renderCampaigns() {
  at("campaigns-empty").hidden = view.campaigns.length > 0;
  fill(at("campaigns"), view.campaigns, makeCampaign, writeCampaign);
}

/** One line per channel over all campaigns, with what waits in its topic. */
function channelsOf() {
  const lines = new Map();
  const line = (channel) => {
    if (!lines.has(channel)) lines.set(channel, { channel, waiting: 0, donations: 0, net_fen: 0n, held: 0, conflicts: 0 });
    return lines.get(channel);
  };
  for (const entry of view.campaigns.flatMap((campaign) => campaign.channels)) {
    const total = line(entry.channel);
    total.donations += entry.donations;
    total.net_fen += entry.received_fen - entry.reversed_fen;
    total.held += entry.held_open;
    total.conflicts += entry.conflicts;
  }
  for (const entry of view.lag) {
    if (entry.group === WORKER && entry.topic.startsWith(INTAKE)) line(entry.topic.slice(INTAKE.length)).waiting += entry.records;
  }
  return [...lines.values()].sort((a, b) => b.donations - a.donations || (a.channel < b.channel ? -1 : 1));
}

function renderChannels() {
  const channels = channelsOf();
  at("channels-empty").hidden = channels.length > 0;
  const texts = writeRow((line) => [
    named("channel", line.channel),
    number(line.waiting),
    number(line.donations),
    formatYuan(line.net_fen),
    number(line.held),
    number(line.conflicts),
  ]);
  fill(at("channels"), channels, makeRow(["", "n", "n", "n", "n", "n"]), (row, line) => {
    texts(row, line);
    row.children[1].dataset.level = line.waiting >= LAG_ALARM ? "alarm" : line.waiting >= LAG_WARN ? "warn" : "";
    row.children[4].dataset.level = line.held > 0 ? "warn" : "";
    row.children[5].dataset.level = line.conflicts > 0 ? "warn" : "";
  });
}

function renderLetters() {
  const letters = view.dead_letters;
  at("letters-empty").hidden = letters.count > 0;
  fill(
    at("letter-counts"),
    letters.counts,
    () => element("li", ""),
    (item, entry) => put(item, `${named("reason", entry.reason)} · ${entry.topic} · ${number(entry.count)}`),
  );
  fill(
    at("letters-rows"),
    letters.newest,
    makeRow(["", "detail", "place"]),
    writeRow((letter) => [
      timeOf(letter.at),
      `${named("reason", letter.reason)} — ${letter.detail}`,
      `${letter.topic}/${letter.partition}:${letter.offset}`,
    ]),
  );
}

function renderServices() {
  at("services-empty").hidden = view.lag.length > 0;
  fill(at("services"), view.lag, makeRow(["", "place", "n"]), (row, entry) => {
    writeRow(() => [named("group", entry.group), entry.topic, number(entry.records)])(row, entry);
    row.children[2].dataset.level = entry.records >= LAG_ALARM ? "alarm" : entry.records >= LAG_WARN ? "warn" : "";
  });
  const open = view.gaps.filter((gap) => gap.open);
  at("gaps-panel").hidden = open.length === 0;
  fill(
    at("gaps-rows"),
    open,
    () => element("li", ""),
    (item, gap) => put(item, `${gap.source} · ${gap.mark} → ${gap.awaited_sequence} · ${timeOf(gap.first_seen_at)}`),
  );
}

setInterval(render, ASK_MS); // a stalled answer must not look live
round(0);
