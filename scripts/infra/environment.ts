const PASSED_ON = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/** What a server of the infrastructure gets to see: none of the keys and settings that are meant for us. */
export function serverEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))), ...more };
}
