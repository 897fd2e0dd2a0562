import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "#db";
import { catalogue } from "#nodes";
import { checkMasterKeys, createPayloads } from "#payloads";
import { createLogger, readEnv } from "#platform";
import { type AfterRestore, connectTemporal, createCompiler, reconcileAfterRestore } from "#runs";
import { payloadKeysOf } from "../supervisor/data-folder.ts";
import type { CheckKeys } from "./dump.ts";
import type { Manifest } from "./manifest.ts";

/**
 * The generated keys that the restored installation will have: those of the backup, else those that lie in its folder already.
 * @returns the file that holds them; undefined where the environment has them.
 * @throws an Error where there are none, or others than in the backup and nobody said to replace them.
 */
export function chooseSecrets(folder: string, { secrets }: Manifest, target: string, force: boolean): string | undefined {
  if (secrets === null) {
    if (existsSync(target)) return target;
    if (process.env["PAYLOAD_KEYS"]) return undefined;
    throw new Error(`Keys are not in this backup. Put the installation's secrets.json at ${target}, or set PAYLOAD_KEYS to what it was.`);
  }
  const file = join(folder, secrets.file);
  if (existsSync(target) && !force && readFileSync(target, "utf8") !== readFileSync(file, "utf8")) {
    throw new Error(`${target} holds other keys than the backup. Say --force to replace them, after putting them somewhere safe.`);
  }
  return file;
}

/** As PAYLOAD_KEYS takes them: of the environment, else of that file. */
export function payloadKeysIn(secretsFile: string | undefined): string {
  return (
    process.env["PAYLOAD_KEYS"] || (secretsFile === undefined ? "" : payloadKeysOf(JSON.parse(readFileSync(secretsFile, "utf8")) as Record<string, string>))
  );
}

export function keyCheck(payloadKeys: string): CheckKeys {
  return (wrapped) => {
    try {
      checkMasterKeys(readEnv({ PAYLOAD_KEYS: payloadKeys }).PAYLOAD_KEYS ?? [], wrapped);
    } catch (cause) {
      throw new Error(
        `${(cause as Error).message} Nothing was restored. PAYLOAD_KEYS, or the installation's secrets.json, must be what it was when the backup was made.`,
        { cause },
      );
    }
  };
}

/** Checks that the keys fit what was restored, and brings Temporal up to Postgres. @throws PerdureError `configuration.invalid` where they do not fit. */
export async function reconcile(source: Record<string, string | undefined>, since: Date): Promise<AfterRestore> {
  const env = readEnv(source);
  const logger = createLogger("restore", env.LOG_LEVEL === "info" ? "warn" : env.LOG_LEVEL);
  const db = await openDatabase({ url: env.DATABASE_URL, poolSize: 4, logger });
  try {
    const payloads = createPayloads({ store: db.payloads, env });
    await payloads.check();
    const { connection, client } = await connectTemporal({
      address: env.TEMPORAL_ADDRESS,
      namespace: env.TEMPORAL_NAMESPACE,
      tls: env.TEMPORAL_TLS,
      apiKey: env.TEMPORAL_API_KEY,
      dataConverter: payloads.dataConverter,
      logger,
    });
    try {
      return await reconcileAfterRestore({ db, client, env, nodes: { compile: createCompiler(db, catalogue) }, logger, since });
    } finally {
      await connection.close();
    }
  } finally {
    await db.close();
  }
}
