import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type TestContext, afterAll, beforeAll, expect, test } from "vitest";
import { TestClient } from "../support/client.ts";
import { type Perdure, startPerdure } from "../support/perdure.ts";
import { createTemporaryFolder, type TemporaryFolder } from "../support/temporary-folder.ts";
import { NoSchemathesisError, run, schemathesis } from "./python.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const isLong = process.env["SCHEMATHESIS"] === "long";
/** Requests that are made up for each operation, beside those of the coverage phase. */
const EXAMPLES = Number(process.env["SCHEMATHESIS_EXAMPLES"] ?? (isLong ? 100 : 3));
const PHASES = isLong ? "examples,coverage,fuzzing,stateful" : "examples,coverage,fuzzing";

/** The short form always asks the same; the long one something new each time. */
const SHORT_SEED = "7";

/** They end the session that calls them, or its organization, should its name be guessed: called last, by somebody of their own. */
const ENDING = ["logoutEverywhere", "endSession", "eraseOrganization"];
const filter = (kind: "include" | "exclude"): string[] => ENDING.flatMap((id) => [`--${kind}-operation-id`, id]);

/** Of Python 3.11 where two threads parse at once (python/cpython#106905), and not of the API. */
const PYTHONS_OWN = "AST constructor recursion depth mismatch";

/** What is made up is many requests of one address, and runs that nobody answers. */
const SETTINGS = {
  LOG_LEVEL: "warn",
  RATE_LIMIT_USER: "off",
  RATE_LIMIT_ADDRESS: "off",
  RATE_LIMIT_SIGN_IN_FAILURES: "off",
  RATE_LIMIT_ACCOUNT_FAILURES: "off",
  JWT_ACCESS_TOKEN_EXPIRE_MINUTES: "600",
  API_KEYS_MAX: "100000",
  RUN_WAIT_MAX_MS: "1000",
};

let program: string | undefined;
let missing = "";
let perdure: Perdure;
let folder: TemporaryFolder;

beforeAll(async () => {
  program = await schemathesis().catch((error: unknown) => {
    if (!(error instanceof NoSchemathesisError) || isLong) throw error;
    missing = error.message;
    return undefined;
  });
  if (program === undefined) return;
  [perdure, folder] = await Promise.all([startPerdure(SETTINGS), createTemporaryFolder()]);
}, 600_000);
afterAll(async () => {
  await perdure?.stop();
  await folder?.remove();
});

async function expectConformance(
  context: TestContext,
  args: readonly string[],
  { env = {}, endsSession = false }: { env?: NodeJS.ProcessEnv; endsSession?: boolean } = {},
): Promise<void> {
  if (program === undefined) {
    process.stderr.write(`\nSCHEMATHESIS WAS NOT RUN; tests/conformance/operations.test.ts checks the same in its own way. ${missing}\n\n`);
    context.skip("schemathesis is not available");
  }
  const user = await TestClient.register(perdure.base);
  const home = join(folder.path, "home");
  mkdirSync(home, { recursive: true });
  const called = (workers: number) =>
    run(
      program as string,
      [
        "--config-file",
        join(ROOT, "tests/conformance/schemathesis.toml"),
        "run",
        `${perdure.base}/openapi.json`,
        "--header",
        `Authorization: Bearer ${user.accessToken}`,
        "--max-examples",
        String(EXAMPLES),
        "--workers",
        String(workers),
        "--no-color",
        ...(isLong ? [] : ["--seed", SHORT_SEED]),
        ...filter(endsSession ? "include" : "exclude"),
        ...args,
      ],
      {
        cwd: home,
        env: {
          ...process.env,
          SCHEMATHESIS_HOOKS: join(ROOT, "tests/conformance/hooks.py"),
          HOME: home,
          HYPOTHESIS_STORAGE_DIRECTORY: join(home, "hypothesis"),
          ...env,
        },
      },
    );
  let { code, output } = await called(2);
  if (output.includes(PYTHONS_OWN)) ({ code, output } = await called(1));
  process.stdout.write(`${output.slice(output.lastIndexOf("= SUMMARY ="))}\n`);
  expect(code, output).toBe(0);
  if (!endsSession) expect((await user.get("/api/v1/auth/me")).status, "the user was signed in to the end").toBe(200);
  expect(failuresLogged(perdure), "nothing is logged as a failure of ours").toEqual([]);
}

function failuresLogged({ api }: Perdure): string[] {
  return api
    .logs()
    .split("\n")
    .filter((line) => line.includes('"request failed"'));
}

test("D7: When schemathesis calls every operation with what fits its schemas and what does not, then no check fails", async (context) => {
  await expectConformance(context, ["--phases", PHASES]);
});

test("D7: When text holds what cannot be stored, then it is refused and nothing breaks", async (context) => {
  await expectConformance(context, ["--phases", "fuzzing", "--exclude-checks", "positive_data_acceptance"], {
    env: { CONFORMANCE_SENDS_NUL: "1" },
  });
});

test("D7: When schemathesis calls what ends its session, then no check fails", async (context) => {
  await expectConformance(context, ["--phases", "examples,coverage,fuzzing"], { endsSession: true });
});
