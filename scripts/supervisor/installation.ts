import { migrate } from "#db";
import { isFree, kill, nextFreePort, type Progress, type Server, StartError, type Step } from "../infra/index.ts";
import { startApplication } from "./application.ts";
import type { DataFolder } from "./data-folder.ts";
import type { Options, PartName } from "./options.ts";
import { type Addresses, DEFAULT_PORT, type ServerPart, SERVERS } from "./servers.ts";
import { supervise, type Supervised } from "./supervise.ts";

const PORT_TRIES = 5;
const STOP_ORDER: readonly PartName[] = ["worker", "api", "qdrant", "temporal", "postgres"];

/** The parts that one `npm start` looks after. */
export class Installation {
  readonly #folder: DataFolder;
  readonly #options: Options;
  readonly #running = new Map<PartName, Supervised>();
  readonly #claims: (() => void)[] = [];
  #addresses: Addresses | undefined;
  #leaving = false;

  constructor(folder: DataFolder, options: Options) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Brings up what was asked for. @throws an Error whose message says what to do. */
  async start(progress: Progress): Promise<void> {
    for (const part of this.#options.parts) {
      if (part === "worker" && this.#options.partial) continue; // Further workers are welcome.
      this.#claims.push(this.#folder.claim(part));
      if (await this.#folder.stopOrphan(part)) progress.line(`  stopped ${part}, left behind by an earlier start`);
    }
    const found = await allOf([this.#server("postgres", progress), this.#server("temporal", progress), this.#server("qdrant", progress)]);
    const [databaseUrl, temporalAddress, qdrantUrl] = found;
    if (databaseUrl === undefined || temporalAddress === undefined) throw new Error("PostgreSQL and Temporal are both needed.");
    this.#addresses = { databaseUrl, temporalAddress, qdrantUrl, temporalUiUrl: process.env.TEMPORAL_UI_URL || this.#folder.read("temporal")?.uiUrl };
    if (this.#leaving) return;
    const wantsApi = this.#options.parts.includes("api");
    const wantsWorker = this.#options.parts.includes("worker");
    if (wantsApi || wantsWorker) await progress.run("database schema", () => migrate(databaseUrl));
    if (this.#leaving) return;
    await allOf([wantsApi ? this.#api(progress) : undefined, wantsWorker ? this.#worker(progress) : undefined]);
  }

  /** The API that this process runs, or undefined. */
  get apiUrl(): string | undefined {
    return this.#running.get("api")?.current.url;
  }

  /** `host:port`, as the `temporal` command takes it. */
  get temporalAddress(): string | undefined {
    return this.#addresses?.temporalAddress;
  }

  get temporalUiUrl(): string | undefined {
    return this.#addresses?.temporalUiUrl;
  }

  /** What runs here, with its process number. */
  get processes(): { part: PartName; pid: number }[] {
    return [...this.#running].map(([part, { current }]) => ({ part, pid: current.pid }));
  }

  /** In order and within bounds: who depends on others goes first. */
  async stop(progress: Progress): Promise<void> {
    this.#leaving = true;
    for (const part of STOP_ORDER) {
      const running = this.#running.get(part);
      if (running !== undefined) await progress.run(`stopping ${part}`, () => running.stop());
    }
    for (const release of this.#claims) release();
  }

  kill(): void {
    for (const { current } of this.#running.values()) kill(-current.pid, "SIGKILL");
    for (const release of this.#claims) release();
  }

  /** Starts a server here, or finds it: in the environment, else where another start has it. Returns its address. */
  async #server(part: ServerPart, progress: Progress): Promise<string | undefined> {
    const kind = SERVERS[part];
    const given = process.env[kind.variable];
    if (given) {
      return progress.run(
        `${kind.title} of your own`,
        async () => {
          await kind.check(given).catch((error: unknown) => {
            throw new Error(
              `${kind.title} does not answer at ${kind.show(given)} (${(error as Error).message}). Check ${kind.variable}, or remove it to have one started here.`,
            );
          });
          return given;
        },
        () => kind.show(given),
      );
    }
    if (!this.#options.parts.includes(part)) return this.#elsewhere(part);
    const server = await progress.run(
      kind.title,
      (step) => kind.start(this.#folder, step),
      (started) => (started === undefined ? "not available" : kind.show(started.uiUrl ?? started.url)),
    );
    if (server === undefined) return undefined;
    this.#look(part, server, progress, (previous) => kind.start(this.#folder, quietStep(progress), previous));
    return server.url;
  }

  #elsewhere(part: ServerPart): string | undefined {
    const state = this.#folder.read(part);
    const needed = this.#options.parts.includes("api") || this.#options.parts.includes("worker");
    if (needed && part !== "qdrant" && (state === undefined || this.#folder.hasEnded(state))) {
      const what = state === undefined ? `has not been started in ${this.#folder.path} yet` : `of ${this.#folder.path} is not running`;
      throw new Error(`${SERVERS[part].title} ${what}. Run \`npm start -- --only infra\` first, or set ${SERVERS[part].variable}.`);
    }
    return state?.url ?? (needed ? undefined : "");
  }

  async #api(progress: Progress): Promise<void> {
    const host = process.env.HOST || "127.0.0.1";
    const wished = Number(process.env.PORT || DEFAULT_PORT);
    const server = await progress.run(
      "api",
      async (step) => {
        for (let attempt = 1; ; attempt++) {
          const port = await nextFreePort(wished, host);
          if (port !== wished) step.note(`port ${wished} is in use, so the API is on ${port} (PORT changes it)`);
          try {
            return await this.#application("api", { PORT: `${port}` });
          } catch (error) {
            if (attempt === PORT_TRIES || (await isFree(port, host)) || !(error instanceof StartError)) throw error;
          }
        }
      },
      ({ url }) => url,
    );
    this.#look("api", server, progress, ({ port }) => this.#application("api", { PORT: `${port}` }));
  }

  async #worker(progress: Progress): Promise<void> {
    const server = await progress.run("worker", () => this.#application("worker"));
    this.#look("worker", server, progress, () => this.#application("worker"));
  }

  #application(name: "api" | "worker", more: Record<string, string> = {}): Promise<Server> {
    const { databaseUrl, temporalAddress, temporalUiUrl, qdrantUrl } = this.#addresses as Addresses;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: temporalAddress,
      ...(temporalUiUrl && { TEMPORAL_UI_URL: temporalUiUrl }),
      ...(qdrantUrl && { QDRANT_URL: qdrantUrl }),
      JWT_SECRET_KEY: process.env.JWT_SECRET_KEY || this.#folder.secret("JWT_SECRET_KEY"),
      PAYLOAD_KEYS: process.env.PAYLOAD_KEYS || this.#folder.payloadKeys(),
      ...more,
    };
    return startApplication({ name, env, logFile: this.#folder.logOf(name) });
  }

  /** Looks after a part from now on. */
  #look(part: PartName, first: Server, progress: Progress, start: (previous: Server) => Promise<Server | undefined>): void {
    const shared = part !== "worker" || !this.#options.partial;
    const remember = (server: Server & { uiUrl?: string }) => {
      if (shared) this.#folder.remember(part, { url: server.url, port: server.port, pid: server.pid, uiUrl: server.uiUrl });
    };
    remember(first);
    const supervised = supervise({
      name: part,
      first,
      say: (line) => progress.line(`  ${line}`),
      async restart(previous) {
        const server = await start(previous);
        if (server === undefined) throw new Error("it is no longer available");
        remember(server);
        if (server.url !== previous.url) progress.line(`  ${part} moved from port ${previous.port} to ${server.port}: start again so that all parts know`);
        return server;
      },
    });
    this.#running.set(part, supervised);
  }
}

/** All of them to their end, so that nothing is started behind a failure's back; then the first failure. */
async function allOf<T extends readonly unknown[]>(work: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const outcomes = await Promise.allSettled(work);
  const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as Error] : []));
  const [first] = failures;
  if (first !== undefined) throw failures.length === 1 ? first : new AggregateError(failures, failures.map(({ message }) => message).join("\n\n"));
  return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : undefined)) as { -readonly [K in keyof T]: Awaited<T[K]> };
}

function quietStep(progress: Progress): Step {
  return { update: () => {}, note: (text) => progress.line(`  ${text}`), done: () => {}, failed: () => {} };
}
