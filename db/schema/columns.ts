import { customType, jsonb, timestamp, uuid } from "drizzle-orm/pg-core";
import type { TenantId } from "#core";

/** Every table that has it is covered by row-level security (the migrations; a generated test). */
export const tenantColumn = () => uuid("tenant_id").$type<TenantId>().notNull();

export const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });

export const instant = (name: string) => timestamp(name, { withTimezone: true });

export const json = <T>(name: string) => jsonb(name).$type<T>();
