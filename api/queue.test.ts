import { ROLES } from "#contract";
import { describe, expect, test } from "vitest";
import { createTestApp } from "./testing/test-app.ts";

describe("the queue", () => {
  test("A11 F1: When the limit of an organization is set, then only an admin may, and everybody sees it", async () => {
    const { call, signUp, db } = createTestApp();
    for (const role of ROLES) {
      const { token } = await signUp();
      db.setRole(db.state.users.at(-1)?.id as string, role);
      const answer = await call("PUT", "/api/v1/queue/limit", { token, body: { limit: 3 } });
      expect([role, answer.status]).toEqual([role, role === "admin" ? 200 : 403]);
      const { body } = await call("GET", "/api/v1/queue", { token });
      expect(body).toMatchObject({ limit: role === "admin" ? 3 : null, operator_limit: 20, queued: 0, workflows: [] });
    }
  });

  test("A11: When a limit is no number from 1 on, then it is refused", async () => {
    const { call, signUp } = createTestApp();
    const { token } = await signUp();
    for (const limit of [0, -1, 1.5, "3", 1e9]) expect((await call("PUT", "/api/v1/queue/limit", { token, body: { limit } })).status, String(limit)).toBe(422);
    expect((await call("PUT", "/api/v1/queue/limit", { token, body: {} })).status).toBe(422);
    expect((await call("PUT", "/api/v1/queue/limit", { token, body: { limit: null } })).status).toBe(200);
  });

  test("A11: When a run is queued for a slot, then its waiting_for says so, with its place", async () => {
    const { call, signUp, saveWorkflow, startRun, db } = createTestApp();
    const { token } = await signUp();
    const id = await startRun(token, await saveWorkflow(token));
    Object.assign(db.state.runs[0] as object, { slot: { state: "queued", paused: false, position: 4 } });
    const { body } = await call("GET", `/api/v1/executions/${id}`, { token });
    expect(body["waiting_for"]).toEqual([{ kind: "slot", node_id: "", iteration: "", position: 4 }]);
  });
});
