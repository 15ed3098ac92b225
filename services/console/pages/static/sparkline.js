// Sixty minutes as bars: one SVG, made once, whose two paths are written anew.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 100;

/** Counts of the last `minutes` minutes up to `now` (ms), oldest first; `rows`: [{minute, donations}], any order. */
export function perMinute(rows, now, minutes = 60) {
  const last = Math.floor(now / 60_000);
  const counts = new Array(minutes).fill(0);
  for (const row of rows) {
    const place = minutes - 1 - (last - Math.floor(Date.parse(row.minute) / 60_000));
    if (place >= 0 && place < minutes) counts[place] += row.donations;
  }
  return counts;
}

export class Sparkline {
  constructor(element) {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute("preserveAspectRatio", "none");
    this.svg.setAttribute("aria-hidden", "true");
    this.whole = this.addPath("bars");
    this.running = this.addPath("bars running");
    element.replaceChildren(this.svg);
  }

  addPath(name) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    this.svg.append(path);
    return path;
  }

  /** `counts`, oldest first; the last minute is still running and drawn apart. */
  draw(counts) {
    const peak = Math.max(1, ...counts);
    const step = WIDTH / counts.length;
    const bar = (count, i) => {
      const height = count === 0 ? 1 : Math.max(2, (count / peak) * HEIGHT);
      return `M${(i * step).toFixed(1)} ${HEIGHT}v${(-height).toFixed(1)}h${(step - 2).toFixed(1)}V${HEIGHT}z`;
    };
    const bars = counts.map(bar);
    this.running.setAttribute("d", bars.pop());
    this.whole.setAttribute("d", bars.join(""));
  }
}
