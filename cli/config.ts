import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { EXIT, Failure, usage } from "./failure.ts";

/** Of a project, to be committed: says which installation it belongs to, and holds no secret. */
export const CONFIG_FILE = "perdure.json";
/** Where `npm start` serves. */
export const DEFAULT_URL = "http://localhost:8000";

export interface Config {
  url: string;
}

/** Of an API, with what somebody does who wants another. */
export interface Address {
  readonly url: string;
  readonly change: string;
}

/** `--url`, else `PERDURE_URL`, else the nearest perdure.json, else where `npm start` serves. @throws Failure where it is no address, or perdure.json cannot be read. */
export function findAddress(cwd: string, option: string | undefined, variable: string | undefined): Address {
  if (option !== undefined) return { url: addressOf(option, "--url"), change: "`--url` names it." };
  if (variable) return { url: addressOf(variable, "PERDURE_URL"), change: "PERDURE_URL names it." };
  const found = findConfig(cwd);
  if (found === undefined) return UNNAMED;
  const isHere = dirname(found.file) === resolve(cwd);
  return {
    url: found.config.url,
    change: `${found.file} names it; \`perdure init <url>${isHere ? " --force" : ""}\` names another${isHere ? "" : " for this folder"}.`,
  };
}

/** Where nobody has said anything. */
export const UNNAMED: Address = { url: DEFAULT_URL, change: "`perdure init <url>` names another." };

/** The nearest configuration of a folder and those above it. @throws Failure where it cannot be read. */
export function findConfig(folder: string): { file: string; config: Config } | undefined {
  const file = join(folder, CONFIG_FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (!isMissing(error)) throw new Failure(`${file} cannot be read: ${(error as Error).message}`);
    const above = dirname(folder);
    return above === folder ? undefined : findConfig(above);
  }
  return { file, config: parseConfig(text, file) };
}

function parseConfig(text: string, file: string): Config {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw usage(`${file} is not JSON.`);
  }
  const url = typeof value === "object" && value !== null && "url" in value ? value.url : undefined;
  if (typeof url !== "string") throw usage(`${file} needs a "url".`);
  return { url: addressOf(url, file) };
}

/** @throws Failure where the text is no address of an API. */
export function addressOf(text: string, origin: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol)) throw usage(`${origin}: "${text}" is no address such as ${DEFAULT_URL}.`);
  if (url.username || url.password) throw usage(`${origin}: the address must not hold a password; \`perdure login\` signs in.`);
  return `${url.origin}${url.pathname.replace(/(\/api\/v1)?\/*$/, "")}`;
}

/** Writes the configuration of a folder. @throws Failure where there is one, unless `overwrite`. */
export async function writeConfig(folder: string, config: Config, overwrite: boolean): Promise<string> {
  const file = resolve(folder, CONFIG_FILE);
  try {
    await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { flag: overwrite ? "w" : "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new Failure(`${file} is there already; --force overwrites it.`, EXIT.usage);
    throw error;
  }
  return file;
}

function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
