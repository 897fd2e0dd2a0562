import { describe, expect, test } from "vitest";
import { canonicalBody, canonicalQuery, documentedReply } from "./adaptation.ts";
import { createTestApp } from "./testing/test-app.ts";

describe("bodies", () => {
  const fields = { workflow_data: "flow_data", input_text: "inputs.input", "config.url": "data.url" };

  test("D8: When documented fields are sent, then they are read under their canonical names and the others stay", () => {
    expect(canonicalBody({ workflow_data: { nodes: [] }, input_text: "hi", mode: "wait" }, fields)).toEqual({
      flow_data: { nodes: [] },
      inputs: { input: "hi" },
      mode: "wait",
    });
    expect(canonicalBody({ config: { url: "u", more: 1 } }, fields)).toEqual({ config: { more: 1 }, data: { url: "u" } });
  });

  test("D8: When both names are sent, then the canonical one is read; what cannot hold the field is left to the schema", () => {
    expect(canonicalBody({ flow_data: { nodes: [1] }, workflow_data: {}, inputs: { input: "a", b: 1 }, input_text: "c" }, fields)).toEqual({
      flow_data: { nodes: [1] },
      inputs: { input: "a", b: 1 },
    });
    expect(canonicalBody({ inputs: [1], input_text: "c" }, fields)).toEqual({ inputs: [1] });
    for (const body of [undefined, null, "text", [1]]) expect(canonicalBody(body, fields)).toBe(body);
  });

  test("F4: When fields are named as parts of prototypes, then they are fields", () => {
    const body = canonicalBody(JSON.parse('{"__proto__":{"a":1},"input_text":"x"}'), { ...fields, __proto__: "b" });
    expect(JSON.stringify(body)).toBe('{"__proto__":{"a":1},"inputs":{"input":"x"}}');
  });
});

test("D8: When documented parameters are sent, then they are read under their canonical names, which go before them", () => {
  expect(canonicalQuery({ active: "true", limit: "5" }, { active: "is_active" })).toEqual({ is_active: "true", limit: "5" });
  expect(canonicalQuery({ active: "true", is_active: "false" }, { active: "is_active" })).toEqual({ is_active: "false" });
});

describe("answers", () => {
  const adaptation = { answer: { user_id: "created_by", schema: { in: "inputs" } }, replies: { 204: { status: 200, body: { message: "Deleted." } } } };

  test("D8: When an answer is adapted, then documented fields stand beside the canonical ones, also in lists", () => {
    const documented = { created_by: "u", inputs: [1], user_id: "u", schema: { in: [1] } };
    expect(documentedReply({ status: 200, body: { created_by: "u", inputs: [1] } }, adaptation).body).toEqual(documented);
    expect(documentedReply({ status: 200, body: [{ created_by: "u", inputs: [1] }] }, adaptation).body).toEqual([documented]);
    expect(documentedReply({ status: 200, body: { created_by: null } }, adaptation).body).toEqual({ created_by: null, user_id: null, schema: {} });
  });

  test("D8: When another status is documented, then it is that, with its body", () => {
    expect(documentedReply({ status: 204, body: undefined }, adaptation)).toEqual({ status: 200, body: { message: "Deleted." } });
  });
});

test("D8: When a documented path is called, then request and answer are as documented, and the canonical path is as it was", async () => {
  const { call, signUp, saveWorkflow } = createTestApp();
  const { token } = await signUp();
  const id = await saveWorkflow(token);
  const started = await call("POST", `/api/workflows/${id}/execute`, { token, body: { inputs: { a: 1 } } });
  expect(started.body).toMatchObject({ run_id: started.body["id"], user_id: started.body["created_by"] });
  const canonical = await call("GET", `/api/v1/executions/${started.body["id"]}`, { token });
  expect(canonical.body).not.toHaveProperty("user_id");
  const adHoc = await call("POST", "/api/v1/workflows/execute", { token, body: { workflow_data: { nodes: [{ id: "a", type: "Start" }] }, input_text: "hi" } });
  expect([adHoc.status, adHoc.body["inputs"]]).toEqual([201, { input: "hi" }]);
  const deleted = await call("DELETE", `/api/workflows/${id}`, { token });
  expect([deleted.status, deleted.body]).toEqual([200, { message: "Deleted." }]);
  const profile = await call("GET", "/api/v1/auth/profile", { token });
  expect(profile.body["full_name"]).toBe(profile.body["name"]);
});
