import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionStore, SessionTokens } from "#client";
import { Failure } from "./failure.ts";

/** A lock older than this was left by a process that died; renewing tokens takes far less. */
const LOCK_STALE_MS = 90_000;
const LOCK_POLL_MS = 50;

type Sessions = Record<string, SessionTokens>;

/**
 * The tokens of one API, in a file that nobody else may read; those of others stand beside it. Commands that run at once renew them one after
 * the other, since a refresh token is good for one use.
 * @param folder Of the user, made where it is missing.
 */
export function fileSession(folder: string, url: string): SessionStore {
  const file = join(folder, "sessions.json");
  const locked = <T>(work: () => Promise<T>): Promise<T> => withLock(`${file}.lock`, work);
  let holdsLock = false;

  async function change(tokens: SessionTokens | undefined): Promise<void> {
    const { [url]: _old, ...others } = await read(file);
    await write(file, tokens ? { ...others, [url]: tokens } : others);
  }

  return {
    load: async () => (await read(file))[url],
    save: (tokens) => (holdsLock ? change(tokens) : locked(() => change(tokens))),
    exclusive: (work) =>
      locked(async () => {
        holdsLock = true;
        try {
          return await work();
        } finally {
          holdsLock = false;
        }
      }),
  };
}

async function read(file: string): Promise<Sessions> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
  try {
    return JSON.parse(text) as Sessions;
  } catch {
    throw new Failure(`${file} is broken. Remove it and sign in again.`);
  }
}

/** Whoever reads the file meanwhile sees all of the old or all of the new. */
async function write(file: string, sessions: Sessions): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  try {
    await writeFile(draft, `${JSON.stringify(sessions, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

async function withLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true, mode: 0o700 });
  for (;;) {
    try {
      await (await open(lock, "wx", 0o600)).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const age = await stat(lock).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) await rm(lock, { force: true });
      else await sleep(LOCK_POLL_MS);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}
