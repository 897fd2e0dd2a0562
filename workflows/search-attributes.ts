import { defineSearchAttributeKey, type SearchAttributePair } from "@temporalio/common";

/** By these runs are found in Temporal's own lists. Not sealed by any codec: ids only, no personal data. */
export const SEARCH_ATTRIBUTES = {
  tenant: defineSearchAttributeKey("PerdureTenant", "KEYWORD"),
  workflow: defineSearchAttributeKey("PerdureWorkflow", "KEYWORD"),
  version: defineSearchAttributeKey("PerdureVersion", "INT"),
  trigger: defineSearchAttributeKey("PerdureTrigger", "KEYWORD"),
  schedule: defineSearchAttributeKey("PerdureSchedule", "KEYWORD"),
} as const;

/** Stands for the workflow of a run that has none. */
const AD_HOC = "ad-hoc";

export function searchAttributesOf(run: {
  tenant_id: string;
  workflow_id: string | null;
  version: number | null;
  trigger: string;
  schedule_id?: string;
}): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.tenant, value: run.tenant_id },
    { key: SEARCH_ATTRIBUTES.workflow, value: run.workflow_id ?? AD_HOC },
    ...(run.version === null ? [] : [{ key: SEARCH_ATTRIBUTES.version, value: run.version }]),
    { key: SEARCH_ATTRIBUTES.trigger, value: run.trigger },
    ...(run.schedule_id === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.schedule, value: run.schedule_id }]),
  ];
}
