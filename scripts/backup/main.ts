import { copyFileSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createProgress } from "../infra/index.ts";
import { DataFolder } from "../supervisor/data-folder.ts";
import { EmbeddedServers } from "./embedded.ts";
import { backUp, loadStores, putTemporal, readManifest } from "./index.ts";
import { chooseSecrets, keyCheck, payloadKeysIn, reconcile } from "./restore.ts";

const USAGE = `npm run backup -- FOLDER                  a new folder with everything but keys; the installation may run meanwhile
npm run backup -- FOLDER --with-secrets   … and with the generated keys: whoever has the folder can then read all of it
npm run restore -- FOLDER                 into an empty installation, which must not run
npm run restore -- FOLDER --force         … or into one whose data are thereby replaced
--temporal none                           Temporal is not ours: it is backed up, and restored, by who runs it

PERDURE_DATA names the folder of the installation; DATABASE_URL and QDRANT_URL name servers of your own. See docs/backup.md.`;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const progress = createProgress();

async function main(): Promise<void> {
  const { values, positionals } = said();
  const [verb, folder, ...more] = positionals;
  if (values.help) return progress.line(USAGE);
  if (folder === undefined || more.length > 0 || (values.temporal !== undefined && values.temporal !== "none")) throw new Error(USAGE);
  if (existsSync(join(ROOT, ".env"))) process.loadEnvFile(join(ROOT, ".env"));
  const hasTemporal = values.temporal !== "none";
  if (hasTemporal && process.env["TEMPORAL_ADDRESS"]) {
    throw new Error(
      "TEMPORAL_ADDRESS names a Temporal that is not ours, so it cannot be copied here. Say --temporal none, and back it up by its own means (docs/backup.md).",
    );
  }
  const data = new DataFolder(process.env["PERDURE_DATA"] || join(ROOT, ".perdure"));
  const servers = new EmbeddedServers(data, progress);
  try {
    if (verb === "restore") await restore(resolve(folder), servers, { force: values.force === true, hasTemporal });
    else await makeBackup(resolve(folder), servers, { withSecrets: values["with-secrets"] === true, hasTemporal });
  } finally {
    await servers.stop();
  }
}

/** @throws an Error with what may be said. */
function said() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { "with-secrets": { type: "boolean" }, force: { type: "boolean" }, temporal: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
  } catch (cause) {
    throw new Error(`${(cause as Error).message}\n\n${USAGE}`, { cause });
  }
}

async function makeBackup(
  folder: string,
  servers: EmbeddedServers,
  { withSecrets, hasTemporal }: { withSecrets: boolean; hasTemporal: boolean },
): Promise<void> {
  const databaseUrl = await needed(servers.address("postgres"), "DATABASE_URL");
  const qdrantUrl = await servers.address("qdrant");
  const manifest = await progress.run(`copying into ${folder}`, () =>
    backUp(folder, {
      databaseUrl,
      temporalFile: hasTemporal ? servers.temporalFile : undefined,
      qdrant: qdrantUrl === undefined ? undefined : { url: qdrantUrl, apiKey: process.env["QDRANT_API_KEY"] },
      secretsFile: withSecrets ? servers.secretsFile : undefined,
    }),
  );
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  progress.line(`  ${rows} rows of ${manifest.tables.length} tables, ${manifest.collections.length} collections${hasTemporal ? ", Temporal's database" : ""}`);
  if (!hasTemporal) progress.line("  Temporal is NOT in it: back it up by its own means.");
  progress.line(
    withSecrets
      ? "  KEYS ARE IN IT (secrets.json): whoever has this folder can read every run and credential. Keep it accordingly."
      : `  KEYS ARE NOT IN IT. Without PAYLOAD_KEYS (of the environment, or ${servers.secretsFile}) no run and no credential can be read again: keep them elsewhere.`,
  );
}

async function restore(folder: string, servers: EmbeddedServers, { force, hasTemporal }: { force: boolean; hasTemporal: boolean }): Promise<void> {
  const manifest = await progress.run("checking the backup", () => readManifest(folder));
  const { temporal } = manifest;
  if (hasTemporal && temporal === null) throw new Error("Temporal is not in this backup. Restore it by its own means first, then say --temporal none.");
  await servers.claimAll();
  if (hasTemporal && existsSync(servers.temporalFile) && !force) {
    throw new Error(`${servers.temporalFile} is there already. Name an empty installation with PERDURE_DATA, or say --force, which replaces it.`);
  }
  const secrets = chooseSecrets(folder, manifest, servers.secretsFile, force);
  const payloadKeys = payloadKeysIn(secrets);
  const databaseUrl = await needed(servers.address("postgres"), "DATABASE_URL");
  const qdrantUrl = await servers.address("qdrant");
  const qdrant = qdrantUrl === undefined ? undefined : { url: qdrantUrl, apiKey: process.env["QDRANT_API_KEY"] };
  await progress.run("loading Postgres and Qdrant", () => loadStores(folder, manifest, { databaseUrl, qdrant, force, checkKeys: keyCheck(payloadKeys) }));
  if (secrets !== undefined && secrets !== servers.secretsFile) copyFileSync(secrets, servers.secretsFile);
  if (!hasTemporal || temporal === null)
    return progress.line("  Temporal was left alone. What it does not know of open runs, the sweeper finds (docs/backup.md).");
  putTemporal(folder, temporal, servers.temporalFile);
  const temporalAddress = await needed(servers.address("temporal"), "TEMPORAL_ADDRESS");
  const report = await progress.run("bringing Temporal up to Postgres", () =>
    reconcile({ ...process.env, DATABASE_URL: databaseUrl, TEMPORAL_ADDRESS: temporalAddress, PAYLOAD_KEYS: payloadKeys }, new Date(manifest.taken_at)),
  );
  progress.line(
    `  ${report.asked} open runs, ${report.started} of them started again; ${report.commands} commands to be sent again; ${report.terminated} workflows of ended runs terminated`,
  );
  if (report.lost.length > 0) progress.line(`  NOT TO BE CONTINUED, to be retried or forked once more: ${report.lost.join(", ")}`);
  progress.line(`  Restored. \`npm start\`${process.env["PAYLOAD_KEYS"] ? ", with the same PAYLOAD_KEYS," : ""} goes on from there.`);
  progress.line("  Where the installation it was copied from still runs, only look at it: `npm start -- --only infra,api` has no worker, so nothing runs.");
}

async function needed(address: Promise<string | undefined>, variable: string): Promise<string> {
  const found = await address;
  if (found === undefined) throw new Error(`No server was found. Set ${variable}.`);
  return found;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
