import { z } from "@hono/zod-openapi";
import { TOPIC_MAX_LENGTH } from "#contract";
import { type Finding, PerdureError, safeParse } from "#core";

const seq = z.int().min(0).max(2_147_483_647);
const topicName = z.string().min(1).max(TOPIC_MAX_LENGTH);

const wanted = z.object({
  topic: topicName,
  /** Of `run:` the number of the last event one has; of topics about many runs the same for each run. */
  after: z.union([seq, z.record(z.string().max(40), seq)]).optional(),
  /** Of topics about many runs: also whole runs that began from then on. */
  since: z.iso.datetime().optional(),
  events: z.array(z.string().max(50)).max(50).optional(),
  where: z.string().optional(),
  presence: z.boolean().optional(),
});
export type Wanted = z.output<typeof wanted>;

const bodies = {
  subscribe: z.object({
    topics: z
      .array(z.union([topicName.transform((topic): Wanted => ({ topic })), wanted]))
      .min(1)
      .max(500),
    presence: z.boolean().optional(),
  }),
  unsubscribe: z.object({ topics: z.array(topicName).min(1).max(500) }),
  broadcast: z.object({ topic: topicName, payload: z.unknown() }),
  presence: z.object({ topic: topicName }),
  ping: z.looseObject({}).optional(),
};

export type HubRequest = {
  readonly [K in keyof typeof bodies]: { readonly type: K; readonly data: z.output<(typeof bodies)[K]>; readonly id?: string };
}[keyof typeof bodies];

const envelope = z.object({ type: z.string().max(50), data: z.unknown().optional(), id: z.union([z.string().max(200), z.number()]).optional() });

/** @throws PerdureError `request.malformed` for what is no JSON, `validation.failed` with all that is wrong. */
export function readHubRequest(text: string): HubRequest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PerdureError("request.malformed", "The message is not JSON.", { cause: error });
  }
  const read = safeParse(envelope, json);
  if (!read.success) throw invalid(read.error.issues);
  const { type, data, id } = read.data;
  const name = type.toLowerCase() as keyof typeof bodies;
  if (!Object.hasOwn(bodies, name)) {
    throw new PerdureError("validation.failed", `There is no message of the type "${type}".`, {
      findings: [{ code: "validation.type", message: `is none of Subscribe, Unsubscribe, Broadcast, Presence, Ping`, path: "type" }],
    });
  }
  const body = safeParse(bodies[name] as z.ZodType, data);
  if (!body.success) throw invalid(body.error.issues, "data");
  return { type: name, data: body.data, ...(id !== undefined && { id: String(id) }) } as HubRequest;
}

function invalid(issues: readonly z.core.$ZodIssue[], place?: string): PerdureError {
  const findings = issues.map((issue): Finding => {
    const path = [...(place === undefined ? [] : [place]), ...issue.path.map(String)].join(".");
    return { code: `validation.${issue.code}`, message: issue.message, ...(path !== "" && { path }) };
  });
  return new PerdureError("validation.failed", "The message is not valid.", { findings });
}
