import {
  type AnswerFields,
  DOCUMENTED,
  type DocumentedEndpoint,
  type RouteName,
  SYSTEMS,
  type ServedPath,
  type SystemName,
  canonicalOf,
  json,
  routes,
} from "#contract";
import { z } from "@hono/zod-openapi";
import type { Operation } from "../openapi.ts";

interface Reply {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

/** A documented path as an operation of its own, told apart from the canonical one by tag, id and `x-alias-of`. */
export function aliasOperation(name: RouteName, canonical: Operation, { path, adaptation, systems }: ServedPath): Operation {
  const { method, path: canonicalPath } = routes[name];
  const { "x-aliases": _, ...rest } = canonical;
  const { body: bodyFields = {}, query: queryNames = {}, answer, replies = {} } = adaptation ?? {};
  const request = {
    ...rest.request,
    ...(rest.request?.body && Object.keys(bodyFields).length > 0 && { body: withFields(rest.request.body, bodyFields) }),
    ...(Object.keys(queryNames).length > 0 && { query: renamed(rest.request?.query as z.ZodObject | undefined, queryNames) }),
  };
  const adapted = Object.entries(rest.responses as Record<string, Reply>).map(([status, reply]) => {
    const documented = replies[Number(status)];
    const isSuccess = Number(status) < 400;
    return [
      documented?.status ?? status,
      documented?.body ? constantReply(reply, documented.body) : isSuccess && answer ? withAnswer(reply, answer) : reply,
    ] as const;
  });
  const alias: object = {
    ...rest,
    path,
    operationId: `${systems[0] ?? "api"}.${name}`,
    deprecated: false,
    tags: systems.length > 0 ? systems.map((system) => SYSTEMS[system]) : canonical.tags,
    description: [`Alias of \`${method.toUpperCase()} ${canonicalPath}\`${documentedBy(systems)}.`, canonical.description.replace(/\n*Also served as .*$/s, "")]
      .filter(Boolean)
      .join("\n\n"),
    "x-alias-of": name,
    ...(Object.keys(request).length > 0 && { request }),
    responses: Object.fromEntries(adapted),
  };
  return alias as Operation;
}

function documentedBy(systems: readonly SystemName[]): string {
  return systems.length === 0 ? "" : `, as ${systems.map((system) => `the ${SYSTEMS[system]}`).join(" and ")} document${systems.length > 1 ? "" : "s"} it`;
}

/** The section of a system: all that its document names, and what becomes of it. */
export function documentedTag(system: SystemName): { name: string; description: string } {
  const rows = DOCUMENTED.filter((row) => row.system === system).map((row) => {
    return `| \`${row.method.toUpperCase()} ${row.path}\` | ${row.requirement} | ${becomes(row)} |`;
  });
  return {
    name: SYSTEMS[system],
    description: ["What its document names, and what serves it here.", "", "| documented | | served as |", "|---|---|---|", ...rows].join("\n"),
  };
}

function becomes(row: DocumentedEndpoint): string {
  if ("unserved" in row) return row.unserved;
  const { method, path } = "page" in row ? { method: row.method, path: row.page } : canonicalOf(row);
  return `\`${method.toUpperCase()} ${path}\`${row.differs ? `; ${row.differs}` : ""}`;
}

function withFields<B>(body: B, fields: Readonly<Record<string, string>>): B {
  const { content } = body as { content: { "application/json": { schema: z.ZodType } } };
  const { schema } = content["application/json"];
  const added = Object.fromEntries(
    Object.entries(fields).map(([field, target]) => [field, optional(fieldOf(schema, target)).openapi({ description: `As \`${target}\`.` })]),
  );
  return { ...body, content: { ...content, "application/json": { schema: z.intersection(schema, z.object(added)) } } };
}

function renamed(query: z.ZodObject | undefined, names: Readonly<Record<string, string>>): z.ZodObject | undefined {
  return query?.extend(Object.fromEntries(Object.entries(names).map(([name, target]) => [name, optional(fieldOf(query, target))])));
}

function withAnswer(reply: Reply, answer: AnswerFields): Reply {
  const schema = reply.content?.["application/json"]?.schema as z.ZodType | undefined;
  if (!schema) return reply;
  const item = schema instanceof z.ZodArray ? (schema.element as z.ZodType) : schema;
  const fields = answerSchema(item, answer);
  // Rows of a list may be asked for in part.
  const added = z.intersection(item, schema instanceof z.ZodArray ? fields.partial() : fields);
  return { ...reply, content: { ...reply.content, "application/json": { schema: schema instanceof z.ZodArray ? z.array(added) : added } } };
}

function answerSchema(schema: z.ZodType, answer: AnswerFields): z.ZodObject {
  return z.object(
    Object.fromEntries(
      Object.entries(answer).map(([field, source]) => [field, typeof source === "string" ? fieldOf(schema, source) : answerSchema(schema, source)]),
    ),
  );
}

function constantReply({ description }: Reply, body: Readonly<Record<string, string>>): Reply {
  const schema = z.object(Object.fromEntries(Object.entries(body).map(([field, value]) => [field, z.string().openapi({ example: value })])));
  return { description, content: { "application/json": { schema } } };
}

/** The schema at a dotted path; any JSON where the schema does not say, and perhaps none within what it does not say. */
function fieldOf(schema: z.ZodType, path: string): z.ZodType {
  let found: z.ZodType | undefined = schema;
  if (found instanceof z.ZodUnion) found = found.options[0] as z.ZodType;
  for (const part of path.split(".")) found = found instanceof z.ZodObject ? (found.shape as Record<string, z.ZodType>)[part] : undefined;
  return found ?? (path.includes(".") ? json.optional() : json);
}

function optional(schema: z.ZodType): z.ZodType {
  return schema.safeParse(undefined).success ? schema : schema.optional();
}
