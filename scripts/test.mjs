// npm test: every check and every test, on servers of its own. See scripts/verify/main.ts.
import { launch } from "./launcher.mjs";

await launch("scripts/verify/main.ts");
