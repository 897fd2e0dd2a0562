// npm start: everything from one command. See scripts/supervisor/main.ts.
import { launch } from "./launcher.mjs";

await launch("scripts/supervisor/main.ts");
