// The sign-in works without this; it only changes the language.

import { Language } from "./language.js";
import { OPERATIONS_TEXTS } from "./operations-texts.js";

new Language(OPERATIONS_TEXTS);
