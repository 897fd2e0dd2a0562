export interface Check {
  title: string;
  command: string;
  args: readonly string[];
  /** What repairs it. */
  repair: string;
}

/** Everything but the tests. Each is a program of node_modules/.bin or a script of ours. */
export const CHECKS: readonly Check[] = [
  { title: "format", command: "oxfmt", args: ["--check"], repair: "npm run format" },
  { title: "lint", command: "oxlint", args: ["--type-aware", "--deny-warnings"], repair: "npm run lint -- --fix, then by hand" },
  { title: "types", command: "tsc", args: ["-p", "."], repair: "by hand" },
  {
    title: "import arrows",
    command: "depcruise",
    args: ["--config", ".dependency-cruiser.mjs", "."],
    repair: "by hand: docs/decisions and .dependency-cruiser.mjs say which way imports go",
  },
  { title: "dead code", command: "knip", args: [], repair: "remove what is named" },
  { title: "generated files", command: "node", args: ["scripts/gen.ts", "--check"], repair: "npm run gen" },
];
