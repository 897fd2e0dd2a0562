import { readEnv } from "#platform";

const DATABASE = /^postgres(?:ql)?:\/\/[^\s/]+/;
const HTTP = /^https?:\/\/[^\s/]+/;
const PORT_NUMBER = /^\d{1,5}$/;

/** What `npm start` reads itself: the variable, whether its value will do, and what it takes. */
const OWN: readonly (readonly [name: string, isValid: (value: string) => boolean, takes: string])[] = [
  ["PORT", (value) => value === "0" || isPort(value), "takes a number from 0, which takes any free port, to 65535"],
  ["TEMPORAL_UI_PORT", isPort, "takes a number from 1 to 65535"],
  ["DATABASE_URL", (value) => DATABASE.test(value) && URL.canParse(value), "takes an address such as postgres://user:password@host:5432/database"],
  ["TEMPORAL_ADDRESS", (value) => /^[^\s/]+$/.test(value), "takes an address such as 127.0.0.1:7233"],
  ["QDRANT_URL", (value) => HTTP.test(value) && URL.canParse(value), "takes an address such as http://127.0.0.1:6333"],
];

/**
 * Looks at the settings before anything is started.
 * @throws an Error that lists every one that is wrong, without its value.
 */
export function checkSettings(source: Readonly<Record<string, string | undefined>>): void {
  const wrong = OWN.flatMap(([name, isValid, takes]) => {
    const value = source[name];
    return value && !isValid(value) ? [`  ${name}: ${takes}`] : [];
  });
  const names = new Set(OWN.map(([name]) => name));
  try {
    readEnv({ ...source, ...Object.fromEntries([...names].map((name) => [name, undefined])) });
  } catch (error) {
    const [heading, ...lines] = (error as Error).message.split("\n");
    throw new Error([heading, ...wrong, ...lines].join("\n"), { cause: error });
  }
  if (wrong.length > 0) throw new Error(["Settings in the environment are wrong:", ...wrong].join("\n"));
}

function isPort(value: string): boolean {
  return PORT_NUMBER.test(value) && Number(value) >= 1 && Number(value) <= 65_535;
}
