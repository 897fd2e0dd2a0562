import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { postgresPackage } from "./binaries.ts";
import { serverEnvironment } from "./environment.ts";
import { enterableFolder, type Identity, mayEnter, ownFolder, unprivilegedIdentity } from "./folders.ts";
import { anyFreePort } from "./ports.ts";
import { keeper } from "./keeper.ts";
import { kill, type Server, StartError, startServer } from "./process.ts";

export interface PostgresOptions {
  /** Holds the data and the password; made when missing. */
  folder: string;
  logFile: string;
  /** Taken when free, else another. */
  port?: number;
  /** Created when missing. @default "perdure" */
  database?: string;
  /** @default 100 */
  maxConnections?: number;
  /** Data that nobody will miss: no fsync, so a power cut may break it; what lies outside `folder` goes when the server is stopped. @default false */
  disposable?: boolean;
  note?(text: string): void;
}

/** The data folder cannot be used as it is; the message says what to do. */
export class DataFolderError extends Error {}

const START_TRIES = 20;
const RETRY_MS = 500;
const ORPHAN_MS = 15_000;

/**
 * Starts PostgreSQL from the npm package on 127.0.0.1, with a password of its own, below `folder`. As root it runs as `postgres` or `nobody`.
 * Survives `kill -9` of itself and of whoever started it.
 * @throws DataFolderError, MissingBinaryError, StartError.
 */
export async function startPostgres(options: PostgresOptions): Promise<Server> {
  const { database = "perdure", disposable = false, note = () => {} } = options;
  const identity = unprivilegedIdentity();
  const folder = enterableFolder(options.folder, identity, note);
  const forgotten = disposable && folder !== options.folder;
  if (forgotten) keeper().remove(folder);
  mkdirSync(folder, { recursive: true });
  const binaries = usableBinaries(identity, folder);
  const password = ownPassword(folder);
  const data = join(folder, "data");
  if (!existsSync(data)) await initialise(binaries, data, password, identity, disposable);
  checkVersion(data, await majorVersion(binaries));

  for (let attempt = 1; ; attempt++) {
    const port = await anyFreePort(options.port);
    const url = (name: string) => `postgres://postgres:${password}@127.0.0.1:${port}/${name}`;
    await clearStalePid(data);
    try {
      const server = await startServer({
        name: "PostgreSQL",
        command: join(binaries, "bin", "postgres"),
        args: ["-D", data, ...settings({ port, max_connections: options.maxConnections ?? 100, disposable })],
        env: serverEnvironment(),
        cwd: data,
        identity,
        logFile: options.logFile,
        url: url(database),
        port,
        answers: () => createDatabase(url("postgres"), database),
        stopSignal: disposable ? "SIGQUIT" : "SIGINT",
        stopMs: 15_000,
      });
      return forgotten ? { ...server, stop: () => server.stop().then(() => rmSync(folder, { recursive: true, force: true })) } : server;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      const again = /could not bind|Address already in use|pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(error.output);
      if (again && attempt < START_TRIES) {
        await sleep(RETRY_MS);
        continue;
      }
      throw new DataFolderError(
        `${error.message}\nIf the data in ${data} is damaged, restore a backup of it, or move ${folder} away to begin with an empty database. DATABASE_URL names another server instead.`,
      );
    }
  }
}

function settings({ port, max_connections, disposable }: { port: number; max_connections: number; disposable: boolean }): string[] {
  const values: Record<string, string | number> = {
    port,
    max_connections,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    logging_collector: "off",
    log_destination: "stderr",
    ...(disposable ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off", autovacuum: "off" } : {}),
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function initialise(binaries: string, data: string, password: string, identity: Identity | undefined, disposable: boolean): Promise<void> {
  const fresh = `${data}.new`;
  const passwordFile = `${data}.password`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (identity !== undefined) {
    chownSync(fresh, identity.uid, identity.gid);
    chownSync(passwordFile, identity.uid, identity.gid);
  }
  try {
    await runInitdb(
      join(binaries, "bin", "initdb"),
      [
        "-D",
        fresh,
        "--username=postgres",
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        ...(disposable ? ["--no-sync"] : []),
      ],
      fresh,
      identity,
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(fresh, data);
}

function runInitdb(command: string, args: string[], cwd: string, identity: Identity | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: serverEnvironment(),
      stdio: ["ignore", "ignore", "pipe"],
      ...(identity && { uid: identity.uid, gid: identity.gid }),
    });
    let errors = "";
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.once("error", (error) => reject(new StartError(`initdb could not be run: ${error.message}.`, "")));
    child.once("close", (code) => (code === 0 ? resolve() : reject(new StartError(`initdb failed with exit code ${code}.`, errors.trim()))));
  });
}

function majorVersion(binaries: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(binaries, "bin", "postgres"), ["--version"], { env: serverEnvironment(), stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", (error) => reject(new StartError(`PostgreSQL could not be run: ${error.message}.`, "")));
    child.once("close", () => resolve(/(\d+)[.\d]*\s*$/.exec(/PostgreSQL\) (\S+)/.exec(output)?.[1] ?? "")?.[1] ?? ""));
  });
}

function checkVersion(data: string, major: string): void {
  let found: string;
  try {
    found = readFileSync(join(data, "PG_VERSION"), "utf8").trim();
  } catch {
    throw new DataFolderError(
      `${data} is not a PostgreSQL data folder (it has no readable PG_VERSION). Move it away to begin with an empty database, or restore a backup of it.`,
    );
  }
  if (major !== "" && found !== major) {
    throw new DataFolderError(
      `${data} was made by PostgreSQL ${found}, this is PostgreSQL ${major}. Dump it with version ${found} (pg_dumpall) and load the dump into a new folder, or move ${data} away to begin with an empty database.`,
    );
  }
}

/** True once the server answers and has the database. */
async function createDatabase(url: string, database: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {} });
  try {
    const found = await sql`select 1 from pg_database where datname = ${database}`;
    if (found.length === 0) await sql.unsafe(`create database "${database.replaceAll('"', '""')}"`);
    return true;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * A postmaster.pid without its postmaster would stop a start when its number now belongs to another program. One that is alive is left over
 * from a start that was killed: the caller holds the lock on the data folder, so it has no owner and is stopped.
 */
async function clearStalePid(data: string): Promise<void> {
  const file = join(data, "postmaster.pid");
  const pid = Number.parseInt(existsSync(file) ? readFileSync(file, "utf8") : "", 10);
  if (Number.isNaN(pid)) return;
  if (isPostmasterOf(pid, data)) {
    kill(pid, "SIGINT");
    for (const deadline = Date.now() + ORPHAN_MS; Date.now() < deadline && isPostmasterOf(pid, data);) await sleep(100);
    if (isPostmasterOf(pid, data)) {
      kill(pid, "SIGKILL");
      await sleep(1_000);
    }
  }
  rmSync(file, { force: true });
}

function isPostmasterOf(pid: number, data: string): boolean {
  if (!kill(pid, 0)) return false;
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return basename(words[0] ?? "") === "postgres" && words.includes(data);
  } catch {
    return process.platform !== "linux";
  }
}

/** The password of this data folder, made on first use. */
function ownPassword(folder: string): string {
  const file = join(folder, "password");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const password = randomBytes(18).toString("base64url");
  writeFileSync(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** The package's own folder, or a copy beside the data where the server's user may not enter node_modules. */
function usableBinaries(identity: Identity | undefined, folder: string): string {
  const packaged = postgresPackage();
  makeUsable(packaged);
  if (identity === undefined || mayEnter(join(packaged, "bin"), identity)) return packaged;
  const copy = join(folder, `binaries-${readFileSync(join(packaged, "..", "package.json"), "utf8").match(/"version":\s*"([^"]+)"/)?.[1] ?? "unknown"}`);
  if (!existsSync(copy)) {
    const partial = `${copy}.new`;
    rmSync(partial, { recursive: true, force: true });
    ownFolder(dirname(partial));
    cpSync(packaged, partial, { recursive: true, verbatimSymlinks: true });
    renameSync(partial, copy);
  }
  return copy;
}

/** What the package's install script would have done, had npm been allowed to run it: links between libraries, and the executable bit. */
function makeUsable(packaged: string): void {
  const listed = join(packaged, "pg-symlinks.json");
  const links = existsSync(listed) ? (JSON.parse(readFileSync(listed, "utf8")) as { source: string; target: string }[]) : [];
  for (const { source, target } of links) {
    const link = join(dirname(packaged), target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
  for (const program of readdirSync(join(packaged, "bin"))) {
    const file = join(packaged, "bin", program);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      chmodSync(file, 0o755);
    }
  }
}
