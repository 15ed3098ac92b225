// What the stream says, and whether a screen may show it. Pure: no DOM, no network.

import { parseFen } from "./money.js";

// Amounts travel as JSON integers, as in every other interface of the system, and are quoted before
// JSON.parse, which would turn 2^53+1 into 2^53. The reviver's `context.source` does the same but needs
// Chrome 114, and players behind LED walls are older. A quote inside a JSON string is always escaped, so
// `_fen":` cannot come from a donor's name: a key is the only place where it is followed by a colon.
const AMOUNT = /("[a-z_]*_fen"\s*:\s*)(-?\d+)(?=\s*[,}\]])/g;
const AMOUNTS = /("[a-z_]*_fen"\s*:\s*\[)([\d\s,]*)\]/g;

const quoteAmounts = (text) =>
  text.replace(AMOUNT, '$1"$2"').replace(AMOUNTS, (_, key, list) => key + list.replace(/\d+/g, '"$&"') + "]");

const UNREAL = ["rehearsal", "sample"];

const isAmount = (key) => key.endsWith("_fen");

function withAmounts(value) {
  if (Array.isArray(value)) return value.map(withAmounts);
  if (value === null || typeof value !== "object") return value;
  const result = {};
  for (const [key, item] of Object.entries(value)) {
    if (!isAmount(key) || item === null) result[key] = withAmounts(item);
    else result[key] = Array.isArray(item) ? item.map(parseFen) : parseFen(item);
  }
  return result;
}

/** JSON text → object whose `*_fen` members are BigInt. Throws SyntaxError or RangeError. */
export function parseExact(text) {
  return withAmounts(JSON.parse(quoteAmounts(text)));
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
