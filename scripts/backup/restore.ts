import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "#db";
import { catalogue } from "#nodes";
import { createPayloads } from "#payloads";
import { createLogger, readEnv } from "#platform";
import { type AfterRestore, connectTemporal, createCompiler, reconcileAfterRestore } from "#runs";
import type { Manifest } from "./manifest.ts";

/** Keys of the installation go back only where there are none, or it was said so. @throws an Error where there are others. */
export function putSecrets(folder: string, { secrets }: Manifest, target: string, force: boolean): void {
  if (secrets === null) return;
  const file = join(folder, secrets.file);
  if (existsSync(target) && !force && readFileSync(target, "utf8") !== readFileSync(file, "utf8")) {
    throw new Error(`${target} holds other keys than the backup. Say --force to replace them, after putting them somewhere safe.`);
  }
  copyFileSync(file, target);
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
