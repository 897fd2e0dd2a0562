import { parseArgs } from "node:util";
import { tenantId } from "#core";
import { createCredentialVault } from "#credentials";
import { openDatabase } from "#db";
import { createPayloads } from "#payloads";
import { readEnv } from "#platform";
import { DataFolder } from "./supervisor/data-folder.ts";

const USAGE = `npm run keys:rotate                     a new data key for every organization, and every key wrapped with the first of PAYLOAD_KEYS
npm run keys:rotate -- --tenant <id>    a new data key for one
npm run keys:rotate -- --rewrap         only wraps anew, after a new master key was put first in PAYLOAD_KEYS`;

/**
 * Runs that are under way go on: earlier keys stay readable. Without DATABASE_URL and PAYLOAD_KEYS it takes those of the installation of `npm start`.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { tenant: { type: "string", multiple: true }, rewrap: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const folder = () => new DataFolder(process.env["PERDURE_DATA"] || ".perdure");
  const env = readEnv({
    ...process.env,
    DATABASE_URL: process.env["DATABASE_URL"] || folder().read("postgres")?.url,
    PAYLOAD_KEYS: process.env["PAYLOAD_KEYS"] || folder().payloadKeys(),
  });
  const db = await openDatabase({ url: env.DATABASE_URL, poolSize: 2 });
  try {
    const payloads = createPayloads({ store: db.payloads, env });
    const rewrapped = await payloads.rewrap();
    const tenants = values.rewrap ? [] : (values.tenant?.map((id) => tenantId(id)) ?? (await payloads.tenants()));
    const credentials = createCredentialVault({ rows: db.credentials, payloads });
    let resealed = 0;
    for (const tenant of tenants) {
      await payloads.rotate(tenant);
      resealed += await credentials.reseal(tenant);
    }
    process.stdout.write(
      `${tenants.length} new keys, ${rewrapped} wrapped anew, ${resealed} credentials sealed anew. Running processes seal with them within ${env.PAYLOAD_KEY_REFRESH_MS / 1000} s.\n`,
    );
  } finally {
    await db.close();
  }
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
