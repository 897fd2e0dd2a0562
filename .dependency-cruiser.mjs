/**
 * Which way imports go. A folder says where its code runs and what it may touch; these rules make that a failing check.
 * Types are free (`import type` is erased); `reachable` rules look through all files in between.
 */
const PURE = "^(core|graph|builder|nodes|contract|client)/";
const TESTS = "\\.test\\.ts$|/testing/";

/** Folder → the folders that its code may import. Tests beside the code may import what they like of the same list. */
const ARROWS = {
  core: [],
  graph: ["core"],
  builder: ["core"],
  nodes: ["core", "graph"],
  contract: ["core", "graph", "nodes"],
  client: [],
  cli: ["client"],
  platform: ["core"],
  telemetry: ["core", "platform", "db"],
  integrations: ["core", "nodes", "platform", "telemetry"],
  db: ["core", "graph", "platform", "runs/types", "workflows/messages"],
  payloads: ["core", "platform", "db"],
  credentials: ["core", "nodes", "db", "payloads"],
  runs: ["core", "graph", "platform", "telemetry", "db", "workflows/messages", "workflows/search-attributes"],
  workflows: ["core", "graph", "nodes"],
  activities: ["core", "graph", "nodes", "platform", "telemetry", "db", "integrations", "runs", "workflows/messages"],
  api: ["core", "graph", "nodes", "contract", "platform", "telemetry", "db", "integrations", "payloads", "credentials", "runs", "workflows/messages"],
  worker: ["core", "graph", "nodes", "platform", "telemetry", "db", "integrations", "payloads", "credentials", "runs", "activities", "workflows"],
};

const arrows = Object.entries(ARROWS).map(([folder, allowed]) => ({
  name: `arrows-of-${folder}`,
  comment: `${folder}/ imports only: ${allowed.join(", ") || "nothing of ours"} (docs/decisions, style of the folders).`,
  severity: "error",
  from: { path: `^${folder}/`, pathNot: TESTS },
  to: {
    path: `^(${Object.keys(ARROWS).join("|")}|scripts|tests|bench)/`,
    pathNot: [`^${folder}/`, ...allowed.map((each) => (each.includes("/") ? `^${each}\\.ts$` : `^${each}/`))],
  },
}));

/** What other folders may import of each: the index, and the few files that are meant for it. */
const DOORS = {
  core: ["index"],
  graph: ["index", "runtime"],
  builder: ["index"],
  nodes: ["index", "define", "inline\\.gen"],
  contract: ["[a-z-]+"],
  client: ["index"],
  workflows: ["messages", "search-attributes", "index"],
  db: ["index"],
  runs: ["index", "types"],
  activities: ["index"],
  payloads: ["index"],
  credentials: ["index"],
  platform: ["index"],
  telemetry: ["index"],
};

const doors = Object.entries(DOORS).map(([folder, files]) => ({
  name: `door-of-${folder}`,
  comment: `Other folders import ${folder}/ through its index, never its insides.`,
  severity: "error",
  from: { pathNot: `^(${folder}|scripts|tests|bench)/|${TESTS}` },
  to: { path: `^${folder}/`, pathNot: `^${folder}/(${files.join("|")})\\.ts$` },
}));

export default {
  forbidden: [
    ...arrows,
    ...doors,
    {
      name: "door-of-integrations",
      comment: "Each system of integrations/ is imported through its own index.",
      severity: "error",
      from: { pathNot: `^(integrations|scripts|tests|bench)/|${TESTS}` },
      to: { path: "^integrations/", pathNot: "^integrations/[a-z-]+/index\\.ts$" },
    },
    {
      name: "workflows-reach-no-io",
      comment: "Code in workflows/ is replayed: nothing on the way from it may touch the world.",
      severity: "error",
      from: { path: "^workflows/", pathNot: TESTS },
      to: {
        reachable: true,
        path: "^(activities|integrations|payloads|credentials|platform|telemetry|db|runs|api|worker)/|^(node:)?(fs|net|http|https|http2|tls|dns|child_process|worker_threads|crypto)(/|$)",
      },
    },
    {
      name: "one-way-out",
      comment:
        "Only integrations/http opens connections to the world: it guards them (F4). The database has a socket of its own; api/problem.ts and api/live/upgrade.ts read a table of status texts; telemetry/metrics/server.ts serves metrics and reads those of its own process, for which worker/observed.ts finds a port.",
      severity: "error",
      from: {
        path: `^(${Object.keys(ARROWS).join("|")})/`,
        pathNot: `${TESTS}|^integrations/http/|^db/connection/socket\\.ts$|^api/(problem|live/upgrade)\\.ts$|^telemetry/metrics/server\\.ts$|^worker/observed\\.ts$|^client/|^cli/`,
      },
      to: { path: "^(node:)?(net|tls|dns|http|https|http2|dgram)(/|$)|node_modules/undici/" },
    },
    {
      name: "clients-live-in-integrations",
      comment: "A library that talks to a system of its own is used behind an interface of integrations/, which gives it the guarded fetch or names why not.",
      severity: "error",
      from: { pathNot: `^integrations/|^(scripts|tests|bench)/|${TESTS}` },
      to: { path: "node_modules/(openai|@anthropic-ai/[^/]+|@qdrant/[^/]+|nodemailer|openid-client)/" },
    },
    {
      name: "pure-folders-use-no-node",
      comment: "core, graph, builder, nodes, contract and client load in a browser, a workflow and a test alike.",
      severity: "error",
      from: { path: PURE, pathNot: TESTS },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "pure-folders-use-no-client-library",
      severity: "error",
      from: { path: PURE, pathNot: TESTS },
      to: {
        path: "node_modules/(?!zod|acorn|@hono/zod-openapi|@marcbachmann/cel-js|re2js|jsonata|@handlebars/parser|@cfworker/json-schema|openapi3-ts|@asteasolutions|eventsource-parser)",
      },
    },
    {
      name: "workflows-use-few-packages",
      severity: "error",
      from: { path: "^workflows/", pathNot: TESTS },
      to: { path: "node_modules/", pathNot: "node_modules/(zod|@temporalio/(workflow|common)|@cfworker/json-schema)/" },
    },
    {
      name: "no-test-code-in-the-product",
      severity: "error",
      from: { path: `^(${Object.keys(ARROWS).join("|")})/`, pathNot: TESTS },
      to: { path: "^(tests|bench|scripts)/|\\.test\\.ts$|/testing/" },
    },
    {
      name: "client-needs-one-package",
      comment: "The client runs in browsers: the contract's schemas and their library are types to it.",
      severity: "error",
      from: { path: "^client/", pathNot: TESTS },
      to: { path: "node_modules/", pathNot: "node_modules/eventsource-parser/" },
    },
    { name: "no-cycles", severity: "error", from: { pathNot: TESTS }, to: { circular: true } },
    { name: "nothing-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "dependencies-are-declared",
      severity: "error",
      from: { path: `^(${Object.keys(ARROWS).join("|")})/`, pathNot: TESTS },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(\\.perdure|dist|coverage)/" },
    tsPreCompilationDeps: false,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"], extensions: [".ts", ".mjs", ".js", ".json"] },
  },
};
