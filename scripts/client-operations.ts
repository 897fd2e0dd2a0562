/** Writes what the client has to know of each operation while it runs, so that it needs neither the contract's schemas nor their library. */
import { type Route, routes } from "../contract/index.ts";

const INDENT = "  ";

/** The content of `client/operations.gen.ts` below its header. */
export function clientOperations(): string {
  const rows = Object.entries<Route>(routes).map(([name, route]) => `${INDENT}${name}: ${describe(route)},`);
  return [
    'import type { RouteName } from "#contract";',
    'import type { Operation } from "./request.ts";',
    "",
    "/** Every operation of the API, by operation id. */",
    "export const operations: Readonly<Record<RouteName, Operation>> = {",
    ...rows,
    "};",
    "",
  ].join("\n");
}

function describe({ method, path, access, request }: Route): string {
  const headers = request?.headers as { shape?: Record<string, unknown> } | undefined;
  const fields = [
    `method: ${JSON.stringify(method.toUpperCase())}`,
    `path: ${JSON.stringify(path)}`,
    ...(access.auth === "public" ? ["isPublic: true"] : []),
    ...(request?.body === undefined ? [] : ["hasBody: true"]),
    ...(headers?.shape?.["idempotency-key"] === undefined ? [] : ["takesKey: true"]),
  ];
  return `{ ${fields.join(", ")} }`;
}
