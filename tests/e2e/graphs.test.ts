import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "#core";
import { graphCases } from "../support/graph-cases.ts";
import { recordHistory } from "../support/record-history.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { until } from "../support/until.ts";

let perdure: Perdure;

beforeAll(async () => {
  perdure = await startPerdure();
});
afterAll(async () => {
  await perdure?.stop();
});

const FORMS = ["standard", "express"] as const;

test.each(FORMS.flatMap((form) => graphCases.map((graphCase) => [form, graphCase.title, graphCase] as const)))(
  "A5 D2 D4, %s: %s",
  async (execution, _title, { file, flow_data: graph, inputs, answers = {}, expected }) => {
    const { user } = perdure;
    const run = await user.start(await user.saveWorkflow({ ...graph, settings: { ...graph.settings, execution } }), inputs);
    for (const [node, answer] of Object.entries(answers)) {
      let id: unknown;
      await until(`the wait of ${node}`, async () => {
        const { body } = await user.get<JsonObject[]>("/api/v1/approvals?status=pending");
        id = body.find((approval) => approval["execution_id"] === run && approval["node_id"] === node)?.["id"];
        return id !== undefined;
      });
      expect((await user.post(`/api/v1/approvals/${id}`, answer)).status).toBe(200);
    }
    const ended = await user.ended(run);
    expect(ended["status"]).toBe(expected.status);
    if (expected.outputs !== undefined) expect(ended["outputs"]).toEqual(expected.outputs);
    if (expected.failed_node !== undefined) expect(ended["error"]).toMatchObject({ node_id: expected.failed_node });
    expect(await user.nodeStatuses(run)).toEqual(expected.nodes);
    const { body: events } = await user.get<JsonObject[]>(`/api/v1/executions/${run}/events?limit=500`);
    expect(events.map((event) => event["seq"])).toEqual(events.map((_event, at) => at + 1));
    expect(events.at(-1)).toMatchObject({ kind: expected.status === "completed" ? "workflow_complete" : "error" });
    if (process.env["RECORD_HISTORIES"] && execution === "standard") await recordHistory(perdure, ended, file);
  },
);
