// The big number. It runs up to what was proved, never past it, and steps down at once, and only, when the
// caller was told of a reversal. Each character has a slot of its own, so that digits stand still in any font.

const DURATION_MS = 700; // a donation is to be read within a second of being counted
const STEPS = 1_000_000n; // the eased share as an integer: BigInt has no fractions

// Widths in em; the slots in the style have the same.
const NARROW = /[.,\- il]/;
const DIGIT = /[\x20-\u024f]/; // a Latin letter takes about a digit's width, everything else is Chinese
const EM = { wide: 1.02, digit: 0.6, narrow: 0.3 };

const easeOut = (share) => 1 - (1 - share) ** 3;

function kindOf(character) {
  if (NARROW.test(character)) return "narrow";
  return DIGIT.test(character) ? "digit" : "wide";
}

/** Width of a text in em, near enough to choose its size. */
export function widthInEms(text) {
  let ems = 0;
  for (const character of text) ems += EM[kindOf(character)];
  return Math.round(ems * 100) / 100;
}

export class Counter {
  /** `element` is emptied and filled with slots; `format` writes fen as text; `onShown(fen)` follows it. */
  constructor(element, format, { still = () => false, onShown = () => {} } = {}) {
    this.element = element;
    this.format = format;
    this.still = still;
    this.onShown = onShown;
    this.slots = [];
    this.shown = null; // fen on the screen
    this.target = null; // fen proved
    this.frame = 0;
    element.textContent = "";
  }

  /** Show `fen`, a proved amount: at once the first time, when it is lower, or when motion is unwelcome. */
  set(fen) {
    const first = this.target === null;
    this.target = fen;
    this.size();
    if (first || fen <= this.shown || this.still()) {
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      this.show(fen);
      return;
    }
    this.from = this.shown;
    this.startedAt = null; // the clock of the next frame, so that a hidden page does not skip
    if (this.frame === 0) this.frame = requestAnimationFrame((now) => this.step(now));
  }

  /** Write the number again, after the format has changed. */
  redraw(format) {
    this.format = format;
    if (this.target === null) return;
    this.size();
    this.show(this.shown);
  }

  step(now) {
    if (this.startedAt === null) this.startedAt = now;
    const share = Math.max(0, Math.min(1, (now - this.startedAt) / DURATION_MS));
    const eased = BigInt(Math.floor(easeOut(share) * Number(STEPS)));
    this.show(share >= 1 ? this.target : this.from + ((this.target - this.from) * eased) / STEPS);
    this.frame = share >= 1 ? 0 : requestAnimationFrame((later) => this.step(later));
  }

  show(fen) {
    this.shown = fen;
    const text = this.format(fen);
    while (this.slots.length < text.length) this.addSlot();
    for (let i = 0; i < this.slots.length; i += 1) {
      const character = text[i] ?? "";
      const slot = this.slots[i];
      if (slot.textContent === character) continue;
      slot.textContent = character;
      slot.className = character === "" ? "slot" : "slot " + kindOf(character);
    }
    this.onShown(fen);
  }

  addSlot() {
    const slot = document.createElement("span");
    slot.className = "slot";
    this.slots.push(slot);
    this.element.append(slot);
  }

  /** Tell the style how wide the proved number is, in em; its size follows, and does not wander in between. */
  size() {
    this.element.style.setProperty("--ems", String(Math.max(widthInEms(this.format(this.target)), 6)));
  }
}
