import { type JsonObject, uuidv7 } from "#core";
import { describe, expect, test } from "vitest";
import type { Approval } from "#runs";
import { createTestApp } from "./testing/test-app.ts";

const SCHEMA: JsonObject = {
  type: "object",
  properties: { amount: { type: "number", maximum: 100 }, iban: { type: "string", pattern: "^[A-Z]{2}\\d+$" } },
  required: ["amount", "iban"],
};

async function withApproval(fields: Partial<Approval> = {}) {
  const testApp = createTestApp();
  const user = await testApp.signUp();
  const runId = await testApp.startRun(user.token, await testApp.saveWorkflow(user.token));
  const run = testApp.db.state.runs[0];
  if (!run) throw new Error("no run");
  const approval: Approval = {
    id: uuidv7(),
    tenantId: run.tenantId,
    runId,
    nodeId: "ask",
    iteration: "2",
    kind: "approval",
    status: "pending",
    prompt: "Pay?",
    data: { amount: 7 },
    schema: null,
    assignees: [],
    decision: null,
    answer: null,
    comment: null,
    answeredBy: null,
    answeredAt: null,
    expiresAt: null,
    createdAt: new Date(),
    ...fields,
  };
  testApp.db.state.approvals.push(approval);
  const answer = (body: unknown) => testApp.call<JsonObject>("POST", `/api/v1/approvals/${approval.id}`, { token: user.token, body });
  return { ...testApp, user, runId, approval, answer };
}

describe("answering", () => {
  test("A9: When an approval is answered, then the run gets the answer of its node, and the approval reads as answered", async () => {
    const { answer, runs, runId, user } = await withApproval();
    const answered = await answer({ decision: "approved", data: { note: "ok" }, comment: "Fine." });
    expect([answered.status, answered.body["status"], answered.body["decision"]]).toEqual([200, "answered", "approved"]);
    expect(runs.commands).toEqual([
      {
        runId,
        by: user.userId,
        command: {
          kind: "answer",
          node_id: "ask",
          iteration: "2",
          answer: { decision: "approved", by: user.userId, at: expect.stringMatching(/Z$/), comment: "Fine.", data: { note: "ok" } },
        },
      },
    ]);
    const second = await answer({ decision: "rejected" });
    expect([second.status, second.body["code"]]).toEqual([409, "approval.answered"]);
    expect(runs.commands).toHaveLength(1);
  });

  test("A9: When no worker is there, then the answer is kept: 202", async () => {
    const { answer, runs } = await withApproval();
    runs.outcome = "kept";
    expect((await answer({ decision: "approved" })).status).toBe(202);
  });

  test("A9: When the data fail the schema, then it is 422 with every finding, and the approval stays open", async () => {
    const { answer, runs } = await withApproval({ schema: SCHEMA });
    const refused = await answer({ decision: "approved", data: { amount: 1000, iban: "x" } });
    expect([refused.status, refused.body["code"]]).toEqual([422, "validation.failed"]);
    expect((refused.body["errors"] as JsonObject[]).map((error) => error["path"]).toSorted()).toEqual(["data.amount", "data.iban"]);
    expect(runs.commands).toHaveLength(0);
    expect((await answer({ decision: "approved", data: { amount: 1, iban: "DE1" } })).status).toBe(200);
  });

  test("A9: When an input is asked for, then data are enough, and a decision is not an answer", async () => {
    const { answer, runs } = await withApproval({ kind: "input", schema: SCHEMA });
    for (const wrong of [{ decision: "approved", data: { amount: 1, iban: "DE1" } }, {}, { decision: "submitted" }])
      expect((await answer(wrong)).status).toBe(422);
    expect((await answer({ data: { amount: 1, iban: "DE1" } })).status).toBe(200);
    expect(runs.commands[0]?.command).toMatchObject({ answer: { decision: "submitted", data: { amount: 1, iban: "DE1" } } });
  });

  test("A9: When an approval gets no decision, then it is 422", async () => {
    const { answer } = await withApproval();
    for (const wrong of [{}, { decision: "submitted" }, { decision: "maybe" }, { data: 1 }]) expect((await answer(wrong)).status).toBe(422);
  });

  test("A9: When it is for others, then it is 403; for the assignee by id or address, in any case, 200", async () => {
    const others = await withApproval({ assignees: ["boss@example.com"] });
    expect((await others.answer({ decision: "approved" })).status).toBe(403);
    const mine = await withApproval({ assignees: ["boss@example.com", "User-1@Example.com"] });
    expect((await mine.answer({ decision: "approved" })).status).toBe(200);
  });

  test.each(["expired", "cancelled"] as const)("A9: When it is %s, then it is 409", async (status) => {
    const { answer } = await withApproval({ status });
    const refused = await answer({ decision: "approved" });
    expect([refused.status, refused.body["code"]]).toEqual([409, "run.state"]);
  });
});

describe("reading", () => {
  test("A9: When approvals are listed, then by status and by whether they are mine", async () => {
    const { call, user, approval, db } = await withApproval({ assignees: ["user-1@example.com"] });
    db.state.approvals.push({ ...approval, id: uuidv7(), assignees: ["boss@example.com"] }, { ...approval, id: uuidv7(), status: "answered" });
    const count = async (query: string): Promise<number> => (await call<unknown[]>("GET", `/api/v1/approvals${query}`, { token: user.token })).body.length;
    expect([await count(""), await count("?status=pending"), await count("?status=pending&mine=true"), await count("?mine=false")]).toEqual([3, 2, 1, 3]);
    expect([await count(`?execution_id=${approval.runId}`), await count(`?execution_id=${uuidv7()}`)]).toEqual([3, 0]);
    for (const written of [" USER-1@Example.COM ", user.userId, user.userId.toUpperCase()]) {
      const named = { ...approval, id: uuidv7(), assignees: ["boss@example.com", written] };
      db.state.approvals = [named];
      expect(await count("?mine=true"), written).toBe(1);
      expect((await call("POST", `/api/v1/approvals/${named.id}`, { token: user.token, body: { decision: "approved" } })).status, written).toBe(200);
    }
    db.state.approvals = [approval];
    const { body } = await call("GET", `/api/v1/approvals/${approval.id}`, { token: user.token });
    expect(body).toMatchObject({
      execution_id: approval.runId,
      node_id: "ask",
      prompt: "Pay?",
      data: { amount: 7 },
      assignees: ["user-1@example.com"],
      expires_at: null,
    });
  });
});
