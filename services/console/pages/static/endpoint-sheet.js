// One endpoint: what it is told, how it gets on, its replays, and what an administrator does with it.

import { get, getWithEtag, post, send, Trouble } from "./api.js";
import { element } from "./dom.js";
import { endpointForm, replaySheet, secretSheet } from "./endpoint-forms.js";
import { healthOf, RECEIVED, stateOf, typeOf, WITHDRAWN } from "./endpoint-words.js";
import { notice } from "./notice.js";
import { Sheet, facts, openSheet } from "./sheet.js";
import { stampOf } from "./time.js";

/** `acts`: {again, pause(rows), resume(rows), campaigns} of the list. */
export async function openEndpoint(shell, id, acts) {
  const path = `/webhook-endpoints/${id}`;
  const before = openSheet();
  await guarded(shell, async () => {
    const [{ body: row, etag }, replays] = await Promise.all([getWithEtag("notification", path), get("notification", `${path}/replays`)]);
    if (openSheet() !== before) return; // the person has gone on to another one
    const reopen = () => openEndpoint(shell, id, acts);
    const sheet = new Sheet(shell, row.description, ...body(shell, { row, etag, path, acts: { ...acts, reopen } }, replays));
    sheet.node.classList.add("large");
    sheet.open();
  });
}

async function guarded(shell, run) {
  try {
    await run();
  } catch (trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    notice(shell, shell.words(trouble), { level: "alarm", ms: 12_000 });
  }
}

function body(shell, told, replays) {
  const { say } = shell;
  const { row, acts } = told;
  const log = element("a", { href: `/partners?view=deliveries&endpoint_id=${row.endpoint_id}` }, say("seeDeliveries"));
  return [
    shell.has("administrator") && row.state !== "deleted" ? buttons(shell, told) : null,
    facts([
      [say("state"), element("span", {}, stateOf(shell, row), ` ${say("reasons")[row.reason] ?? row.reason ?? ""}`)],
      [say("health"), healthOf(shell, row)],
      [say("waiting"), String(row.waiting)],
      [say("exhausted"), String(row.exhausted)],
      [say("lastDelivered"), row.last_delivered_at && stampOf(row.last_delivered_at)],
      [say("deliveries"), log],
      [say("url"), row.url],
      [say("owner"), row.owner_email],
      [say("eventTypes"), row.event_types.map((type) => typeOf(shell, type)).join(say("between"))],
      [say("campaigns"), row.campaigns ? shell.list(row.campaigns.map((id) => acts.campaigns.titleOf(id))) : say("all")],
      [say("ordered"), say(row.ordered ? "yes" : "no")],
      [say("oldSecretUntil"), row.previous_secret_until && stampOf(row.previous_secret_until)],
      [say("createdAt"), `${stampOf(row.created_at)} · ${row.created_by}`],
      [say("deletedAt"), row.deleted_at && stampOf(row.deleted_at)],
    ]),
    untold(row) ? element("p", { class: "warn-text" }, say("untold")) : null,
    ...replaysOf(say, replays),
  ].filter(Boolean);
}

/** Whether a partner is told names and never that one is not to be shown any more. */
const untold = (row) => row.state !== "deleted" && row.event_types.includes(RECEIVED) && !row.event_types.includes(WITHDRAWN);

function replaysOf(say, replays) {
  if (replays.length === 0) return [];
  const lines = replays.map((each) => [stampOf(each.asked_at), say("replayIs", stampOf(each.since), each.found, each.asked_by, Boolean(each.ended_at))]);
  return [element("h3", {}, say("replays")), facts(lines)];
}

function buttons(shell, told) {
  const { say } = shell;
  const { row, path, acts } = told;
  const button = (key, run, kind = null) => element("button", { type: "button", class: kind, onclick: () => guarded(shell, run) }, say(key));
  const ping = async () => {
    const here = openSheet();
    const { body } = await post("notification", `${path}/ping`, null);
    const answered = notice(shell, say("pinged", row.description), { ms: 10_000 });
    await followPing(shell, row.description, body.delivery_id, answered);
    if (openSheet() === here) acts.reopen();
  };
  const resume = async () => {
    await acts.resume([row]);
    acts.reopen();
  };
  const turn = row.state === "active" ? button("pause", async () => acts.pause([row])) : button("resume", resume, "main");
  return element(
    "div",
    { class: "sheet-buttons" },
    row.state === "active" ? button("ping", ping) : null,
    row.state === "active" ? button("replay", () => replaySheet(shell, told)) : null,
    turn,
    row.slowed_at && row.state === "active" ? button("resume", resume) : null,
    button("change", () => endpointForm(shell, told, acts)),
    button("rotate", () => secretSheet(shell, told)),
    button("remove", () => askRemoval(shell, told), "danger"),
  );
}

const LOOKS = 10;
const LOOK_MS = 700;

/** Say how the test message went, if that is known soon. */
async function followPing(shell, name, id, answered) {
  const { say } = shell;
  for (let i = 0; i < LOOKS; i += 1) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    const { delivery, history } = await get("notification", `/webhook-deliveries/${id}`);
    if (history.length === 0) continue;
    const [{ outcome, status, duration_ms: ms }] = history;
    const well = delivery.state === "delivered";
    const words = [say("outcomes")[outcome] ?? outcome, status].filter(Boolean).join(" ");
    answered();
    notice(shell, say(well ? "pingArrived" : "pingFailed", name, words, ms), { level: well ? "good" : "alarm", ms: 12_000 });
    return;
  }
}

/** Deleting can't be taken back, so it is asked first. */
function askRemoval(shell, { row, etag, path, acts }) {
  const { say } = shell;
  const yes = element("button", { type: "button", class: "danger" }, say("removeNow"));
  yes.addEventListener("click", () =>
    guarded(shell, async () => {
      await send("DELETE", "notification", path, null, { ifMatch: etag });
      sheet.close();
      notice(shell, say("removed", row.description));
      acts.again();
    }),
  );
  const back = element("button", { type: "button", onclick: acts.reopen }, say("back"));
  const sheet = new Sheet(shell, say("removeTitle", row.description), element("p", { class: "wrong" }, say("removeHint", row.waiting)), element("div", { class: "sheet-buttons" }, yes, back));
  sheet.open();
}
