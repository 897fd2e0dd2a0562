import { defineConfig } from "vitest/config";

const pure = [
  "core",
  "graph",
  "builder",
  "nodes",
  "contract",
  "client",
  "cli",
  "platform",
  "telemetry",
  "integrations",
  "activities",
  "workflows",
  "api",
  "db",
  "payloads",
  "credentials",
  "runs",
  "scripts",
  "worker",
];

/** They take minutes, and say nothing where other work shares the machine: not part of a plain run. */
const load = {
  test: { name: "load", include: ["tests/load/**/*.test.ts"], globalSetup: ["tests/support/global-setup.ts"], testTimeout: 20 * 60_000, hookTimeout: 240_000 },
};

/** Their long forms ask how much memory a process takes: one after the other, with nothing beside them. */
const scaleTurns =
  process.env["SCALE"] === "long"
    ? { fileParallelism: false, sequence: { groupOrder: 2 } }
    : { fileParallelism: true, maxWorkers: 3, sequence: { groupOrder: 1 } };

export default defineConfig({
  test: {
    projects: [
      ...(process.env["LOAD_TESTS"] ? [load] : []),
      {
        test: {
          name: "unit",
          include: [...pure.map((folder) => `${folder}/**/*.test.ts`), "tests/*.test.ts", "tests/chaos/check-*.test.ts"],
          testTimeout: 20_000,
        },
      },
      { test: { name: "property", include: ["tests/property/**/*.test.ts"], testTimeout: 20 * 60_000 } },
      {
        test: {
          name: "component",
          include: ["tests/{component,fuzz,replay}/**/*.test.ts"],
          globalSetup: ["tests/support/global-setup.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: true,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["tests/e2e/**/*.test.ts", "tests/chaos/chaos.test.ts"],
          globalSetup: ["tests/support/global-setup.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Most of their time goes by waiting.
          fileParallelism: true,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "conformance",
          include: ["tests/conformance/**/*.test.ts"],
          globalSetup: ["tests/support/global-setup.ts"],
          testTimeout: 60 * 60_000,
          hookTimeout: 240_000,
          fileParallelism: true,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "scale",
          include: ["tests/{scale,timers}/**/*.test.ts"],
          globalSetup: ["tests/support/global-setup.ts"],
          testTimeout: 30 * 60_000,
          hookTimeout: 240_000,
          ...scaleTurns,
        },
      },
    ],
  },
});
