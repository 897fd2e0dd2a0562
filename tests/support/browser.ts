import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";

/** Where distributions put it. */
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"];
/** Nothing of its own goes over the network. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser of PERDURE_CHROMIUM, or one that is installed; undefined where there is none. */
export function findBrowser(): string | undefined {
  const named = process.env["PERDURE_CHROMIUM"];
  return named !== undefined && named !== "" ? named : PLACES.find((path) => existsSync(path));
}

export interface OpenBrowser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** A browser without a past, in a folder of its own that goes with it. */
export async function openBrowser(executablePath: string): Promise<OpenBrowser> {
  const folder = mkdtempSync(join(tmpdir(), "perdure-browser-"));
  const context = await chromium.launchPersistentContext(folder, { executablePath, headless: true, args: QUIET, viewport: { width: 1440, height: 1000 } });
  return {
    context,
    async close() {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
