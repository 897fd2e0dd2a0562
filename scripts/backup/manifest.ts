import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";

/** The layout of the folder; another number is refused. */
export const FORMAT_VERSION = 1;
const FILE = "manifest.json";

/** A file of the backup; `file` is its path below the folder. */
const storedFile = z.object({ file: z.string().regex(/^[\w.-]+(\/[\w.-]+)?$/), bytes: z.number(), sha256: z.string() });
export type StoredFile = z.output<typeof storedFile>;

const manifestSchema = z.object({
  format_version: z.literal(FORMAT_VERSION),
  /** By the clock of the database, before anything was copied: what is newer than this Temporal's copy may not know. */
  taken_at: z.iso.datetime(),
  completed_at: z.iso.datetime(),
  /** Migrations that the database had, in their order. */
  migrations: z.array(z.object({ name: z.string(), hash: z.string() })),
  /** In the order in which they can be loaded. */
  tables: z.array(storedFile.extend({ name: z.string(), columns: z.array(z.string()), rows: z.number() })),
  sequences: z.array(z.object({ name: z.string(), last_value: z.string(), is_called: z.boolean() })),
  /** Of the embedded server; null where Temporal is not part of this backup. */
  temporal: storedFile.nullable(),
  collections: z.array(storedFile.extend({ name: z.string() })),
  /** Generated keys of the installation, only where they were asked for. */
  secrets: storedFile.nullable(),
});
export type Manifest = z.output<typeof manifestSchema>;

/** The folder for a new backup. @throws an Error where something lies in it already. */
export function emptyFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new Error(`${folder} is not empty. Name a folder that does not exist yet: every backup has its own.`);
}

/** Written last: a folder without it is not a backup. */
export function writeManifest(folder: string, manifest: Manifest): void {
  const partial = join(folder, `${FILE}.new`);
  writeFileSync(partial, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600 });
  renameSync(partial, join(folder, FILE));
}

/** @throws an Error where it is none, of another format, or one of its files is not as it was written. */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, FILE);
  if (!existsSync(path)) throw new Error(`${folder} has no ${FILE}: it is not a backup, or one that was interrupted.`);
  const parsed = manifestSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!parsed.success) throw new Error(`${path} is damaged, or of a format that this version does not read:\n${z.prettifyError(parsed.error)}`);
  const manifest = parsed.data;
  const files = [...manifest.tables, ...manifest.collections, ...[manifest.temporal, manifest.secrets].filter((each) => each !== null)];
  const damaged: string[] = [];
  for (const { file, sha256 } of files) {
    const isSame = existsSync(join(folder, file)) && (await describeFile(folder, file)).sha256 === sha256;
    if (!isSame) damaged.push(file);
  }
  if (damaged.length > 0) throw new Error(`Files of the backup are missing or not as they were written: ${damaged.join(", ")}. Nothing was changed.`);
  return manifest;
}

export async function describeFile(folder: string, file: string): Promise<StoredFile> {
  const path = join(folder, file);
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return { file, bytes: statSync(path).size, sha256: hash.digest("hex") };
}
