import { compile } from "#graph";
import { catalogue } from "#nodes";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSchemaChecks } from "./schema-checks.ts";
import { readTemplates } from "./templates.ts";
import { createTestApp } from "./testing/test-app.ts";

const templates = await readTemplates();

describe("the gallery", () => {
  test("A13: When it is read, then it has a dozen templates or nearly, of several categories, each with its own id and name", () => {
    const all = templates.list();
    expect(all.length).toBeGreaterThanOrEqual(8);
    expect(new Set(all.map(({ category }) => category)).size).toBeGreaterThanOrEqual(4);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    for (const { id } of all) expect(id).toMatch(/^[a-z][a-z0-9-]*$/);
  });

  test.each(templates.list().map((template) => [template.id, template] as const))(
    "A13: When %s is compiled, then it has neither problems nor warnings, and its example fits its schema",
    async (_id, { flow_data: graph, example_inputs: inputs }) => {
      const compiled = compile(graph, catalogue);
      expect(compiled).toMatchObject({ ok: true, warnings: [] });
      if (!compiled.ok) return;
      const checks = createSchemaChecks({ timeoutMs: 5_000 });
      if (compiled.plan.inputs_schema) expect(await checks.check(compiled.plan.inputs_schema, inputs, "inputs")).toEqual([]);
      await checks.close();
    },
  );

  test("A13: When a file is no template, then the process says which and does not start", async () => {
    const folder = await mkdtemp(join(tmpdir(), "templates-"));
    await writeFile(join(folder, "odd.yaml"), "format: perdure.workflow\nname: Odd\n");
    await expect(readTemplates(folder)).rejects.toMatchObject({ code: "configuration.invalid", message: "templates/odd.yaml is no template." });
    await rm(folder, { recursive: true });
  });
});

describe("templates over REST", () => {
  test("A13 D6: When they are listed, then without graphs, by category and by words; one has its graph", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    const all = await call<{ id: string; category: string }[]>("GET", "/api/v1/templates", { token });
    expect([all.status, all.headers.get("x-total-count")]).toEqual([200, String(templates.list().length)]);
    expect(all.body.every((template) => !("flow_data" in template))).toBe(true);
    const found = await call<{ id: string }[]>("GET", "/api/v1/templates?category=Commerce&search=compensation", { token });
    expect(found.body.map(({ id }) => id)).toEqual(["order-saga"]);
    const one = await call("GET", "/api/templates/order-saga", { token });
    expect(one.body).toMatchObject({
      id: "order-saga",
      secrets: ["SHOP_TOKEN"],
      node_types: ["End", "HttpRequest", "Start"],
      flow_data: { nodes: expect.any(Array) },
    });
    expect((await call("GET", "/api/v1/templates/__proto__", { token })).status).toBe(404);
  });

  test("A13: When one is used, then it is saved as a workflow of the caller's, under a name of theirs where they give one", async () => {
    const { call, signUp, db } = createTestApp();
    const { token } = await signUp();
    const used = await call("POST", "/api/v1/templates/expense-approval/use", { token, body: { name: "Our expenses" } });
    expect([used.status, used.headers.get("etag")]).toEqual([201, '"1"']);
    expect(used.body).toMatchObject({
      name: "Our expenses",
      problems: [],
      tags: ["approval", "timeout", "escalation"],
      flow_data: templates.get("expense-approval")?.flow_data,
    });
    expect((await call("POST", "/api/v1/templates/expense-approval/use", { token })).body["name"]).toBe("Expense approval");
    expect(db.state.workflows).toHaveLength(2);
    expect(db.state.runs).toEqual([]);
  });
});
