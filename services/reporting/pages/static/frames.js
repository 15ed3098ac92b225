// What the stream says, and whether a screen may show it. Pure: no DOM, no network.

export { parseExact } from "./exact.js";

const UNREAL = ["rehearsal", "sample"];

/** Messages a screen keeps. */
const MESSAGES = 50;

/**
 * The donors' messages, newest first, after `frame`: a snapshot has them all, a change what is new and the ids
 * of what must go.
 */
export function messagesAfter(messages, frame) {
  if (frame.messages) return frame.messages;
  const fresh = frame.messages_new ?? [];
  const gone = new Set([...(frame.messages_gone ?? []), ...fresh.map((each) => each.message_id)]);
  return [...fresh, ...messages.filter((each) => !gone.has(each.message_id))].slice(0, MESSAGES);
}

/**
 * May `frame` replace `proved` (the last state that was shown, or null) on the page of `campaign`?
 * "apply"; "foreign": of another campaign, which only a rehearsal, marked as such, may show; "stale": an older
 * version, as from a server that is still catching up; "unproved": the parts do not add up, or the number
 * falls without a reversal on the record. Only "apply" may move the number.
 *
 * `air_sequence` counts what was decided for a registered screen: with a higher one an older version or a
 * lower number may come, for an operator has frozen or rehearsed; a lower one is stale whatever it says.
 */
export function judge(proved, frame, campaign = frame.campaign_id) {
  if (frame.campaign_id !== campaign && !UNREAL.includes(frame.air)) return "foreign";
  const whole = frame.net_fen === frame.received_fen - frame.reversed_fen;
  if (!whole || !Number.isSafeInteger(frame.version)) return "unproved";
  if (proved === null) return "apply";
  const decided = proved.air_sequence ?? 0;
  const deciding = frame.air_sequence ?? decided;
  if (deciding !== decided) return deciding > decided ? "apply" : "stale";
  if (frame.version < proved.version) return "stale";
  if (frame.version === proved.version && frame.net_fen !== proved.net_fen) return "unproved";
  const fell = frame.net_fen < proved.net_fen;
  return fell && frame.reversed_fen <= proved.reversed_fen ? "unproved" : "apply";
}
