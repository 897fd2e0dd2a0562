import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Progress, Server } from "../infra/index.ts";
import type { DataFolder } from "../supervisor/data-folder.ts";
import { PARTS } from "../supervisor/options.ts";
import { type ServerPart, SERVERS } from "../supervisor/servers.ts";

/** Servers of an installation of `npm start`: those that run are found, those that do not are started for as long as they are needed. */
export class EmbeddedServers {
  readonly #folder: DataFolder;
  readonly #progress: Progress;
  readonly #started: Server[] = [];
  readonly #claims: (() => void)[] = [];
  #isOurs = false;

  constructor(folder: DataFolder, progress: Progress) {
    this.#folder = folder;
    this.#progress = progress;
  }

  /** The file in which the embedded Temporal keeps everything. */
  get temporalFile(): string {
    return join(this.#folder.of("temporal"), "temporal.db");
  }

  get secretsFile(): string {
    return join(this.#folder.path, "secrets.json");
  }

  /** Takes every part for this process. @throws an Error where one runs. */
  async claimAll(): Promise<void> {
    this.#isOurs = true;
    for (const part of PARTS) {
      const claim = this.#folder.tryClaim(part);
      if ("pid" in claim) {
        throw new Error(
          `The installation in ${this.#folder.path} runs (${part}, under process ${claim.pid}), and a restore needs one that does not. Stop it with \`kill ${claim.pid}\`, or name an empty one: \`PERDURE_DATA=other npm run restore …\`.`,
        );
      }
      this.#claims.push(claim.release);
      await this.#folder.stopOrphan(part);
    }
  }

  /** The server's address: that of the environment, of the one that runs, or of one that is started now. Undefined where it cannot be had and is not needed. */
  async address(part: ServerPart): Promise<string | undefined> {
    const { variable, title, start } = SERVERS[part];
    const given = process.env[variable];
    if (given) return given;
    if (!this.#isOurs) {
      const claim = this.#folder.tryClaim(part);
      if ("pid" in claim) return this.#folder.read(part)?.url;
      this.#claims.push(claim.release);
      if (!existsSync(this.#folder.of(part)) && !existsSync(`${this.#folder.of(part)}.location`)) {
        if (part === "qdrant") return undefined;
        throw new Error(
          `${title} has never been started in ${this.#folder.path}, so there is nothing to back up. PERDURE_DATA or ${variable} names another place.`,
        );
      }
      await this.#folder.stopOrphan(part);
    }
    const server = await this.#progress.run(`starting ${title}`, (step) => start(this.#folder, step));
    if (server !== undefined) this.#started.push(server);
    return server?.url;
  }

  async stop(): Promise<void> {
    for (const server of this.#started.toReversed()) await server.stop();
    for (const release of this.#claims) release();
  }
}
