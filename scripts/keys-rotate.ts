import { parseArgs } from "node:util";
import { tenantId } from "#core";
import { openDatabase } from "#db";
import { createPayloads, type Rotation, rotateKeys } from "#payloads";
import { readEnv } from "#platform";
import { DataFolder } from "./supervisor/data-folder.ts";

const USAGE = `npm run keys:rotate                     a new data key for every organization and user; all that is kept sealed is sealed with it, and every key wrapped with the first of PAYLOAD_KEYS
npm run keys:rotate -- --tenant <id>    a new data key for one
npm run keys:rotate -- --since <time>   goes on with a rotation that began then and was interrupted
npm run keys:rotate -- --reseal         no new data keys: only seals anew what older ones sealed
npm run keys:rotate -- --rewrap         only wraps anew, after a new master key was put first in PAYLOAD_KEYS`;

/** Between two lines of progress. */
const TOLD_EVERY_MS = 5_000;

/**
 * Runs that are under way go on: earlier keys stay readable. Without DATABASE_URL and PAYLOAD_KEYS it takes those of the installation of `npm start`.
 * Ends with 1 where something could not be opened or it was stopped.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tenant: { type: "string", multiple: true },
      since: { type: "string" },
      reseal: { type: "boolean" },
      rewrap: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const since = values.since === undefined ? new Date() : new Date(values.since);
  if (Number.isNaN(since.getTime())) throw new Error("--since takes a time, such as 2026-11-21T10:00:00Z.");
  const tenants = values.tenant?.map((id) => tenantId(id));
  const folder = () => new DataFolder(process.env["PERDURE_DATA"] || ".perdure");
  const env = readEnv({
    ...process.env,
    DATABASE_URL: process.env["DATABASE_URL"] || folder().read("postgres")?.url,
    PAYLOAD_KEYS: process.env["PAYLOAD_KEYS"] || folder().payloadKeys(),
  });
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
  const goOn = `Nothing is lost: go on with npm run keys:rotate -- --since ${since.toISOString()}`;
  const db = await openDatabase({ url: env.DATABASE_URL, poolSize: 2 });
  try {
    let told = Date.now();
    const done = await rotateKeys({
      payloads: createPayloads({ store: db.payloads, env }),
      rows: db.sealed,
      until: values.rewrap ? "wrap" : values.reseal ? "seal" : "keys",
      since,
      ...(tenants && { tenants }),
      signal: stop.signal,
      progress(sofar) {
        if (Date.now() - told < TOLD_EVERY_MS) return;
        told = Date.now();
        process.stderr.write(`${inWords(sofar)} so far\n`);
      },
    });
    for (const { tenant, kind, id } of done.unreadable) process.stderr.write(`Cannot be opened and stays as it is: the ${kind} ${id} of ${tenant}\n`);
    if (!done.isComplete) process.stderr.write(`Stopped. ${goOn}\n`);
    process.stdout.write(`${inWords(done)}. Running processes seal with new keys within ${env.PAYLOAD_KEY_REFRESH_MS / 1000} s.\n`);
    if (!done.isComplete || done.unreadable.length > 0) process.exitCode = 1;
  } catch (error) {
    process.stderr.write(`${goOn}\n`);
    throw error;
  } finally {
    await db.close();
  }
}

function inWords({ newKeys, wrapped, resealed, owners }: Rotation): string {
  return `${newKeys} new keys, ${wrapped} wrapped anew, ${resealed} values of ${owners} organizations and users sealed anew`;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
