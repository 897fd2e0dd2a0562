import { z } from "@hono/zod-openapi";
import { expect, test } from "vitest";
import { canonicalOf, pathsOf, servedPaths } from "./aliases.ts";
import { type AnswerFields, DOCUMENTED, type ServedEndpoint } from "./documented.ts";
import { replySchema } from "./route.ts";
import { routes } from "./routes.ts";

const served = DOCUMENTED.filter((row): row is ServedEndpoint => "serves" in row);
const leaves = (fields: AnswerFields): string[] => Object.values(fields).flatMap((source) => (typeof source === "string" ? [source] : leaves(source)));
const bare = (path: string): string => path.replaceAll(/\{\w+\}/g, "{}").replace(/\/$/, "");

test.each(served)(
  "D8: When $system documents $method $path, then its canonical route takes the method and one of its paths is that",
  ({ method, path, serves }) => {
    expect(routes[serves].method).toBe(method);
    expect(pathsOf(serves).map(bare)).toContain(bare(path));
  },
);

test.each(served.filter(({ adapts }) => adapts))("D8: When $system renames fields of $method $path, then they are fields of the canonical answer", (row) => {
  const { path, serves, adapts } = row;
  expect(bare(path), "the canonical path answers as it is").not.toBe(bare(canonicalOf(row).path));
  const status = Number(Object.keys(routes[serves].responses)[0]);
  const schema = replySchema(routes[serves], status) ?? replySchema(routes[serves], 201);
  const item = schema instanceof z.ZodArray ? schema.element : schema;
  if (!(item instanceof z.ZodObject)) return;
  const isOpen = item.def.catchall !== undefined;
  for (const source of leaves(adapts?.answer ?? {})) if (!isOpen) expect(Object.keys(item.shape)).toContain(source.split(".")[0]);
});

test("D8: When a system documents a path twice, then only its methods differ, and every row names a requirement", () => {
  const keys = DOCUMENTED.map(({ system, method, path }) => `${system} ${method} ${bare(path)}`);
  expect(new Set(keys).size).toBe(keys.length);
  for (const { requirement } of DOCUMENTED) expect(requirement).toMatch(/^[A-M]\d+$/);
});

test("D8: When two systems document one path, then it answers what both do", () => {
  const { adaptation, systems } = servedPaths("executeWorkflow").find(({ path }) => path === "/api/workflows/{id}/execute") ?? {};
  expect(systems).toEqual(["kai_backend", "workflow_builder"]);
  expect(adaptation?.answer).toEqual({ user_id: "created_by", run_id: "id" });
});

test("D8: When parameters have other names in a document, then the path carries the canonical route's, in their order", () => {
  expect(pathsOf("getWorkflowRun")).toEqual(["/api/v1/workflows/{workflow_id}/runs/{id}", "/api/workflows/{workflow_id}/runs/{id}"]);
  expect(pathsOf("register")).toEqual(["/api/v1/auth/register", "/api/auth/register", "/api/v1/auth/signup", "/api/auth/signup"]);
  expect(pathsOf("health")).toEqual(["/health"]);
});

test("D8: When nobody documents the twin of a documented path, then it is adapted as that is", () => {
  const paths = servedPaths("register");
  expect(paths.find(({ path }) => path === "/api/auth/signup")?.adaptation).toEqual(paths.find(({ path }) => path === "/api/v1/auth/signup")?.adaptation);
  expect(paths[0]?.adaptation).toBeUndefined();
});
