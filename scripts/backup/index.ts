import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { dumpCollections, loadCollections, type QdrantAddress } from "./collections.ts";
import { type CheckKeys, databaseTime, dumpDatabase, loadDatabase } from "./dump.ts";
import { describeFile, emptyFolder, FORMAT_VERSION, type Manifest, writeManifest } from "./manifest.ts";
import { copyTemporal } from "./temporal-file.ts";

export { type Manifest, readManifest } from "./manifest.ts";
export { putTemporal } from "./temporal-file.ts";

export interface BackupSource {
  databaseUrl: string;
  /** The embedded server's database; undefined where Temporal is somebody else's to back up. */
  temporalFile?: string | undefined;
  qdrant?: QdrantAddress | undefined;
  /** Generated keys; undefined where they are not to be in the backup. */
  secretsFile?: string | undefined;
  /** Called after Temporal was copied and before Postgres is: what happens then is in one and not in the other. */
  between?: () => Promise<void>;
}

const SECRETS = "secrets.json";

/**
 * Temporal first, then Postgres: so Postgres knows all that Temporal's copy knows – every receipt, every large payload – and more, and what more it
 * knows can be told to Temporal again (docs/decisions/028).
 * @throws an Error where the folder has something in it, or a store cannot be read whole; the folder then has no manifest.
 */
export async function backUp(folder: string, { databaseUrl, temporalFile, qdrant, secretsFile, between }: BackupSource): Promise<Manifest> {
  emptyFolder(folder);
  const takenAt = await databaseTime(databaseUrl);
  const temporal = temporalFile === undefined ? null : await copyTemporal(temporalFile, folder);
  await between?.();
  const dump = await dumpDatabase(databaseUrl, folder);
  const collections = qdrant === undefined ? [] : await dumpCollections(qdrant, folder);
  const manifest: Manifest = {
    format_version: FORMAT_VERSION,
    taken_at: takenAt.toISOString(),
    completed_at: new Date().toISOString(),
    ...dump,
    temporal,
    collections,
    secrets: secretsFile === undefined ? null : await copySecrets(secretsFile, folder),
  };
  writeManifest(folder, manifest);
  return manifest;
}

/** Loads Postgres and Qdrant. @throws an Error; Postgres is then as it was. */
export async function loadStores(
  folder: string,
  manifest: Manifest,
  { databaseUrl, qdrant, force, checkKeys }: { databaseUrl: string; qdrant?: QdrantAddress | undefined; force: boolean; checkKeys?: CheckKeys },
): Promise<void> {
  if (manifest.collections.length > 0 && qdrant === undefined) throw new Error("The backup has collections of Qdrant, and no Qdrant is here. Set QDRANT_URL.");
  await loadDatabase(databaseUrl, folder, manifest, { force, checkKeys });
  if (qdrant !== undefined) await loadCollections(qdrant, folder, manifest.collections, { force });
}

async function copySecrets(file: string, folder: string): Promise<Manifest["secrets"]> {
  if (!existsSync(file)) throw new Error(`There is no ${file}: the keys of this installation are set in its environment. Leave --with-secrets out.`);
  copyFileSync(file, join(folder, SECRETS));
  return describeFile(folder, SECRETS);
}
