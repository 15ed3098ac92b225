// Money on the pages: fen as BigInt, because totals may pass 2^53 (9.0 * 10^15 fen), where a Number
// would lose fen without a word. Nothing here rounds: a text that cannot be exact is not offered.

const FEN_PER_WAN = 1_000_000n; // 1 万 = 10^4 yuan
const FEN_PER_YI = 10_000_000_000n; // 1 亿 = 10^8 yuan
const FEN_PER_MILLION = 100_000_000n;

/** Fen from a wire value: a digit string, a BigInt or a safe integer. Throws RangeError on anything else. */
export function parseFen(value) {
  if (typeof value === "bigint") return value;
  if (typeof value === "string" && /^-?\d{1,19}$/.test(value)) return BigInt(value);
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new RangeError("not whole fen: " + String(value).slice(0, 40));
}

/** Fen as yuan with both decimals and separators: 123456n → "1,234.56". */
export function formatYuan(fen) {
  const size = fen < 0n ? -fen : fen;
  const yuan = (size / 100n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return (fen < 0n ? "-" : "") + yuan + "." + (size % 100n).toString().padStart(2, "0");
}

/** As formatYuan, without ".00" for whole yuan: a list reads better, and nothing is lost. */
export function formatPlain(fen) {
  return formatYuan(fen).replace(/\.00$/, "");
}

/**
 * The amount as it is spoken in Chinese, exact: 14_123_456_789n → "1亿4123万4567.89". Groups keep their
 * four digits so that a running number stays still; a round amount ends with its unit: "5475万".
 */
export function formatSpoken(fen) {
  const size = fen < 0n ? -fen : fen;
  const yi = size / FEN_PER_YI;
  const wan = (size % FEN_PER_YI) / FEN_PER_WAN;
  const rest = size % FEN_PER_WAN;
  const restText = (width) => (rest / 100n).toString().padStart(width, "0") + "." + (rest % 100n).toString().padStart(2, "0");
  let text = "";
  if (yi > 0n) text = yi.toString() + "亿";
  if (wan > 0n || (yi > 0n && rest > 0n)) text += wan.toString().padStart(yi > 0n ? 4 : 1, "0") + "万";
  if (rest > 0n || text === "") text += restText(text === "" ? 1 : 4);
  return (fen < 0n ? "-" : "") + text;
}

/**
 * A short label where the amount is round enough to have an exact one (at most two decimals of 万, 亿 or
 * million): "5475万", "1.41亿", "54.75 million"; otherwise the full digits.
 */
export function formatShort(fen, language) {
  const unit = UNITS_OF[language].find((each) => size(fen) >= each.fen);
  return unit && fits(fen, unit) ? writeIn(unit, fen, language).replace(TRAILING_ZEROS, "") + unit.name : formatPlain(fen);
}

/**
 * The amounts of one column in one notation: all in the largest unit of which each is one at least and has at most two
 * decimals, otherwise all in full digits; as many decimals everywhere as the finest needs, so that digits stand
 * under their like. Exact: [5_000_000_00n, 805_000_00n] → ["500.0万", "80.5万"].
 */
export function formatColumn(amounts, language) {
  const unit = UNITS_OF[language].find((each) => amounts.every((fen) => fits(fen, each))) ?? YUAN;
  const texts = amounts.map((fen) => writeIn(unit, fen, language));
  const spare = unit === YUAN ? [".00"] : [".00", "0"];
  const cut = spare.find((end) => texts.every((text) => text.endsWith(end)))?.length ?? 0;
  return texts.map((text) => text.slice(0, text.length - cut) + unit.name);
}

const YUAN = { fen: 100n, name: "" };
/** The largest first. */
const UNITS_OF = {
  zh: [
    { fen: FEN_PER_YI, name: "亿" },
    { fen: FEN_PER_WAN, name: "万" },
  ],
  en: [{ fen: FEN_PER_MILLION, name: " million" }],
};
const TRAILING_ZEROS = /\.?0+$/;

const size = (fen) => (fen < 0n ? -fen : fen);

/** Whether an amount is one of the unit at least, and has at most two decimals in it. */
function fits(fen, unit) {
  return size(fen) >= unit.fen && (fen * 100n) % unit.fen === 0n;
}

/** With two decimals. In Chinese only full digits are parted by commas: 万 part them already. */
function writeIn(unit, fen, language) {
  const text = formatYuan((fen * 100n) / unit.fen);
  return language === "zh" && unit !== YUAN ? text.replaceAll(",", "") : text;
}

/** Share of the goal in tenths of a per cent, rounded down: 100 % is never shown before it is reached. */
export function permille(fen, goalFen) {
  if (goalFen <= 0n || fen <= 0n) return 0;
  const share = (fen * 1000n) / goalFen;
  return Number(share > 9_999_999n ? 9_999_999n : share);
}

const WRITTEN = /^(\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.(\d{1,10}))?\s*(万|亿)?\s*元?$/;
const UNITS = { 万: FEN_PER_WAN, 亿: FEN_PER_YI };

/**
 * Fen of an amount as a person writes it, exact or null: "1,234.56" → 123456n, "5万" → 5000000n, "1.2亿".
 * What is finer than a fen is no amount. The same as shared/money.py reads.
 */
export function parseYuan(text) {
  const found = WRITTEN.exec(text.trim().replace(/[，]/g, ",").replace(/[．。]/g, "."));
  if (!found) return null;
  const [, whole, part = "", unit] = found;
  const scale = 10n ** BigInt(part.length);
  const fen = BigInt(whole.replaceAll(",", "") + part) * (UNITS[unit] ?? 100n);
  return fen % scale === 0n ? fen / scale : null;
}
