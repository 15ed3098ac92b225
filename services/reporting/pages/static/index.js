// The list of campaigns: the server writes it, this only changes its language.

import { Language } from "./language.js";
import { PUBLIC_TEXTS } from "./texts.js";

const language = new Language(PUBLIC_TEXTS, write);

function write() {
  document.title = language.code === "en" ? "Shanliu · campaigns" : "善流 · 募捐活动";
  for (const link of document.querySelectorAll("[data-zh]")) link.textContent = link.dataset[language.code];
}

write();
