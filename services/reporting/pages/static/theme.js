// Puts another theme on an open page: its stylesheet, its picture, its codes, which rankings it wants. Nothing
// is taken off before what comes in its place has been loaded, so that nothing flickers on air.

const RETRY_MS = 2_000;
const RETRIES = 5; // then the page keeps what it wears until the next theme or the next opening

/** Resolves when the picture can be drawn, or can't be had: a theme is worn without it, too. */
async function drawn(address) {
  const picture = new Image();
  picture.src = address;
  await picture.decode().catch(() => {});
}

/** Resolves to a stylesheet link that is in force; rejects, without one, when it can't be had. */
function linked(address) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.dataset.theme = "";
  link.href = address;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", () => resolve(link));
    link.addEventListener("error", () => {
      link.remove();
      reject(new Error(`not loaded: ${address}`));
    });
    document.head.append(link);
  });
}

export class Theme {
  /** `onWorn(theme)` after a theme is on. `version`: the one that the page was opened in. */
  constructor(campaign, version, onWorn) {
    this.campaign = encodeURIComponent(campaign);
    this.version = version;
    this.onWorn = onWorn;
  }

  /** Wear `theme` {version, picture, donation_url, rankings} unless the page wears it or a later one. */
  async wear(theme) {
    if (!Number.isSafeInteger(theme.version) || theme.version <= this.version) return;
    this.version = theme.version;
    for (let tried = 0; tried <= RETRIES && theme.version === this.version; tried += 1) {
      try {
        await this.putOn(theme);
        return;
      } catch (error) {
        console.warn("theme not worn", error);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  async putOn(theme) {
    if (theme.picture) await drawn(`/v1/campaigns/${this.campaign}/theme/pictures/${theme.picture}`);
    const link = await linked(`/screens/${this.campaign}/theme.css?theme=${theme.version}`);
    if (theme.version !== this.version) {
      link.remove(); // a later one has overtaken it
      return;
    }
    for (const other of document.querySelectorAll("link[data-theme]")) if (other !== link) other.remove();
    this.showWhereToGive(theme);
    this.onWorn(theme);
  }

  showWhereToGive({ version, donation_url: address }) {
    const code = document.getElementById("code-donate");
    code.hidden = !address;
    if (address) code.querySelector("img").src = `/screens/${this.campaign}/codes/donate.svg?theme=${version}`;
    code.parentElement.dataset.codes = address ? "2" : "1";
    const give = document.getElementById("give");
    give.hidden = !address;
    if (address?.startsWith("https://")) give.querySelector("a").href = address;
  }
}
