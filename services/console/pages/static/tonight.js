// The page of the evening: everything that may need a hand, from the reporting service, and how the services are.

import { get, Trouble } from "./api.js";
import { minuteOf, timeOf } from "./clock.js";
import { at, element, fill, put } from "./dom.js";
import { Live } from "./live.js";
import { formatPlain, formatShort, formatYuan, permille } from "./money.js";
import { Names } from "./names.js";
import { Shell } from "./shell.js";
import { Sparkline, perMinute } from "./sparkline.js";
import { TONIGHT_TEXTS } from "./texts/tonight.js";

const ASK_MS = 2_000;
const SLOW_ROUNDS = 3; // minutes, plans and health are asked each so many rounds
// Records that wait: a service reads thousands a second, so a few hundred are a moment, these are a delay.
const LAG_WARN = 1_000;
const LAG_ALARM = 20_000;
const STREAMS_WARN_SHARE = 0.9;
const INTAKE = "intake.";
const MANY = 100;
const WORKER = "donation-worker";
const HOUR_MINUTES = 60n;

const shell = new Shell(TONIGHT_TEXTS, () => render());
const { say } = shell;
const spark = new Sparkline(at("spark"));
const registered = new Names("channels", shell, () => render());

let view = null; // the last answer of the reporting service
let health = null; // how the services are
let plans = new Map(); // campaign → its summary, with its window
let waiting = { conflicts: null, letters: null }; // how many nobody has dealt with yet; null: not known
let minutes = null; // {campaign, rows} | {campaign, failed}
let rounds = 0;
let chosen = new URLSearchParams(location.search).get("campaign");

const makeRow = (classes) => () => element("tr", {}, ...classes.map((name) => element("td", { class: name || null })));
const writeRow = (row, texts) => texts.forEach((text, i) => put(row.children[i], text));
const number = (count) => count.toLocaleString("en-US");
const named = (prefix, code) => say(`${prefix}-${code}`) ?? code;
/** As it was registered; those of the system's own are in no register. */
const channelNamed = (channel) => (registered.titleOf(channel) === channel ? named("channel", channel) : registered.titleOf(channel));
const sum = (items, key) => items.reduce((total, item) => total + item[key], 0);
const setLevel = (node, level) => (node.dataset.level = level);

// ------------------------------------------------------------------ asking

const live = new Live(shell, ASK_MS, async () => {
  const slowly = rounds % SLOW_ROUNDS === 0;
  rounds += 1;
  registered.read();
  if (slowly) await askHealth();
  try {
    view = await get("reporting", "/operations", {}, { tries: 0 });
    if (slowly) await Promise.all([askPlans(), askMinutes(), askWaiting()]);
  } finally {
    render();
  }
});

/** The reporting service counts all there were; which of them a person has dealt with the donation service knows. */
async function askWaiting() {
  const count = async (path) => {
    try {
      const found = await get("donation", path, { limit: MANY }, { tries: 0 });
      return (found.items ?? found).length;
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      return null;
    }
  };
  const [conflicts, letters] = await Promise.all([count("/conflicts"), count("/dead-letters")]);
  waiting = { conflicts, letters };
}

async function askHealth() {
  try {
    health = await get("console", "/health", {}, { tries: 0 });
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    health = null;
  }
}

async function askPlans() {
  const answer = await get("reporting", "/campaigns", {}, { tries: 0 });
  plans = new Map(answer.campaigns.map((campaign) => [campaign.campaign_id, campaign]));
}

async function askMinutes() {
  const campaign = chosenCampaign();
  if (campaign === undefined || campaign.title === null) {
    minutes = null;
    return;
  }
  const id = campaign.campaign_id;
  try {
    const answer = await get("reporting", `/campaigns/${encodeURIComponent(id)}/minutes`, {}, { tries: 0 });
    minutes = { campaign: id, rows: answer.minutes };
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    minutes = { campaign: id, failed: true, rows: [] };
  }
}

const chosenCampaign = () => view?.campaigns.find((campaign) => campaign.campaign_id === chosen) ?? view?.campaigns[0];

function choose(id) {
  chosen = id;
  const address = new URL(location.href);
  address.searchParams.set("campaign", id);
  history.replaceState(null, "", address);
  askMinutes().then(render);
}

// ------------------------------------------------------------------ writing

function render() {
  renderHealth();
  if (view === null) return;
  renderWarnings();
  renderFigures();
  renderSpark();
  renderCampaigns();
  renderChannels();
  renderLetters();
  renderLag();
}

function renderHealth() {
  const services = health?.services ?? [];
  fill(at("health"), services, () => element("li", {}, element("span", { class: "badge" }), element("span", { class: "why" })), (item, each) => {
    const [badge, why] = item.children;
    setLevel(badge, { ready: "good", "not ready": "warn", away: "alarm" }[each.state]);
    put(badge, `${say("services")[each.service]} · ${say("health")[each.state]}`);
    put(why, each.missing.length > 0 ? say("missing", each.missing.join(", ")) : "");
  });
}

function renderWarnings() {
  const warnings = [];
  if (view.lag_error !== null) warnings.push(say("lagUnknown", view.lag_error));
  if (!view.listening) warnings.push(say("notListening"));
  fill(at("warnings"), warnings, () => element("p", { class: "warn" }), put);
}

function figure(name, level, value, hint) {
  setLevel(at(`figure-${name}`), level);
  put(at(name), value);
  put(at(`${name}-hint`), hint);
}

/** A count that should be none. */
function doubt(name, count, level = "warn") {
  figure(name, count > 0 ? level : "good", number(count), say(count > 0 ? `${name}Bad` : `${name}Ok`));
}

/** A count that stays, and how many of it wait for somebody. */
function dealtWith(name, count) {
  const open = waiting[name];
  if (count === 0 || open === null) doubt(name, count);
  else if (open === 0) figure(name, "plain", number(count), say("allDealtWith"));
  else figure(name, "warn", number(count), say(`${name}Wait`, open < MANY ? String(open) : `${MANY - 1}+`));
}

function renderFigures() {
  const paces = [1, 5, 15].map((over) =>
    view.campaigns.flatMap((campaign) => campaign.pace).filter((pace) => pace.over_minutes === over),
  );
  const [one, five, fifteen] = paces.map((entries) => number(Math.round(sum(entries, "donations_per_minute") * 10) / 10));
  figure("pace", "plain", one, say("paceHint", five, fifteen));
  const age = view.newest_age_s;
  figure("newest", "plain", age === null ? say("newestNone") : say("ago", shell.duration(age * 1000)), say("newestHint"));
  const waiting = sum(view.lag, "records");
  const lagLevel = waiting >= LAG_ALARM ? "alarm" : waiting >= LAG_WARN ? "warn" : "good";
  const known = view.lag_error === null;
  figure("lag", known ? lagLevel : "unknown", number(waiting), say(waiting >= LAG_WARN ? "lagBad" : "lagOk"));
  if (!known) put(at("lag-hint"), say(view.lag.length > 0 ? "lagOld" : "noLag"));
  doubt("held", view.held_open);
  dealtWith("conflicts", view.conflicts);
  dealtWith("letters", view.dead_letters.count);
  if (view.gaps_open > 0) figure("gaps", "alarm", number(view.gaps_open), say("gapsBad"));
  else figure("gaps", "good", "0", say("gapsOk", view.out_of_order));
  const full = view.streams_open >= view.max_streams * STREAMS_WARN_SHARE;
  figure("streams", full ? "warn" : "plain", number(view.streams_open), say("streamsHint", number(view.max_streams)));
}

const titleOf = (campaign) =>
  (shell.code === "en" && campaign.title_en) || campaign.title || `${say("unknownCampaign")} ${campaign.campaign_id}`;

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
  const button = element("button", { type: "button", class: "choose" });
  button.addEventListener("click", () => choose(button.dataset.campaign));
  const facts = ["received", "promised", "disbursed"].map((name) =>
    element("div", { class: name }, element("dt"), element("dd")),
  );
  const head = element("p", { class: "campaign-head" }, button, element("span", { class: "status" }), element("a", { class: "to-screen", target: "_blank", rel: "noopener" }));
  const bar = element("div", { class: "bar" }, element("div", { class: "bar-fill" }), element("div", { class: "bar-plan" }));
  return element("li", { class: "campaign" }, head, bar, element("p", { class: "plan" }), element("dl", { class: "amounts" }, ...facts), element("p", { class: "doubts" }));
}

function writeCampaign(item, campaign) {
  const [head, bar, plan, facts, doubts] = item.children;
  const [button, status, link] = head.children;
  item.dataset.status = campaign.status ?? "unknown";
  button.dataset.campaign = campaign.campaign_id;
  button.setAttribute("aria-pressed", String(campaign === chosenCampaign()));
  put(button, titleOf(campaign));
  put(status, statusText(campaign.status));
  link.hidden = campaign.title === null;
  link.href = `${shell.me.screens_url}/screens/${encodeURIComponent(campaign.campaign_id)}${shell.code === "en" ? "?lang=en" : ""}`;
  put(link, say("openScreen"));
  const goal = campaign.goal_fen ?? 0n;
  const planned = planOf(campaign);
  bar.hidden = goal <= 0n;
  bar.style.setProperty("--share", String(Math.min(1000, permille(campaign.net_fen, goal)) / 1000));
  bar.style.setProperty("--plan", String(planned ? planned.elapsed / 1000 : 0));
  put(plan, planned ? planned.text : "");
  plan.dataset.level = planned?.level ?? "";
  const amounts = [campaign.net_fen, campaign.promised_fen, campaign.disbursed_fen];
  ["received", "promised", "disbursed"].forEach((name, i) => {
    const [term, value] = facts.children[i].children;
    put(term, say(name));
    put(value, amounts[i] === null ? "—" : i === 0 ? formatYuan(amounts[i]) : formatShort(amounts[i], shell.code));
  });
  put(doubts, doubtsOf(campaign));
}

/** Where the campaign stands against an even pace to its goal, and what the rest of its time asks an hour. */
function planOf(campaign) {
  const summary = plans.get(campaign.campaign_id);
  if (!summary || campaign.status !== "launched" || campaign.goal_fen === null || campaign.goal_fen <= 0n) return null;
  const [start, end, now] = [summary.window_start, summary.window_end, view.as_of].map((iso) => Date.parse(iso));
  if (now < start || now > end) return null;
  const elapsed = Math.floor(((now - start) * 1000) / (end - start));
  const share = permille(campaign.net_fen, campaign.goal_fen);
  if (share >= 1000) return { elapsed, level: "good", text: say("planReached", share / 10) };
  const minutesLeft = BigInt(Math.max(1, Math.floor((end - now) / 60_000)));
  const neededFen = ((campaign.goal_fen - campaign.net_fen) * HOUR_MINUTES) / minutesLeft;
  const recent = campaign.pace.at(-1)?.fen_per_minute ?? 0n;
  const text = say("plan", share / 10, elapsed / 10, formatPlain(neededFen / 100n * 100n), formatPlain(BigInt(recent) * HOUR_MINUTES / 100n * 100n));
  return { elapsed, level: share >= elapsed ? "good" : "warn", text };
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

/** One line per channel over all campaigns, with what waits in its topic and what could not be used of it. */
function channelsOf() {
  const lines = new Map();
  const line = (channel) => {
    if (!lines.has(channel)) lines.set(channel, { channel, waiting: 0, donations: 0, net_fen: 0n, held: 0, conflicts: 0, errors: 0 });
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
  for (const entry of view.dead_letters.counts) {
    if (entry.topic.startsWith(INTAKE)) line(entry.topic.slice(INTAKE.length)).errors += entry.count;
  }
  return [...lines.values()].sort((a, b) => b.donations - a.donations || (a.channel < b.channel ? -1 : 1));
}

function renderChannels() {
  const channels = channelsOf();
  at("channels-empty").hidden = channels.length > 0;
  fill(at("channels"), channels, makeRow(["", "n", "n", "n", "n", "n", "n"]), (row, line) => {
    const counts = [line.waiting, line.donations].map(number);
    writeRow(row, [channelNamed(line.channel), ...counts, formatYuan(line.net_fen), ...[line.held, line.conflicts, line.errors].map(number)]);
    setLevel(row.children[1], line.waiting >= LAG_ALARM ? "alarm" : line.waiting >= LAG_WARN ? "warn" : "");
    const open = [true, waiting.conflicts !== 0, waiting.letters !== 0];
    [line.held, line.conflicts, line.errors].forEach((count, i) => setLevel(row.children[4 + i], count > 0 && open[i] ? "warn" : ""));
  });
}

function renderLetters() {
  const letters = view.dead_letters;
  at("letters-empty").hidden = letters.count > 0;
  fill(
    at("letter-counts"),
    letters.counts,
    () => element("li"),
    (item, entry) => put(item, `${named("reason", entry.reason)} · ${entry.topic} · ${number(entry.count)}`),
  );
  fill(at("letters-rows"), letters.newest, makeRow(["", "wide", "dim"]), (row, letter) =>
    writeRow(row, [timeOf(letter.at), `${named("reason", letter.reason)} — ${shell.rule(letter.detail)}`, `${letter.topic}/${letter.partition}:${letter.offset}`]),
  );
}

function renderLag() {
  at("services-empty").hidden = view.lag.length > 0;
  fill(at("services"), view.lag, makeRow(["", "dim", "n"]), (row, entry) => {
    writeRow(row, [named("group", entry.group), entry.topic, number(entry.records)]);
    setLevel(row.children[2], entry.records >= LAG_ALARM ? "alarm" : entry.records >= LAG_WARN ? "warn" : "");
  });
  const open = view.gaps.filter((gap) => gap.open);
  at("gaps-panel").hidden = open.length === 0;
  fill(
    at("gaps-rows"),
    open,
    () => element("li"),
    (item, gap) => put(item, `${gap.source} · ${gap.mark} → ${gap.awaited_sequence} · ${timeOf(gap.first_seen_at)}`),
  );
}

shell.keys.on("r", "keyRound", () => live.round());
