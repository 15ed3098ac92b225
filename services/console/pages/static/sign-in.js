// The sign-in works without this. It changes the language, and goes on when the browser is signed in already: the
// session's cookie is not sent when somebody comes by a link on another site, and this asks again from here.

import { Shell } from "./shell.js";

new Shell({ zh: {}, en: {} });

const next = document.querySelector('input[name="next"]');
if (next && !document.querySelector(".wrong")) {
  const answer = await fetch("/api/console/me", { credentials: "same-origin", cache: "no-store" });
  if (answer.ok) location.replace(next.value);
}
