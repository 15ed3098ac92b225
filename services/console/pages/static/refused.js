// A page that this account may not see: the shell, and how to go on.

import { Shell } from "./shell.js";

new Shell({ zh: {}, en: {} });
