import { defineSearchAttributeKey, type SearchAttributePair } from "@temporalio/common";
import type { TenantId } from "#core";
import type { StartRun } from "./types.ts";

/** By these runs are found in Temporal's own lists. Not sealed by any codec: ids only, no personal data. */
export const SEARCH_ATTRIBUTES = {
  tenant: defineSearchAttributeKey("PerdureTenant", "KEYWORD"),
  workflow: defineSearchAttributeKey("PerdureWorkflow", "KEYWORD"),
  version: defineSearchAttributeKey("PerdureVersion", "INT"),
  trigger: defineSearchAttributeKey("PerdureTrigger", "KEYWORD"),
} as const;

/** Stands for the workflow of a run that has none. */
const AD_HOC = "ad-hoc";

export function searchAttributesOf(
  tenant: TenantId,
  { workflowId, version, trigger }: Pick<StartRun, "workflowId" | "version" | "trigger">,
): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.tenant, value: tenant },
    { key: SEARCH_ATTRIBUTES.workflow, value: workflowId ?? AD_HOC },
    ...(version === null ? [] : [{ key: SEARCH_ATTRIBUTES.version, value: version }]),
    { key: SEARCH_ATTRIBUTES.trigger, value: trigger },
  ];
}
