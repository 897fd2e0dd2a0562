import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { describeFile, type StoredFile } from "./manifest.ts";

const FILE = "temporal.db";
/** All pages in one step: a copy in several begins anew whenever the server writes in between. */
const PAGES_PER_STEP = 2_000_000_000;

/** Copies the embedded server's database while the server runs, as of one moment. */
export async function copyTemporal(source: string, folder: string): Promise<StoredFile> {
  if (!existsSync(source)) throw new Error(`There is no database of an embedded Temporal at ${source}. Where Temporal is not ours, say --temporal none.`);
  const database = new DatabaseSync(source, { readOnly: true, timeout: 10_000 });
  try {
    await backup(database, join(folder, FILE), { rate: PAGES_PER_STEP });
  } finally {
    database.close();
  }
  chmodSync(join(folder, FILE), 0o600);
  checkWhole(join(folder, FILE));
  return describeFile(folder, FILE);
}

/** Puts the copy where the server, which must not run, will find it. */
export function putTemporal(folder: string, { file }: StoredFile, target: string): void {
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const partial = `${target}.new`;
  copyFileSync(join(folder, file), partial);
  for (const suffix of ["-wal", "-shm"]) rmSync(`${target}${suffix}`, { force: true });
  renameSync(partial, target);
}

/** @throws an Error where the copy has a flaw. */
function checkWhole(file: string): void {
  const copy = new DatabaseSync(file);
  try {
    const result = copy.prepare("pragma quick_check").get() as { quick_check?: string } | undefined;
    if (result?.quick_check !== "ok") throw new Error(`The copy of Temporal's database has a flaw: ${result?.quick_check ?? "no answer"}.`);
    // One file, with nothing beside it.
    copy.exec("pragma journal_mode = delete");
  } finally {
    copy.close();
  }
}
