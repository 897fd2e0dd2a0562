import type { JsonObject } from "#core";
import { compile } from "#graph";
import { describe, expect, test } from "vitest";
import type { ActivityContext, HttpRequestSpec, LiveCredential } from "../define.ts";
import { catalogue, describeNode } from "../index.ts";
import { compileCustomNode, type CustomNodeDefinition, customNodeFindings } from "./definition.ts";
import { customNodeType } from "./node-type.ts";
import { DEFINITION, runCustomNode, shownInputs } from "./run.ts";

const definition = (request: Partial<CustomNodeDefinition["request"]> = {}, more: Partial<CustomNodeDefinition> = {}): CustomNodeDefinition => ({
  display_name: "Weather",
  description: "",
  category: "custom",
  input_schema: {
    type: "object",
    properties: {
      city: { type: "string", description: "Where." },
      days: { type: "integer", minimum: 1 },
      raw: { type: "boolean", default: false },
      tags: { type: "array", items: { type: "string" } },
      pin: { type: "string", writeOnly: true },
    },
    required: ["city"],
  },
  request: { method: "GET", url: "https://api.example/", headers: {}, query: {}, timeout: "30s", follow_redirects: true, response_type: "auto", ...request },
  credential_types: [],
  ...more,
});

async function send(given: CustomNodeDefinition, inputs: JsonObject, body: unknown = {}, credential?: LiveCredential) {
  const sent: HttpRequestSpec[] = [];
  const context = {
    input: { arrived: true },
    tenantId: "t",
    idempotencyKey: "r:n:",
    credentials: { ...(credential && { credential }) },
    signal: new AbortController().signal,
    services: {
      http: {
        request: (spec: HttpRequestSpec) => {
          sent.push(spec);
          return Promise.resolve({
            status: 200,
            headers: { "content-type": "application/json" },
            url: "",
            body: new TextEncoder().encode(JSON.stringify(body)),
          });
        },
      },
    },
  } as unknown as ActivityContext;
  const { value } = await runCustomNode({ ...inputs, [DEFINITION]: compileCustomNode("weather", 1, given) }, context);
  return { value, sent: sent[0] };
}

describe("what may be registered", () => {
  test.each<[string, CustomNodeDefinition, string]>([
    ["a host that is filled in", definition({ url: "https://{{inputs.city}}/x" }), "request.url"],
    ["a host that is filled in in part", definition({ url: "https://api.{{city}}.example/x" }), "request.url"],
    ["a host that grows", definition({ url: "https://api.example{{city}}/x" }), "request.url"],
    ["a user in the URL", definition({ url: "https://api.example@evil.example/" }), "request.url"],
    ["a backslash in the host", definition({ url: "https://api.example\\evil/" }), "request.url"],
    ["another scheme", definition({ url: "file:///etc/passwd" }), "request.url"],
    ["an input nobody declared", definition({ url: "https://api.example/{{inputs.town}}" }), "request.url"],
    ["a secret", definition({ headers: { "X-Key": "{{secrets.KEY}}" } }), "request.headers.X-Key"],
    ["a node's value", definition({ body: { a: ["{{other.value}}"] } }), "request.body.a.0"],
    ["a template that does not parse", definition({ body: "{{#if city}}" }), "request.body"],
    ["a header of the client's", definition({ headers: { Host: "x" } }), "request.headers.Host"],
    ["a header that breaks the line", definition({ headers: { "a\r\nb": "x" } }), "request.headers.a\r\nb"],
    ["a timeout too long", definition({ timeout: "6m" }), "request.timeout"],
    ["a pattern", definition({}, { input_schema: { properties: { a: { pattern: "(a+)+$" } } } }), "input_schema.properties.a.pattern"],
    ["a reference", definition({}, { output_schema: { $ref: "#" } }), "output_schema.$ref"],
    ["an input with a taken name", definition({}, { input_schema: { properties: { credential: {} } } }), "input_schema.properties.credential"],
    ["an input with a bad name", definition({}, { input_schema: { properties: { $definition: {} } } }), "input_schema.properties.$definition"],
    ["inputs that are no object", definition({}, { input_schema: { type: "array" } }), "input_schema.type"],
    ["a schema that is none", definition({}, { input_schema: { properties: { a: { type: "text" } } } }), "input_schema.properties.a.type"],
    ["a bound that is none", definition({}, { output_schema: { anyOf: [{ minLength: -1 }] } }), "output_schema.anyOf.0.minLength"],
  ])("D5: When there is %s, then it is refused by its place", (_what, wrong, path) => {
    expect(customNodeFindings(wrong).map((finding) => finding.path)).toContain(path);
  });

  test("D5: When all is right, then nothing is found; schemas too deep or too many are refused", () => {
    expect(
      customNodeFindings(definition({ url: "https://api.example:8443/{{inputs.city}}?d={{days}}", body: { a: "{{#each tags}}{{this}}{{/each}}" } })),
    ).toEqual([]);
    let deep: JsonObject = {};
    for (let depth = 0; depth < 20; depth++) deep = { items: deep };
    expect(customNodeFindings(definition({}, { output_schema: deep }))).not.toEqual([]);
    const many = { properties: Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`p${n}`, {}])) };
    expect(customNodeFindings(definition({}, { output_schema: many }))).not.toEqual([]);
  });
});

describe("what is sent", () => {
  test("D5: When inputs are given, then they fill URL, headers, query and body in; what is not given is left out", async () => {
    const { sent, value } = await send(
      definition({
        method: "POST",
        url: "https://api.example/{{inputs.city}}/x?raw={{raw}}",
        headers: { "X-City": "in {{city}}", "X-Days": "{{days}}" },
        query: { tags: "{{tags}}", days: "{{days}}" },
        body: { city: "{{city}}", tags: "{{tags}}", days: "{{days}}" },
      }),
      { city: "ä/b?#&", tags: ["p", "q"] },
      { temperature: 3 },
    );
    expect(sent).toMatchObject({
      method: "POST",
      url: "https://api.example/%C3%A4%2Fb%3F%23%26/x?raw=false&tags=p&tags=q",
      headers: { "x-city": "in ä/b?#&", "content-type": "application/json" },
      body: '{"city":"ä/b?#&","tags":["p","q"],"days":null}',
    });
    expect(sent?.headers).not.toHaveProperty("x-days");
    expect(value).toEqual({ temperature: 3 });
  });

  test("D5: When there is no body in the definition, then what arrives is not sent", async () => {
    expect((await send(definition({ method: "POST" }), { city: "a" })).sent?.body).toBeUndefined();
  });

  test.each(["..", ".", "%2e%2E"])("F4 D5: When an input is %s, then it can lead to no other folder", async (city) => {
    const climbing = send(definition({ url: "https://api.example/a/{{city}}/b" }), { city });
    if (city.startsWith("%")) expect((await climbing).sent?.url).toBe("https://api.example/a/%252e%252E/b");
    else await expect(climbing).rejects.toMatchObject({ code: "validation.failed" });
  });

  test("D5: When inputs or answers do not fit their schema, then the failure says where", async () => {
    await expect(send(definition(), { city: 5, days: "0" })).rejects.toMatchObject({
      code: "validation.failed",
      findings: [{ path: "city" }, { path: "days" }],
    });
    const declared = definition({}, { output_schema: { type: "object", required: ["a"], properties: { a: { type: "number" } } } });
    await expect(send(declared, { city: "x" }, { a: "1" })).rejects.toMatchObject({ code: "upstream.rejected", findings: [{ path: "a" }] });
  });

  test("F2 D5: When a credential is named, then it proves who sends it, for its hosts only", async () => {
    const credential = { id: "c", type: "http_bearer", values: { token: "t-1", allowed_hosts: "api.example" } };
    expect((await send(definition(), { city: "x" }, {}, credential)).sent?.headers["authorization"]).toBe("Bearer t-1");
    await expect(send(definition({ url: "https://other.example/" }), { city: "x" }, {}, credential)).rejects.toMatchObject({ code: "outbound.refused" });
  });
});

describe("in graphs", () => {
  const graph = (inputs: JsonObject) => ({
    nodes: [
      { id: "start", type: "Start" },
      { id: "ask", type: "custom.weather", data: { inputs } },
    ],
    edges: [{ source: "start", target: "ask" }],
  });
  const compiled = (inputs: JsonObject, version = 4) => {
    const type = customNodeType("weather", version, definition());
    return compile(graph(inputs), { get: (name) => (name === type.type ? type : catalogue.get(name)), names: catalogue.names });
  };

  test("D5: When a graph is compiled, then its plan holds the version and checks what is static, text for numbers among it", () => {
    for (const inputs of [{ city: "Oslo", days: "2" }, { city: "{{inputs.city}}" }] as JsonObject[]) {
      const result = compiled(inputs);
      const step = result.ok ? result.plan.steps.find(({ id }) => id === "ask") : undefined;
      expect(step?.type).toBe("custom.weather");
      expect(JSON.stringify(step?.inputs)).toContain('"version":4');
    }
    const wrong = compiled({ city: "Oslo", days: "none", town: 1 });
    expect(wrong).toMatchObject({ ok: false, problems: [{ code: "input.invalid", path: "inputs.days" }], warnings: [{ code: "input.unknown" }] });
  });

  test("D5: When a graph writes the definition itself, then that counts for nothing", () => {
    const result = compiled({ city: "x", [DEFINITION]: { version: 99 } });
    expect(JSON.stringify(result)).not.toContain('"version":99');
    expect(result.ok).toBe(true);
  });

  test("B12 D5: When the type is described, then it is so as the others are", () => {
    const described = describeNode(customNodeType("weather", 1, definition({}, { credential_types: ["http_bearer"] })));
    expect(described).toMatchObject({ name: "custom.weather", node_type: "processor", category: "custom", available: true });
    expect(described.inputs.map(({ name, required }) => [name, required])).toEqual([
      ["city", true],
      ["days", false],
      ["raw", false],
      ["tags", false],
      ["pin", false],
      ["credential", false],
    ]);
    expect(customNodeType("weather", 1, definition()).confidential).toEqual(["pin"]);
  });

  test("D5: When inputs are shown, then the definition is its name and version", () => {
    expect(shownInputs({ city: "x", [DEFINITION]: { name: "weather", version: 2, url: {} } })).toEqual({
      city: "x",
      [DEFINITION]: { name: "weather", version: 2 },
    });
    expect(shownInputs({ city: "x" })).toEqual({ city: "x" });
  });
});
