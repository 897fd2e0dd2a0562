import { index, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { CircuitState } from "../types/index.ts";
import { instant, json, tenantColumn } from "./columns.ts";

/** Circuit breakers that are not closed, as each worker last told of its own. */
export const circuits = pgTable(
  "circuits",
  {
    tenantId: tenantColumn(),
    worker: uuid("worker").notNull(),
    kind: text("kind").notNull(),
    name: text("name").notNull(),
    circuit: json<CircuitState>("circuit").notNull(),
    expiresAt: instant("expires_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.worker, table.kind, table.name] }),
    index("circuits_worker_idx").on(table.worker),
    index("circuits_expires_idx").on(table.expiresAt),
  ],
);
