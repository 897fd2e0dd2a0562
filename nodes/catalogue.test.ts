import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isObject, parseDuration } from "#core";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { generate } from "../scripts/gen.ts";
import { inlineNodes } from "./inline.gen.ts";
import { catalogue, definitions, describeNode, nodeDefinition } from "./index.ts";

const RESERVED_INPUTS = new Set(["input", "output", "error"]);
const SNAKE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

describe.each(definitions.map((definition) => [definition.type, definition] as const))("%s", (type, definition) => {
  test("B12: When it is described, then every schema converts and every name has a text", () => {
    const metadata = describeNode(definition);
    expect(metadata.name).toBe(type);
    for (const said of [metadata.display_name, metadata.description, metadata.category]) expect(said).not.toBe("");
    for (const input of metadata.inputs) expect(input.description, `input ${input.name}`).not.toBe("");
    for (const output of metadata.outputs) expect(output.description, `output ${output.name}`).not.toBe("");
    expect(isObject(JSON.parse(JSON.stringify(metadata.input_schema)))).toBe(true);
    expect(() => z.fromJSONSchema(metadata.input_schema as Parameters<typeof z.fromJSONSchema>[0])).not.toThrow();
  });

  test("When its names are read, then they are snake_case and stand for something", () => {
    const inputs = Object.keys(definition.inputs.shape);
    for (const name of inputs) {
      expect(name).toMatch(SNAKE);
      expect(RESERVED_INPUTS.has(name), name).toBe(false);
    }
    for (const [alias, target] of Object.entries(definition.inputAliases ?? {})) {
      expect(inputs, `alias ${alias}`).toContain(target);
      expect(inputs, `alias ${alias}`).not.toContain(alias);
    }
    for (const path of Object.keys(definition.dialects ?? {})) expect(inputs).toContain(path.split(".")[0]);
    if (definition.templatingSwitch) expect(inputs).toContain(definition.templatingSwitch);
    const fields = z.toJSONSchema(definition.outputs, { io: "output" }).properties;
    for (const target of Object.values(definition.outputAliases ?? {})) expect(Object.keys(fields ?? {})).toContain(target);
  });

  test("When its defaults are parsed again, then they stay what they are", () => {
    for (const [name, schema] of Object.entries(definition.inputs.shape)) {
      const parsed = (schema as z.ZodType).safeParse(undefined);
      if (!parsed.success || parsed.data === undefined) continue;
      expect((schema as z.ZodType).parse(parsed.data), name).toEqual(parsed.data);
      expect(JSON.parse(JSON.stringify(parsed.data)), name).toEqual(parsed.data);
    }
  });

  test("A4: When it has a policy, then its time-out is a duration", () => {
    const timeout = definition.policy?.timeout;
    expect(timeout === undefined ? definition.kind !== "activity" : (parseDuration(timeout) ?? 0) > 0).toBe(true);
  });

  test("When it is asked for by any of its names, then it is found", () => {
    for (const name of [type, ...(definition.aliases ?? [])]) expect(catalogue.get(name)).toBe(nodeDefinition(type));
  });
});

test("B1: When the catalogue is listed, then the core nodes are there and can run", () => {
  const names = [...catalogue.names()];
  for (const name of [
    "Start",
    "StartNode",
    "WebhookTrigger",
    "WebhookStartNode",
    "TimerStartNode",
    "End",
    "EndNode",
    "Set",
    "Template",
    "PromptTemplate",
    "Transform",
    "Condition",
    "IfElse",
    "condition",
    "Switch",
    "Merge",
    "Delay",
    "WaitUntil",
    "HumanApproval",
    "HumanInput",
    "HttpRequest",
    "http_request",
    "OpenAINode",
    "OpenAIChat",
    "Loop",
    "LoopNode",
    "MapReduce",
    "ForEach",
    "Iterator",
    "SubWorkflow",
    "ExecuteWorkflow",
    "WaitForEvent",
    "Code",
  ]) {
    expect(names).toContain(name);
    expect(catalogue.get(name)?.unavailable, name).toBeUndefined();
  }
  expect(new Set(names).size).toBe(names.length);
});

test("A1: When the documented graph with two triggers is read, then every input it uses is declared", () => {
  const documented: Record<string, string[]> = {
    WebhookTrigger: ["authentication_required", "allowed_event_types", "max_payload_size", "rate_limit_per_minute"],
    OpenAINode: ["model", "temperature", "max_tokens", "system_message", "enable_streaming"],
    TimerStartNode: ["schedule_type", "cron_expression", "timezone", "auto_trigger_workflow", "max_executions", "retry_on_failure"],
    HttpRequest: ["method", "url", "headers", "enable_templating"],
  };
  for (const [type, inputs] of Object.entries(documented)) {
    const definition = catalogue.get(type);
    for (const input of inputs) expect([...Object.keys(definition?.inputs.shape ?? {}), ...Object.keys(definition?.inputAliases ?? {})]).toContain(input);
  }
  expect(catalogue.get("WebhookTrigger")?.inputs.parse({ allowed_event_types: "api.request,data.process", max_payload_size: 2048 })).toMatchObject({
    allowed_event_types: ["api.request", "data.process"],
    max_payload_size: 2048,
  });
});

test("When the generated registries are compared with the files, then they are fresh", async () => {
  const root = join(import.meta.dirname, "..");
  for (const [path, content] of await generate(root)) expect(await readFile(join(root, path), "utf8"), path).toBe(content);
});

test("A3: When an inline node is bundled for workflows, then it reaches only zod, core and pure files of the catalogue", async () => {
  const root = import.meta.dirname;
  const queue = [join(root, "inline.gen.ts")];
  const seen = new Set(queue);
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    const source = await readFile(path, "utf8");
    for (const [, statement = "", specifier = ""] of source.matchAll(/^(import|export)[^;]*? from "([^"]+)";/gms)) {
      expect(statement).not.toBe("");
      if (!specifier.startsWith(".")) {
        expect(["zod", "#core", "#graph"], `${path} imports ${specifier}`).toContain(specifier);
        if (specifier === "#graph") expect(source, path).toMatch(/import type [^;]*from "#graph"/);
        continue;
      }
      const target = join(dirname(path), specifier);
      expect(target.startsWith(root), target).toBe(true);
      if (!seen.has(target)) queue.push(target);
      seen.add(target);
    }
    expect(source, path).not.toMatch(/\b(async|await|setTimeout|setInterval|Date\.now|Math\.random|crypto)\b/);
  }
  expect(Object.keys(inlineNodes)).toEqual(expect.arrayContaining(["Condition", "End", "Merge", "Set", "Switch", "Template"]));
});
