import { type Finding, type Json, type JsonObject, PerdureError } from "#core";
import { createThreads } from "#integrations/threads";
import { compileSchema } from "./json-schema.ts";
import type { Question, Reply } from "./schema-thread.ts";

export interface SchemaChecks {
  /**
   * What of a value does not fit a user's JSON schema; paths begin with `at`.
   * @throws PerdureError `validation.failed` where the schema cannot be used, or takes longer than the limit; `rate.limited` where too many wait.
   */
  check(schema: JsonObject, value: Json, at: string): Promise<Finding[]>;
  close(): Promise<void>;
}

export interface SchemaCheckLimits {
  /** Of one check, waiting not counted. */
  timeoutMs: number;
  /** Heap of one thread, in MiB. @default 128 */
  memoryMb?: number;
  /** Checks at once. @default 2 */
  threads?: number;
}

/** A check that has waited so long for a thread is given up, in milliseconds. */
const WAIT_MS = 5_000;
/** Of a value that is checked on the spot, in characters of JSON: what is quadratic in it still ends at once. */
const SMALL_VALUE = 4_096;
/** Of schema and value multiplied, in characters: without references each part of the one meets each part of the other once at most. */
const SMALL_PRODUCT = 1_048_576;
/** What makes the time a check takes more than that, or lets it grow beyond its text. */
const UNBOUNDED = /"(?:\$ref|\$recursiveRef|\$dynamicRef|pattern|patternProperties)"/;

/**
 * Checks in threads of their own, since no JSON schema says how long it takes: thirty references can ask for a billion comparisons, and one list of
 * unique items for as many. Small values under schemas that cannot grow are checked on the spot.
 */
export function createSchemaChecks({ timeoutMs, memoryMb = 128, threads: size = 2 }: SchemaCheckLimits): SchemaChecks {
  const threads = createThreads({ script: new URL("./schema-thread.ts", import.meta.url), size, memoryMb });
  const tooMuch = (limit: string): PerdureError =>
    new PerdureError("validation.failed", `Checking the value against the JSON schema takes more than ${limit}.`);
  return {
    async check(schema, value, at) {
      const text = JSON.stringify(schema);
      if (isSmall(text, value)) return compileSchema(schema)(value, at);
      const patience = new AbortController();
      const timer = setTimeout(
        () => patience.abort(new PerdureError("rate.limited", "Too many values wait to be checked.", { retryAfterMs: 1_000 })),
        WAIT_MS + timeoutMs,
      );
      try {
        const reply = await threads.ask<Reply>(
          {
            message: { schema: text, value, at } satisfies Question,
            timeoutMs,
            receive: (received) => ({ value: received as Reply }),
            timedOut: () => tooMuch(`${timeoutMs} ms (SCHEMA_CHECK_TIMEOUT_MS)`),
            outOfMemory: () => tooMuch(`${memoryMb} MiB`),
          },
          patience.signal,
        );
        if ("unusable" in reply) throw new PerdureError("validation.failed", reply.unusable);
        return reply.findings;
      } finally {
        clearTimeout(timer);
      }
    },
    close: threads.close,
  };
}

function isSmall(schema: string, value: Json): boolean {
  if (UNBOUNDED.test(schema)) return false;
  const { length } = JSON.stringify(value);
  return length <= SMALL_VALUE && length * schema.length <= SMALL_PRODUCT;
}
