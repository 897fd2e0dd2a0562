import type { JsonObject } from "#core";
import { NODE_TYPE, TIMER, WEBHOOK_WORKFLOW, WORKFLOW } from "../fixtures/documented-requests.ts";
import { until } from "./until.ts";

export type Send = (method: string, path: string, body?: unknown, bearer?: string) => Promise<Response>;

/** By the names that documented paths and requests have for them. */
type Things = Record<string, string>;

/**
 * Makes what a documented request speaks of, for it alone, by requests as documented: a workflow with a run that has ended; a webhook that was called once; a
 * job that has run once; a run whose HTTP request failed; a registered node type. `names` are those in `{…}`.
 */
export async function documentedThings(send: Send, names: readonly string[], method: string): Promise<Things> {
  const wants = (...some: string[]): boolean => some.some((name) => names.includes(name));
  const json = async <T = JsonObject>(...request: Parameters<Send>): Promise<T> => {
    const response = await send(...request);
    const text = await response.text();
    if (!response.ok) throw new Error(`${request[0]} ${request[1]} answered ${response.status}: ${text}`);
    return (text === "" ? {} : JSON.parse(text)) as T;
  };

  async function workflow(): Promise<Things> {
    const id = String((await json("POST", "/api/workflows/", WORKFLOW))["id"]);
    const run = await json("POST", `/api/v1/workflows/${id}/execute`, { inputs: { message: "Hello" }, mode: "wait" });
    if (run["status"] !== "completed") throw new Error(`The run did not end well: ${JSON.stringify(run)}`);
    return {
      id,
      workflow_id: id,
      execution_id: String(run["id"]),
      run_id: String(run["id"]),
      node_id: "openai_1",
      edge_id: "start_to_openai",
    };
  }

  /** Its request fails, and is logged all the same. */
  async function request(): Promise<Things> {
    const nodes = [
      { id: "start", type: "Start" },
      { id: "call", type: "HttpRequest", data: { url: "http://127.0.0.1:9/", policy: { retry: { max_attempts: 1 } } } },
    ];
    const { id } = await json("POST", "/api/v1/workflows", { name: "Request", flow_data: { nodes, edges: [{ source: "start", target: "call" }] } });
    await json("POST", `/api/v1/workflows/${String(id)}/execute`, { mode: "wait" });
    return { http_workflow_id: String(id) };
  }

  async function webhook(): Promise<Things> {
    const { id } = await json("POST", "/api/v1/workflows", WEBHOOK_WORKFLOW);
    const [hook = {}] = await json<JsonObject[]>("GET", `/api/v1/webhooks?workflow_id=${String(id)}`);
    const { webhook_id: hookId, security_token: token, webhook_url: url } = hook;
    await json("POST", new URL(String(url)).pathname, { test: "payload" }, String(token));
    if (wants("hookless_workflow_id")) await json("DELETE", `/api/v1/webhooks/${String(hookId)}`);
    return { hook_workflow_id: String(id), hookless_workflow_id: String(id), webhook_id: String(hookId), webhook_token: String(token) };
  }

  async function job(): Promise<Things> {
    const { workflow_id: workflowId = "" } = await workflow();
    const made = await json("POST", "/api/v1/jobs/scheduled", { workflow_id: workflowId, timer_config: TIMER });
    const path = `/api/v1/jobs/scheduled/${String(made["id"])}`;
    await json("POST", `${path}/trigger`);
    await until("the job has run", async () => (await json<JsonObject[]>("GET", `${path}/executions?status=completed`)).length > 0, 20_000);
    return { job_id: String(made["id"]), job_workflow_id: workflowId };
  }

  async function nodeType(): Promise<Things> {
    if (method === "get") return { type: "HttpRequest", node_type: "HttpRequest" };
    await json("POST", "/api/v1/nodes/registry", NODE_TYPE);
    return { node_type: "weather" };
  }

  return {
    ...(wants("id", "workflow_id", "execution_id", "run_id") && (await workflow())),
    ...(wants("webhook_id", "hook_workflow_id", "hookless_workflow_id") && (await webhook())),
    ...(wants("job_id", "job_workflow_id") && (await job())),
    ...(wants("http_workflow_id") && (await request())),
    ...(wants("type", "node_type") && (await nodeType())),
  };
}
