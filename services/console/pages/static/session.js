// The session has ended while something is typed: its person signs in again over the page, and nothing is lost.
// Where nothing is typed the page goes to the sign-in, which leads back to it.

import { element, put } from "./dom.js";

const LOOK_MS = 2_000;
const FIELDS = "input:not([type=checkbox], [type=radio], [type=search], [type=hidden]), textarea";
const touched = new Set();
const told = JSON.parse(document.querySelector('meta[name="told"]')?.content ?? "null");
let token = document.querySelector('meta[name="csrf"]')?.content ?? "";
let asking = null;

document.addEventListener("input", (event) => event.target.matches?.(FIELDS) && touched.add(event.target), true);

// The back button, a link, a closed tab: the browser asks first.
addEventListener("beforeunload", (event) => written() && event.preventDefault());

/** What unsafe calls of this page carry. */
export const csrf = () => token;

/** Is anything written in a field below `place` that was not sent? */
export function written(place = document) {
  for (const field of touched) if (!field.isConnected) touched.delete(field);
  return [...touched].some((field) => place.contains(field) && field.value.trim() !== "");
}

/** What is written below `place` has been sent. */
export function sent(place) {
  for (const field of touched) if (place.contains(field)) touched.delete(field);
}

/** Whose session the browser has now: "same" (its token is this page's from here on), "other" or "none". */
export async function renewed() {
  const answer = await fetch("/api/console/me", { cache: "no-store", credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) return "none";
  const me = await answer.json();
  if (me.person !== told?.person) return "other";
  token = me.csrf;
  for (const field of document.querySelectorAll('input[name="csrf"]')) field.value = token;
  return "same";
}

/** To the sign-in, or over the page where something is typed. */
export async function signInAgain(say, again) {
  if (asking !== null) return;
  if (!written()) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  asking = ask(say);
  document.body.append(asking.node);
  asking.node.showModal();
  asking.password?.focus();
  await asking.ended;
  asking = null;
  again();
}

function ask(say) {
  let end;
  const ended = new Promise((done) => (end = done));
  const said = element("p", { class: "wrong", role: "alert", hidden: true });
  const tell = (text) => {
    put(said, text);
    said.hidden = text === "";
  };
  const node = element("dialog", { class: "sheet again", "aria-label": say("againTitle") });
  const look = async () => {
    const whose = await renewed();
    if (whose === "other") tell(say("againOther"));
    if (whose !== "same") return;
    clearInterval(timer);
    node.close();
    node.remove();
    end();
  };
  const timer = setInterval(() => document.hidden || look(), LOOK_MS);
  node.addEventListener("cancel", (event) => event.preventDefault());
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
  });
  const way = told.way === "password" ? byPassword(say, tell, look) : { nodes: [byProvider(say)] };
  node.append(
    element("div", { class: "sheet-head" }, element("h2", {}, say("againTitle"))),
    element("div", { class: "sheet-body" }, element("p", {}, say("againHint")), said, ...way.nodes),
  );
  return { node, ended, password: way.password };
}

function byPassword(say, tell, look) {
  const password = element("input", { id: "again-password", type: "password", autocomplete: "current-password", maxlength: "128", required: true });
  const button = element("button", { class: "main" }, say("enter"));
  const form = element(
    "form",
    { class: "form" },
    element("p", { class: "field" }, element("label", { for: "again-password" }, say("againPassword", told.person)), password),
    element("div", { class: "form-buttons" }, button),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const body = new URLSearchParams({ person: told.person, password: password.value, next: "/" });
      // Signed in, the answer leads on to a page: nobody needs to go there.
      const answer = await fetch("/sign-in", { method: "POST", body, cache: "no-store", credentials: "same-origin", redirect: "manual" });
      if (answer.type === "opaqueredirect") return await look();
      tell(answer.status === 429 ? say("wait", answer.headers.get("Retry-After")) : say("wrong"));
      password.select();
    } catch {
      tell(say("offline"));
    } finally {
      button.disabled = false;
    }
  });
  return { nodes: [form], password };
}

/** By the organisation's account, in a tab of its own; this page goes on as soon as that is done. */
function byProvider(say) {
  return element("p", { class: "form-buttons" }, element("a", { href: "/sign-in", target: "_blank", rel: "noopener" }, say("againElsewhere")));
}
