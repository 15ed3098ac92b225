// The pages of the organisations: the server writes them, this only changes their language.

import { Language } from "./language.js";
import { PUBLIC_TEXTS } from "./texts.js";

const language = new Language(PUBLIC_TEXTS, write);

function write() {
  for (const element of document.querySelectorAll("[data-zh]")) {
    element.textContent = element.dataset[language.code];
  }
  for (const table of document.querySelectorAll(".wide table")) {
    const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    for (const cell of table.tBodies[0].querySelectorAll("td")) cell.dataset.label = names[cell.cellIndex];
  }
  const heading = document.querySelector("h1").textContent.trim();
  document.title = language.code === "en" ? `${heading} · Shanliu` : `${heading} · 善流`;
}

write();
