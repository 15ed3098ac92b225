// A milestone is a moment of joy of six seconds: a ribbon above the number and sparks behind it, moved by
// transform and opacity alone, nothing that flashes. One at a time: what is passed while it lasts is told by the
// highest, as a surge may pass several.

const FEAST_MS = 6_000; // the style's ribbon has the same
const SPARKS = 18;
const SPREAD = 97; // a prime, so that sparks stand apart without chance

/** The highest of `marks` that lies above `before` and not above `now`; null: none was passed. */
export function passed(marks, before, now) {
  const crossed = marks.filter((mark) => mark > before && mark <= now);
  return crossed.reduce((highest, mark) => (highest === null || mark > highest ? mark : highest), null);
}

export class Feast {
  /** `element`: the ribbon; `sparks`: what holds the sparks; `still()`: motion is unwelcome. */
  constructor(element, sparks, { still = () => false } = {}) {
    this.element = element;
    this.still = still;
    this.timer = 0;
    for (let i = 0; i < SPARKS; i += 1) {
      const spark = document.createElement("i");
      spark.className = "spark";
      spark.style.left = `${(i * SPREAD * 5) % 100}%`;
      spark.style.animationDelay = `${((i * SPREAD) % 30) / 10}s`;
      sparks.append(spark);
    }
  }

  /** Celebrate with `text`. A feast that is on goes on with the new words. */
  hold(text) {
    this.element.textContent = text;
    document.body.dataset.feast = this.still() ? "calm" : "on";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      delete document.body.dataset.feast;
      this.element.textContent = "";
    }, FEAST_MS);
  }
}
