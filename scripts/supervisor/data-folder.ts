import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beginningOf, isAlive, tryLock } from "../lock.mjs";
import { kill } from "../infra/index.ts";
import type { PartName } from "./options.ts";

/** What is remembered of a part, so that later starts, and other parts, find it. */
export interface PartState {
  url: string;
  port: number;
  pid: number;
  /** When that process began, in the kernel's count: a number given to another program is not taken for ours. */
  began: string;
  uiUrl?: string;
}

export interface DemoState {
  email: string;
  password: string;
  workflowId: string;
}

/** Long enough for what watches over a killed start to stop its servers. */
const ORPHAN_MS = 8_000;

/** The folder `.perdure`: data of the servers, logs, and what is remembered between starts. */
export class DataFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
    mkdirSync(this.path, { recursive: true, mode: 0o711 });
    mkdirSync(join(this.path, "logs"), { recursive: true, mode: 0o700 });
  }

  of(part: PartName): string {
    return join(this.path, part);
  }

  logOf(part: PartName): string {
    return join(this.path, "logs", `${part}.log`);
  }

  /** Takes the part for this process. @throws an Error that says who has it and what to do. */
  claim(part: PartName): () => void {
    const taken = this.tryClaim(part);
    if ("release" in taken) return taken.release;
    throw new Error(
      `${part} of ${this.path} is already running, under process ${taken.pid}. Use it as it is, stop it with \`kill ${taken.pid}\`, or start a second installation with \`PERDURE_DATA=other npm start\`.`,
    );
  }

  /** As `claim`; `pid` is that of the process that has it. */
  tryClaim(part: PartName): { release: () => void } | { pid: number } {
    const taken = tryLock(join(this.path, `${part}.lock`), { part });
    return "release" in taken ? { release: taken.release } : { pid: taken.holder.pid };
  }

  read(part: PartName): PartState | undefined {
    return this.readJson<PartState>(`${part}.json`);
  }

  /** Whether the process that was remembered has ended. False where that cannot be told (not on Linux). */
  hasEnded({ pid, began }: PartState): boolean {
    return began !== "" && !isAlive({ pid, began, note: {} });
  }

  remember(part: PartName, state: Omit<PartState, "began">): void {
    this.writeJson(`${part}.json`, { ...state, began: beginningOf(state.pid) });
  }

  /** Stops what an earlier start of this part left behind. The caller holds the claim, so it has no owner. */
  async stopOrphan(part: PartName): Promise<boolean> {
    const state = this.read(part);
    if (state === undefined || !isOurs(state)) return false;
    for (const deadline = Date.now() + ORPHAN_MS; Date.now() < deadline && isOurs(state);) await sleep(100);
    if (isOurs(state)) kill(-state.pid, "SIGKILL");
    return true;
  }

  /** Keys made on the first start; never in the environment of the servers, never printed. */
  secret(name: string): string {
    const secrets = this.readJson<Record<string, string>>("secrets.json") ?? {};
    const known = secrets[name];
    if (known !== undefined) return known;
    const made = randomBytes(32).toString("base64url");
    this.writeJson("secrets.json", { ...secrets, [name]: made });
    return made;
  }

  /** As PAYLOAD_KEYS takes them. */
  payloadKeys(): string {
    return payloadKeysOf({ PAYLOAD_KEYS: this.secret("PAYLOAD_KEYS") });
  }

  get demo(): DemoState | undefined {
    return this.readJson<DemoState>("demo.json");
  }

  set demo(state: DemoState) {
    this.writeJson("demo.json", state);
  }

  private readJson<T>(name: string): T | undefined {
    const file = join(this.path, name);
    if (!existsSync(file)) return undefined;
    try {
      return JSON.parse(readFileSync(file, "utf8")) as T;
    } catch {
      throw new Error(`${file} is damaged. Restore it from a backup, or remove it and start again: it is then made anew.`);
    }
  }

  private writeJson(name: string, value: object): void {
    const file = join(this.path, name);
    const partial = `${file}.${process.pid}.new`;
    writeFileSync(partial, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    chmodSync(partial, 0o600);
    renameSync(partial, file);
  }
}

/** Of what `secrets.json` holds, as PAYLOAD_KEYS takes them; empty where it holds none. */
export function payloadKeysOf({ PAYLOAD_KEYS: key }: Record<string, string>): string {
  return key === undefined ? "" : `embedded:${key}`;
}

/** With the kernel's count only: without it (not on Linux) a number alone is no proof, and nothing is stopped. */
function isOurs({ pid, began }: PartState): boolean {
  return began !== "" && isAlive({ pid, began, note: {} });
}
