import { expect, test } from "vitest";
import { ROLES } from "#contract";
import { createTestApp } from "./testing/test-app.ts";

const PATH = "/api/v1/organization/retention";
const KEPT = { run_events: null, node_rows: null, payloads: null, webhook_deliveries: null, schedule_firings: null, audit: null, idempotency_keys: null };

test("K4 F1: When days are set, then only an admin may, and what was left out has the operator's default", async () => {
  const { call, signUp, db } = createTestApp({}, { RETENTION_RUN_EVENTS_DAYS: 90, RETENTION_AUDIT_DAYS: 400 });
  const defaults = { ...KEPT, run_events: 90, audit: 400 };
  for (const role of ROLES) {
    const { token } = await signUp();
    db.setRole(db.state.users.at(-1)?.id as string, role);
    const answer = await call("PUT", PATH, { token, body: { days: { node_rows: 30, audit: null } } });
    expect([role, answer.status]).toEqual([role, role === "admin" ? 200 : 403]);
    const days = role === "admin" ? { ...defaults, node_rows: 30, audit: null } : defaults;
    expect((await call("GET", PATH, { token })).body).toEqual({ days, defaults });
    expect((await call("GET", "/api/v1/organization/storage", { token })).body).toEqual({ rows: 2, bytes: 10, kinds: [{ kind: "runs", rows: 2, bytes: 10 }] });
  }
});

test("K4: When days are out of bounds or of nothing that there is, then they are refused", async () => {
  const { call, signUp } = createTestApp();
  const { token } = await signUp();
  for (const days of [
    { run_events: 0 },
    { audit: 3_651 },
    { payloads: 30 },
    { webhook_deliveries: 6 },
    { schedule_firings: 1 },
    { idempotency_keys: 6 },
    { node_rows: 1.5 },
    { node_rows: "3" },
    { bananas: 3 },
    null,
  ]) {
    expect((await call("PUT", PATH, { token, body: { days } })).status, JSON.stringify(days)).toBe(422);
  }
  expect((await call("GET", PATH, { token })).body).toEqual({ days: KEPT, defaults: KEPT });
});
