import { randomBytes } from "node:crypto";
import type { Paint } from "../infra/index.ts";
import { DemoClient, type RunView } from "./client.ts";
import { EventPrinter } from "./show.ts";
import { DEMO_INPUTS, DEMO_WORKFLOW } from "./workflow.ts";

export interface DemoAccount {
  email: string;
  password: string;
  workflowId: string;
}

/** Makes a user with a random password and saves the example, over the REST API. @throws ApiError. */
export async function prepareDemo(base: () => string): Promise<DemoAccount> {
  const client = new DemoClient(base);
  const account = { email: `demo-${randomBytes(3).toString("hex")}@example.com`, password: randomBytes(12).toString("base64url") };
  await client.register({ ...account, name: "Demo" });
  await client.login(account);
  const { id, problems = [] } = await client.saveWorkflow(DEMO_WORKFLOW);
  if (problems.length > 0) throw new Error(`The example has problems: ${problems.map(({ message }) => message).join("; ")}`);
  return { ...account, workflowId: id };
}

/** Whether the account still works and the example is still there: the database may be another one than last time. */
export async function isDemoUsable(base: () => string, { email, password, workflowId }: DemoAccount): Promise<boolean> {
  try {
    const client = new DemoClient(base);
    await client.login({ email, password });
    return await client.hasWorkflow(workflowId);
  } catch {
    return false;
  }
}

/** Runs the example and prints its events as they come. */
export async function runDemo(base: () => string, account: DemoAccount, colour: Paint, write: (text: string) => void, signal: AbortSignal): Promise<RunView> {
  const client = new DemoClient(base);
  await client.login(account);
  const { id } = await client.execute(account.workflowId, DEMO_INPUTS);
  const printer = new EventPrinter(write, colour);
  for await (const event of client.events(id, signal)) printer.print(event);
  return client.run(id);
}

/** Two commands to paste: sign in, then run the example and watch. */
export function curl(url: string, { email, password, workflowId }: DemoAccount): string {
  return [
    `TOKEN=$(curl -s ${url}/api/v1/auth/login -H 'content-type: application/json' -d '${JSON.stringify({ email, password })}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `curl -sN ${url}/api/v1/workflows/${workflowId}/execute/stream -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '${JSON.stringify({ inputs: DEMO_INPUTS })}'`,
  ].join("\n");
}
