import type { Caller } from "../client.ts";
import type { CallOptions } from "../transport.ts";
import type { BodyOf, QueryOf } from "../types.ts";

export type TemplatesResource = ReturnType<typeof templatesOf>;
export type BulkResource = ReturnType<typeof bulkOf>;

/** Workflows to begin with. */
export function templatesOf({ call }: Caller) {
  return {
    list: (query: QueryOf<"listTemplates"> = {}, options?: CallOptions) => call("listTemplates", { query }, options),
    get: (id: string, options?: CallOptions) => call("getTemplate", { params: { template_id: id } }, options),
    /** Makes a workflow of it. */
    use: (id: string, body: BodyOf<"useTemplate"> = {}, options?: CallOptions) => call("useTemplate", { params: { template_id: id }, body }, options),
  };
}

/** One command for many runs. */
export function bulkOf({ call, list }: Caller) {
  const byId = (id: string) => ({ params: { id } });
  return {
    create: (body: BodyOf<"createBulkOperation">, options?: CallOptions) => call("createBulkOperation", { body }, options),
    list: (query: QueryOf<"listBulkOperations"> = {}, options?: CallOptions) => list("listBulkOperations", { query }, options),
    get: (id: string, options?: CallOptions) => call("getBulkOperation", byId(id), options),
    /** What became of each run. */
    items: (id: string, query: QueryOf<"listBulkItems"> = {}, options?: CallOptions) => list("listBulkItems", { ...byId(id), query }, options),
    /** What is done stays done. */
    cancel: (id: string, options?: CallOptions) => call("cancelBulkOperation", byId(id), options),
  };
}
