import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("When a program's settings are wrong, then it ends with 1 and names all of them, without their values or a stack", () => {
  const program = `import { readEnvOrExit } from ${JSON.stringify(new URL("./env.ts", import.meta.url).href)}; readEnvOrExit(); console.log("went on");`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { PATH: process.env["PATH"], LOG_LEVEL: "hunter2", PORT: "http", PUBLIC_URL: "perdure.example", CORS_ORIGINS: "https://a.example,b.example" },
    encoding: "utf8",
  });
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr.split("\n").map((line) => line.split(":")[0])).toEqual([
    "Settings in the environment are wrong",
    "  PORT",
    "  PUBLIC_URL",
    "  LOG_LEVEL",
    "  CORS_ORIGINS",
    "",
  ]);
  expect(stderr).not.toContain("hunter2");
});
