// The pages that the server writes, in Chinese: this only changes their language.

import { Language } from "./language.js";
import { PUBLIC_TEXTS } from "./texts.js";

const language = new Language(PUBLIC_TEXTS, write);

function write() {
  // On a telephone each row is a card, and each cell says what its column is.
  for (const table of document.querySelectorAll("table")) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    for (const cell of table.tBodies[0].querySelectorAll("td")) cell.dataset.label = names[cell.cellIndex];
  }
  document.title = `${document.querySelector("h1").textContent} · ${language.say("titleSuffix")}`;
}

write();
