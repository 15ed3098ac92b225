// The screen of one campaign: wires the stream to the page. What may be shown is judged in frames.js.

import { ServerClock, dateOf, timeOf, minuteOf } from "./clock.js";
import { Counter, widthInEms } from "./counter.js";
import { DonorList } from "./donors.js";
import { Feast, passed } from "./feast.js";
import { judge, messagesAfter, parseExact } from "./frames.js";
import { Language } from "./language.js";
import { formatColumn, formatPlain, formatShort, formatSpoken, formatYuan, permille } from "./money.js";
import { Panel, takeTurns } from "./panels.js";
import { Pace, timeLeft } from "./pulse.js";
import { Stream } from "./stream.js";
import { PUBLIC_TEXTS } from "./texts.js";
import { Theme } from "./theme.js";

const DONOR_ROWS = 8; // the style shows as many as fit
const STEP_BACK_MS = 20_000; // how long the reason for a lower number stays on the screen
const MESSAGE_ROWS = 4;
const RANKING_ROWS = 10;
const COMPANY_ROWS = 10;
const MILESTONE_PERMILLE = [250, 500, 750]; // where a campaign names no milestones of its own
const MAX_MILESTONES = 8;
const POINTER_REST_MS = 4_000;
const PROMISES = ["promised_fen", "disbursed_fen"];
const AIR_WORDS = { sample: "sample", rehearsal: "rehearsal", frozen: "frozen", hidden: "hidden" };
const NOT_REAL = ["sample", "rehearsal"];
const GOODS = ["goods_received_fen", "goods_distributed_fen"];

const body = document.body;
const query = new URLSearchParams(location.search);
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const at = (id) => document.getElementById(id);

let proved = null; // the last state that may be shown
let behind = false; // the server's last word could not replace it
let fresh = false;
let started = false;
let stepBack = null; // {fen, at, until}
let seenFen = null; // the number that the audience last saw move; it does not while a screen is frozen or hidden

const clock = new ServerClock();
const language = new Language(PUBLIC_TEXTS, renderAll);
const still = () => reducedMotion.matches || document.hidden;

const writeNumber = (fen) =>
  (query.get("format") ?? body.dataset.format) === "wan" && language.code === "zh" ? formatSpoken(fen) : formatYuan(fen);

const counter = new Counter(at("number"), writeNumber, { still, onShown: renderRunning });
const donors = new DonorList(at("donors"), DONOR_ROWS, writeDonor, { still });

const theme = new Theme(body.dataset.campaign, Number(body.dataset.themeVersion), ({ rankings }) => {
  body.dataset.rankings = rankings;
  if (proved !== null) renderTotals();
});
const feast = new Feast(at("feast"), at("sparks"), { still });
const pace = new Pace();
const messages = new Panel(at("messages"), MESSAGE_ROWS, "message", [["text", "bdi"], ["name", "bdi"]], (items) =>
  items.map((item) => ({ text: item.text, name: item.name || language.say("kindHeart") })),
);
const ranking = new Panel(at("ranking"), RANKING_ROWS, "rank", [["name", "bdi"], ["amount", "span"]], (parts) =>
  ranked(parts, (part) => (language.code === "en" && part.title_en) || part.title),
);
const companies = new Panel(at("companies"), COMPANY_ROWS, "rank", [["name", "bdi"], ["amount", "span"]], (all) =>
  ranked(all, (company) => company.name),
);

/** Their amounts in one notation. */
function ranked(items, nameOf) {
  const amounts = formatColumn(items.map((item) => item.net_fen), language.code);
  return items.map((item, i) => ({ name: nameOf(item), amount: amounts[i] }));
}

function writeDonor(item) {
  return {
    name: item.name || language.say("kindHeart"),
    at: minuteOf(item.at),
    amount: formatPlain(item.amount_fen),
  };
}

/** Text into an element, only when it differs: most frames change little. */
function put(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

/** A text on one line: the style makes it as large as its length allows. */
function putLine(id, text) {
  put(id, text);
  at(id).style.setProperty("--ems", String(Math.max(1, widthInEms(text))));
}

/** An amount in a box of fixed width: the style makes it as large as its length allows. */
function putAmount(id, text) {
  const length = String(Math.max(4, widthInEms(text + " " + language.say("yuan")) - 0.2));
  const box = at(id).parentElement;
  if (box.style.getPropertyValue("--ems") !== length) box.style.setProperty("--ems", length);
  put(id, text);
}

// ------------------------------------------------------------------ what comes in

function onFrame(kind, text) {
  let frame;
  try {
    frame = parseExact(text);
  } catch (error) {
    console.error("unreadable frame", kind, error);
    return;
  }
  if (kind === "ended") location.reload(); // the server says why
  else if (kind === "heartbeat") clock.hear(frame.as_of);
  else if (kind === "theme") theme.wear(frame);
  else if (kind === "snapshot" || proved !== null) onTotals(frame, kind === "snapshot");
}

function onTotals(frame, whole) {
  // A rehearsal and the real thing have nothing in common: pace, donors, milestones begin anew.
  if (proved !== null && (proved.air === "rehearsal") !== ((frame.air ?? proved.air) === "rehearsal")) {
    location.reload();
    return;
  }
  const verdict = judge(proved, frame, body.dataset.campaign);
  const missed = behind;
  behind = verdict !== "apply";
  if (behind) console.warn("frame not shown", verdict, frame.version, proved?.version);
  else apply(frame, whole, missed);
  renderState();
}

/** After a frame that was not shown nobody knows who has withdrawn: no old message and no old ranking stays. */
function apply(frame, whole, missed) {
  const before = proved;
  const messages = missed ? [] : (before?.messages ?? []);
  const ranked = frame.companies ?? (missed ? [] : (before?.companies ?? []));
  proved = { ...before, ...frame, companies: ranked, messages: messagesAfter(messages, frame) };
  donors.drop(frame.dropped ?? []);
  donors.take(frame.recent ?? [], { fill: before === null });
  if (isLive()) moveOn();
  if (whole) renderCampaign();
  counter.set(proved.net_fen);
  renderTotals();
}

/** Nobody has frozen or hidden the number. */
function isLive() {
  return (proved?.control ?? body.dataset.control) === "live";
}

/** Say what has happened to the number since the audience last saw it move. */
function moveOn() {
  pace.hear(proved.as_of, proved.received_fen);
  if (seenFen !== null && proved.net_fen < seenFen) {
    stepBack = { fen: seenFen - proved.net_fen, at: proved.as_of, until: performance.now() + STEP_BACK_MS };
  }
  if (seenFen !== null) celebrate(seenFen);
  seenFen = proved.net_fen;
}

/** A milestone that was passed in front of the audience. What a page finds when it opens is no news. */
function celebrate(beforeFen) {
  const goal = proved.goal_fen ?? 0n;
  const mark = passed([...milestonesOf(proved), goal].filter((fen) => fen > 0n), beforeFen, proved.net_fen);
  if (mark === null) return;
  feast.hold(language.say(mark === goal ? "goalPassed" : "milestonePassed", formatShort(mark, language.code)));
}

/** The campaign's own milestones, or the quarters of its goal. */
function milestonesOf(campaign) {
  const goal = campaign.goal_fen ?? 0n;
  const own = (campaign.milestones_fen ?? []).filter((fen) => fen > 0n && fen < goal);
  return own.length > 0 ? own : MILESTONE_PERMILLE.map((share) => (goal * BigInt(share)) / 1000n);
}

// ------------------------------------------------------------------ what is shown

function renderAll() {
  counter.redraw(writeNumber);
  donors.redraw();
  messages.redraw();
  ranking.redraw();
  companies.redraw();
  if (proved !== null) {
    renderCampaign();
    renderTotals();
  }
  renderState();
}

function renderCampaign() {
  const title = (language.code === "en" && proved.title_en) || proved.title;
  put("title", title);
  at("title").style.setProperty("--ems", String(widthInEms(title) * 1.06));
  document.title = `${title} · ${language.say("titleSuffix")}`;
  for (const name of ["organisation", "licence", "contact", "query_method"]) put(name, proved[name] ?? "—");
  const filing = proved.filing_number || language.say(proved.kind === "emergency_appeal" ? "filingLate" : "filingNone");
  put("filing_number", filing);
  renderMilestones();
}

function renderMilestones() {
  const goal = proved.goal_fen ?? 0n;
  at("goal").hidden = goal <= 0n;
  const marks = milestonesOf(proved);
  const places = at("milestones");
  while (places.children.length < Math.min(marks.length, MAX_MILESTONES)) {
    places.append(document.createElement("li"));
  }
  [...places.children].forEach((place, i) => {
    place.hidden = i >= marks.length;
    if (place.hidden) return;
    place.dataset.fen = String(marks[i]);
    place.textContent = formatShort(marks[i], language.code);
    place.style.setProperty("--share", String(permille(marks[i], goal) / 1000));
  });
  put("goal-amount", formatShort(goal, language.code));
}

function renderTotals() {
  body.dataset.status = proved.status;
  body.dataset.donations = proved.donations > 0 ? "some" : "none";
  for (const name of PROMISES) putAmount(name, formatShort(proved[name] ?? 0n, language.code));
  renderGoods();
  messages.show(proved.messages ?? []);
  ranking.show(ranks("parts") ? (proved.tree?.parts ?? []).filter((part) => part.net_fen > 0n) : []);
  companies.show(ranks("companies") ? (proved.companies ?? []) : []);
  const count = Number(proved.donations).toLocaleString("en-US");
  const own = language.say("receivedNote", count);
  const tree = proved.tree;
  put("received_note", tree ? `${own} · ${language.say("treeNote", tree.count, formatShort(tree.net_fen, language.code))}` : own);
  const reversed = proved.reversed_fen > 0n ? language.say("reversedNote", formatPlain(proved.reversed_fen)) : "";
  put("reversed_note", reversed);
  const back = proved.returned_fen > 0n ? language.say("returnedNote", formatPlain(proved.returned_fen)) : "";
  put("returned_note", back);
  const announcement = { paused: "paused", closed: "closed", settled: "closed", filed: "upcoming", draft: "upcoming" }[proved.status];
  putLine("announcement", announcement ? language.say(announcement) : "");
  const share = permille(proved.net_fen, proved.goal_fen ?? 0n);
  const percent = (share / 10).toFixed(1);
  put("percent", language.say("ofGoal", percent));
  at("bar").setAttribute("aria-valuenow", String(Math.min(100, share / 10)));
  at("bar").setAttribute("aria-valuetext", language.say("ofGoal", percent));
  body.dataset.goal = proved.goal_fen > 0n && proved.net_fen >= proved.goal_fen ? "reached" : "ahead";
  at("number").setAttribute("aria-label", `${formatYuan(proved.net_fen)} ${language.say("yuan")}`);
  renderStepBack();
  renderProof();
  renderCheck();
}

/** Whether this screen's theme wants a ranking; a lower third has no room for that of companies. */
function ranks(what) {
  const wanted = body.dataset.rankings;
  return (wanted === "both" || wanted === what) && !(what === "companies" && body.dataset.layout === "lower");
}

/** Goods given in kind, on a line of their own where there are any: a value that nobody can spend. */
function renderGoods() {
  const some = proved.goods_received_fen > 0n;
  body.dataset.goods = some ? "some" : "none";
  at("goods").hidden = !some;
  for (const name of GOODS) put(name, formatShort(proved[name] ?? 0n, language.code));
}

/** What runs with the big number, so that no two places on the page say different things. */
function renderRunning(fen) {
  putAmount("received", formatPlain(fen));
  if (proved === null) return;
  const goal = proved.goal_fen ?? 0n;
  at("bar").style.setProperty("--share", String(Math.min(1000, permille(fen, goal)) / 1000));
  for (const place of at("milestones").children) {
    if (!place.hidden) place.classList.toggle("passed", fen >= BigInt(place.dataset.fen));
  }
}

function renderStepBack() {
  if (stepBack !== null && performance.now() > stepBack.until) stepBack = null;
  body.dataset.back = stepBack === null ? "none" : "shown";
  putLine("step_back", stepBack === null ? "" : language.say("stepBack", formatPlain(stepBack.fen), timeOf(stepBack.at)));
}

function renderProof() {
  if (proved === null || body.dataset.proof !== "shown") return;
  const line = language.say("proof", String(proved.version), proved.digest ?? "—", timeOf(proved.as_of));
  const reversed = proved.reversed_fen > 0n ? ` · ${language.say("proofReversed", formatYuan(proved.reversed_fen))}` : "";
  put("proof", line + reversed);
}

/** Where the number that is shown can be checked; a sample's is nowhere. */
function renderCheck() {
  const address = new URL(at("check").href);
  if (proved.digest && !NOT_REAL.includes(proved.air)) address.searchParams.set("digest", proved.digest);
  if (at("check").href !== address.href) at("check").href = address.href;
}

function renderState() {
  const state = fresh && !behind && proved !== null ? "live" : started ? "confirming" : "connecting";
  if (state === "live") started = true;
  body.dataset.state = state;
  renderAir();
  put("state", language.say(state === "live" ? AIR_WORDS[body.dataset.air] ?? state : state));
  renderClock();
  if (proved === null) put("title", language.say("waiting"));
}

function renderClock() {
  const now = clock.now();
  put("time", timeOf(now));
  const stale = body.dataset.state === "confirming" && proved !== null;
  put("date", stale ? language.say("asOf", timeOf(proved.as_of)) : dateOf(now, language.code));
  renderStepBack();
  renderPulse(now);
}

/** What of it is not known, or no longer true, is not told. */
function renderPulse(now) {
  const open = proved !== null && proved.status === "launched" && body.dataset.state === "live";
  const fen = open && isLive() ? pace.perMinute(now, proved.received_fen) : null;
  put("pace", fen === null ? "" : language.say("pace", formatShort(fen, language.code)));
  const left = open ? timeLeft(now, proved.window_end) : null;
  put("time_left", left === null ? "" : language.say("timeLeft", left.days, left.hours, left.clock));
}

/** Whether the screen is on air; a sample and a rehearsal can't be mistaken for it, frozen and hidden ones too. */
function renderAir() {
  const air = proved?.air ?? body.dataset.air;
  body.dataset.air = air;
  body.dataset.control = proved?.control ?? body.dataset.control;
  at("mark").hidden = !NOT_REAL.includes(air);
  if (at("mark").hidden) return;
  at("mark").dataset.word = language.say(air);
  put("mark_words", language.say("notReal", language.say(air)));
}

function showProof(shown) {
  body.dataset.proof = shown ? "shown" : "hidden";
  at("proof").hidden = !shown;
  renderProof();
}

// ------------------------------------------------------------------ start

document.addEventListener("keydown", (event) => {
  if (event.key === "p" && !event.ctrlKey && !event.metaKey) showProof(body.dataset.proof !== "shown");
});
// A pointer and a switch have no place on air: they show while somebody moves the mouse.
let rest = 0;
document.addEventListener("pointermove", () => {
  body.dataset.pointer = "moving";
  clearTimeout(rest);
  rest = setTimeout(() => (body.dataset.pointer = "resting"), POINTER_REST_MS);
});
showProof(query.get("proof") === "1");
renderAll();
setInterval(renderClock, 1000);
takeTurns(at("lists"));

const stream = new Stream(body.dataset.stream, {
  onFrame,
  onFresh(value) {
    fresh = value;
    // Before anything was heard there is nothing to confirm; the page says that it is connecting.
    if (!fresh && proved !== null) started = true;
    renderState();
  },
});
stream.start();
