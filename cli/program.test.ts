import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { runProgram } from "./program.ts";

/** Sets a window's title, clears the screen, hides what follows: by ESC and by the one-byte form of C1. */
const ATTACK = "\u001b]0;pwned\u0007\u001b[2J\u009b8m\u007f";
const ID = "01890000-0000-7000-8000-000000000001";

/** Whatever it says comes from other people. */
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    const workflow = { id: ID, name: `Daily${ATTACK}`, version: 1, problems: [], warnings: [], flow_data: { nodes: [], edges: [] } };
    const error = { code: `node${ATTACK}`, message: `failed${ATTACK}`, node_id: `ask${ATTACK}` };
    const answers: Record<string, [number, unknown]> = {
      "GET /api/v1/auth/me": [200, { email: `a${ATTACK}@example.com`, organization: { name: `Acme${ATTACK}` }, role: "admin" }],
      [`GET /api/v1/workflows/${ID}`]: [200, workflow],
      [`GET /api/v1/workflows/${ID}/export`]: [200, { name: workflow.name }],
      [`POST /api/v1/workflows/${ID}/execute`]: [201, { id: ID, status: "failed" }],
      [`GET /api/v1/executions/${ID}/result`]: [200, { id: ID, status: "failed", error }],
      [`GET /api/v1/executions/${ID}`]: [200, { id: ID, status: "failed", error }],
      "GET /api/v1/executions": [200, [{ id: ID, status: `ran${ATTACK}`, created_at: "now", workflow_name: workflow.name, error_message: ATTACK }]],
      [`GET /api/v1/executions/${ID}/events`]: [
        200,
        [{ seq: 1, kind: "node_start", run_id: ID, at: "now", node_id: "ask", iteration: `0${ATTACK}`, name: ATTACK, type: "Prompt" }],
      ],
    };
    const [status, body] = answers[`${request.method} ${path}`] ?? [
      422,
      {
        status: 422,
        code: `no${ATTACK}`,
        title: `T${ATTACK}`,
        detail: `No ${path}${ATTACK}`,
        errors: [{ code: "c", message: ATTACK, path: ATTACK, hint: ATTACK }],
      },
    ];
    if (request.url?.includes("format=yaml") || request.headers.accept?.includes("yaml")) {
      response.writeHead(200, { "content-type": "application/yaml" });
      response.end(stringify({ name: workflow.name }));
      return;
    }
    response.writeHead(status, { "content-type": status === 422 ? "application/problem+json" : "application/json" });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

/** Everything that was written to the terminal. */
async function written(args: readonly string[], isColoured = false): Promise<string> {
  let text = "";
  const write = (more: string): void => void (text += more);
  const terminal = {
    out: write,
    err: write,
    readInput: async () => "",
    ask: async () => undefined,
    isColoured,
    env: { PERDURE_URL: url, PERDURE_TOKEN: "pdk_x" },
  };
  await runProgram({ args, cwd: "/", home: "/nowhere", terminal, signal: new AbortController().signal });
  return text;
}

const COMMANDS = [["whoami"], ["run", ID], ["run", ID, "--wait"], ["runs"], ["logs", ID], ["pull", ID], ["pull", ID, "--format", "yaml"], ["approve", ID]];

test.each(COMMANDS.flatMap((args) => [[args], [[...args, "--json"]]]))(
  "F4: When the API's answers hold terminal escapes, then `perdure %j` prints none of them",
  async (args) => {
    const text = await written(args);
    expect(text.trim()).not.toBe("");
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(text.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g)).toBeNull();
  },
);

test("F4: When the terminal shows colours, then the program's own are left and others' sequences are not", async () => {
  const text = await written(["logs", ID], true);
  expect(text).toContain("\u001b[34m▸\u001b[39m");
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  expect(text.replaceAll(/\u001b\[(?:2|22|3[49])m/g, "").match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g)).toBeNull();
});

test("D9: When the outcome is asked for as JSON, or a workflow is read, then it holds what the API said, to the character", async () => {
  expect(JSON.parse(await written(["whoami", "--json"]))).toMatchObject({ organization: { name: `Acme${ATTACK}` } });
  for (const more of [[], ["--format", "yaml"]]) expect(parse(await written(["pull", ID, ...more]))).toEqual({ name: `Daily${ATTACK}` });
});
