import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Where binaries are kept between projects. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "perdure");
}

/** An unprivileged user for programs that refuse to be root; undefined when we are not root ourselves. */
export interface Identity {
  name: string;
  uid: number;
  gid: number;
}

/** `postgres` where the system has it, else `nobody`; nothing is added to the system. @throws an Error when neither exists. */
export function unprivilegedIdentity(): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const wanted of ["postgres", "nobody"]) {
    const found = accounts.find(([name]) => name === wanted);
    if (found !== undefined) return { name: wanted, uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error(
    "PostgreSQL does not run as root, and this system has neither a user `postgres` nor `nobody`. Add one with `useradd --system postgres`, or start as another user.",
  );
}

/** Whether the user may enter the folder (or the nearest parent that exists). */
export function mayEnter(folder: string, identity: Identity): boolean {
  let existing = resolve(folder);
  while (!existsSync(existing)) existing = dirname(existing);
  const { status } = spawnSync("/bin/sh", ["-c", 'cd "$1"', "sh", existing], { uid: identity.uid, gid: identity.gid, cwd: "/", stdio: "ignore" });
  return status === 0;
}

/**
 * The folder itself, or – where the user may not enter it, as below a closed home – one below /var/tmp. Which one is remembered in a file
 * beside the folder, so removing the project's data folder also forgets what lies outside.
 */
export function enterableFolder(folder: string, identity: Identity | undefined, note: (text: string) => void): string {
  if (identity === undefined || mayEnter(folder, identity)) return folder;
  const pointer = `${folder}.location`;
  if (existsSync(pointer)) {
    const remembered = readFileSync(pointer, "utf8").trim();
    if (existsSync(remembered)) return remembered;
  }
  const prefix = `perdure-${createHash("sha256").update(resolve(folder)).digest("hex").slice(0, 12)}`;
  for (const older of readdirSync(OUTSIDE).filter((name) => name.startsWith(`${prefix}-`))) {
    note(`${join(OUTSIDE, older)} holds an older database of this folder; remove it if you do not need it`);
  }
  const outside = join(OUTSIDE, `${prefix}-${randomBytes(3).toString("hex")}`);
  ownFolder(outside);
  mkdirSync(dirname(pointer), { recursive: true });
  writeFileSync(pointer, `${outside}\n`);
  note(`the user ${identity.name} may not enter ${dirname(folder)}, so the database lies in ${outside}`);
  return outside;
}

const OUTSIDE = "/var/tmp";

/** Makes a folder that others can pass through but not list. @throws an Error when somebody else made it before us. */
export function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw new Error(`${folder} belongs to somebody else. Remove it and start again.`);
  }
  chmodSync(folder, 0o711);
}
