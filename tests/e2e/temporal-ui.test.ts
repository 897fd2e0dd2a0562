import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { nextFreePort, silentProgress, startTemporal, temporalBinary, type TemporalServer } from "../../scripts/infra/index.ts";
import { findBrowser, type OpenBrowser, openBrowser } from "../support/browser.ts";
import { TestClient } from "../support/client.ts";
import { startCountingServer, type CountingServer } from "../support/counting-server.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { createTemporaryFolder } from "../support/temporary-folder.ts";

const browserPath = findBrowser();
if (browserPath === undefined) {
  process.stderr.write("\n*** NOT RUN: no Chromium was found. Temporal's Web UI has not been opened; PERDURE_CHROMIUM names a browser. ***\n\n");
}

const IMAGE = fileURLToPath(new URL("../../docs/images/temporal-payloads.png", import.meta.url));
const EMAIL = "ada@example.com";
const PASSWORD = "correct horse battery";
const CUSTOMER = "Ada Lovelace";

let perdure: Perdure;
let temporal: TemporalServer;
let outside: CountingServer;
let browser: OpenBrowser;
let folder: Awaited<ReturnType<typeof createTemporaryFolder>>;

beforeAll(async () => {
  if (browserPath === undefined) return;
  folder = await createTemporaryFolder();
  const port = await nextFreePort(21_000 + Math.floor(Math.random() * 5_000));
  outside = await startCountingServer();
  temporal = await startTemporal({
    binary: await temporalBinary(silentProgress.step("")),
    folder: join(folder.path, "temporal"),
    logFile: join(folder.path, "temporal.log"),
    codecEndpoint: `http://127.0.0.1:${port}/api/v1/codec`,
    disposable: true,
  });
  perdure = await startPerdure({ PORT: String(port), TEMPORAL_UI_URL: temporal.uiUrl }, { temporalAddress: temporal.url });
  browser = await openBrowser(browserPath);
});
afterAll(async () => {
  await browser?.close();
  await perdure?.stop();
  await outside?.close();
  await temporal?.stop();
  await folder?.remove();
});

/** As somebody would in the API's own pages: the sign-in leaves the cookie that the codec endpoint takes. */
async function signIn(page: Page): Promise<string> {
  await page.goto(`${perdure.base}/docs/`);
  return page.evaluate(
    async (body) => {
      const answer = await fetch("/api/v1/auth/login", { method: "POST", headers: { "content-type": "application/json" }, body });
      return ((await answer.json()) as { access_token: string }).access_token;
    },
    JSON.stringify({ email: EMAIL, password: PASSWORD }),
  );
}

/**
 * As docs/api.md says, under the glasses: the server's setting knows the endpoint, but not that the browser is to send its cookies there. The form
 * lies partly below the page it belongs to, so its parts are told and not clicked at.
 */
async function sendSignInAlong(page: Page): Promise<void> {
  await page.getByTestId("data-encoder-status-error").first().click();
  await page.getByRole("button", { name: /Cluster-level setting/ }).click();
  await page.locator("#use-local-endpoint-radio").dispatchEvent("click");
  await page.getByPlaceholder("Paste your endpoint here").fill(`${perdure.base}/api/v1/codec`);
  await page.locator("#pass-access-credentials").dispatchEvent("click");
  await page.getByTestId("confirm-data-encoder-button").dispatchEvent("click");
  await page.waitForFunction(() => localStorage.getItem("includeCredentials") === "true");
}

test.skipIf(browserPath === undefined)(
  "K3: When a run's link is opened in a browser, then Temporal's Web UI shows its nodes by name, and what they took and gave once somebody of the organization has signed in",
  async () => {
    await new TestClient(perdure.base).post("/api/v1/auth/register", { email: EMAIL, password: PASSWORD, name: "Ada" });
    const page = await browser.context.newPage();
    const user = new TestClient(perdure.base, await signIn(page));
    const workflow = await user.saveWorkflow(
      {
        nodes: [
          { id: "start", type: "Start" },
          {
            id: "fetch",
            type: "HttpRequest",
            data: { name: "Fetch the order", inputs: { url: `${outside.url}/orders`, method: "POST", body: { customer: "{{inputs.customer}}" } } },
          },
          { id: "ask", type: "HumanApproval", data: { name: "Ask the boss", inputs: { prompt: "Ship it?", timeout: "1 day" } } },
          { id: "end", type: "End", data: { inputs: { value: { customer: "{{inputs.customer}}" } } } },
        ],
        edges: [
          { source: "start", target: "fetch" },
          { source: "fetch", target: "ask" },
          { source: "ask", target: "end", sourceHandle: "approved" },
        ],
      },
      "Order approval",
    );
    const run = await user.start(workflow, { customer: CUSTOMER });
    const waiting = await user.until(run, ["waiting"]);
    const link = (waiting["links"] as { temporal_ui: string }).temporal_ui;
    await page.goto(link);
    await page.getByText("Event History").first().waitFor();
    await page.getByTestId("data-encoder-status-error").first().waitFor();
    expect(await page.locator("body").innerText(), "before the sign-in is sent along").not.toContain(CUSTOMER);

    await sendSignInAlong(page);
    await page.reload();
    await page.getByText(CUSTOMER).first().waitFor();
    await page.getByText("Fetch the order (HttpRequest)").first().waitFor();
    const shown = await page.locator("body").innerText();
    for (const text of ["Fetch the order (HttpRequest)", "Ask the boss (HumanApproval)", "Order approval v1", CUSTOMER]) expect(shown).toContain(text);
    const picture = process.env["UPDATE_IMAGES"];
    if (picture !== undefined && picture !== "") {
      await page.setViewportSize({ width: 1440, height: 1600 });
      await page.screenshot({ path: IMAGE });
    }
  },
);
