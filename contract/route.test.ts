import { expect, test } from "vitest";
import { defineRoute, needs } from "./route.ts";

const route = { method: "get", path: "/x", operationId: "x", summary: "x", tags: [], responses: { 200: { description: "x" } } } as const;

test("F1: When a route does not say who may call it, or names a permission that there is not, then it does not compile", () => {
  // @ts-expect-error a route without access is none
  const withoutAccess = () => defineRoute(route);
  // @ts-expect-error there is no such permission
  const withoutPermission = () => defineRoute({ ...route, access: needs("everything") });
  const whole = defineRoute({ ...route, access: needs("workflow.read") });
  expect([typeof withoutAccess, typeof withoutPermission, whole.access.permission]).toEqual(["function", "function", "workflow.read"]);
});
