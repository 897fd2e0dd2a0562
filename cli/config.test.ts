import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, parse } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ConnectionError } from "#client";
import { findAddress } from "./config.ts";
import { describeFailure } from "./failure.ts";

const home = mkdtempSync(join(tmpdir(), "perdure-address-"));
const [project, below] = [join(home, "project"), join(home, "project/flows")];
mkdirSync(below, { recursive: true });
writeFileSync(join(project, "perdure.json"), '{"url":"http://file.example/api/v1/"}');
afterAll(() => rmSync(home, { recursive: true }));

test.each([
  ["named by perdure.json", project, undefined, undefined, "http://file.example", "`perdure init <url> --force` names another."],
  ["named by perdure.json above", below, undefined, undefined, "http://file.example", "`perdure init <url>` names another for this folder."],
  ["named by nothing", parse(home).root, undefined, undefined, "http://localhost:8000", "`perdure init <url>` names another."],
  ["named by PERDURE_URL", project, undefined, "http://variable.example", "http://variable.example", "PERDURE_URL names it."],
  ["named by --url", project, "http://option.example", "http://variable.example", "http://option.example", "`--url` names it."],
])("D9: When an address %s does not answer, then it is said how to name another", (_how, cwd, option, variable, url, change) => {
  const { lines } = describeFailure(new ConnectionError("no answer"), findAddress(cwd, option, variable));
  expect(lines.join("\n")).toContain(`${url} does not answer.`);
  expect(lines.join("\n").endsWith(change)).toBe(true);
});
