// JSON with amounts that stay exact. Pure: no DOM, no network.

import { parseFen } from "./money.js";

// Amounts travel as JSON integers, as in every other interface of the system, and are quoted before
// JSON.parse, which would turn 2^53+1 into 2^53. The reviver's `context.source` does the same but needs
// Chrome 114, and players behind LED walls are older. A quote inside a JSON string is always escaped, so
// `_fen":` cannot come from a donor's name: a key is the only place where it is followed by a colon.
const AMOUNT = /("[a-z_]*_fen"\s*:\s*)(-?\d+)(?=\s*[,}\]])/g;
const AMOUNTS = /("[a-z_]*_fen"\s*:\s*\[)([\d\s,]*)\]/g;

const quoteAmounts = (text) =>
  text.replace(AMOUNT, '$1"$2"').replace(AMOUNTS, (_, key, list) => key + list.replace(/\d+/g, '"$&"') + "]");

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
