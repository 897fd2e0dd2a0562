/** What somebody who has never seen the API reads first. */
export const STARTING = `Durable AI workflows: a graph of nodes as JSON, interpreted by one Temporal workflow. Nothing that has been taken on is lost when a process dies.

**Beginning**: \`POST /api/v1/auth/register\` makes an account, an organization of its own and a pair of tokens. Send \`Authorization: Bearer <access_token>\` (30 minutes; \`POST /api/v1/auth/refresh\` renews it), or an API key as \`X-API-Key\`. \`POST /api/v1/workflows\` saves a graph, \`POST /api/v1/workflows/{id}/execute\` runs it, \`GET /api/v1/executions/{id}/stream\` follows it.

**Names** are snake_case, times ISO 8601 in UTC, ids UUIDs. Every path is served with and without a trailing slash.

**Lists** are arrays. \`limit\` is the size of a page; \`Link: <…>; rel="next"\` leads to the next one, its \`cursor\` is opaque; \`X-Total-Count\` counts all.

**Problems** are RFC 9457, \`application/problem+json\`: \`code\` is from a closed table, \`errors[]\` names everything that is wrong with a request at once, \`correlation_id\` finds it in the log. 400 is what cannot be read, 422 what can be read and is wrong; what belongs to another organization is 404.

**Text** is Unicode without NUL characters; what PostgreSQL cannot store is 422.

**Other systems**: the documented paths of KAI-Fusion, the AI Workflow Builder and the AI Workflow Engine have sections of their own below; each is an alias of a canonical operation.`;

/** What each section is about. */
export const TAGS: Readonly<Record<string, string>> = {
  auth: "Accounts, access tokens and sessions.",
  organizations: "Tenants. Every row belongs to one; no request reads another's.",
  members: "People of an organization, their roles, and invitations.",
  "api-keys": "Keys for programs: scoped, expiring, shown once.",
  audit: "Who changed what, and from where.",
  workflows: "Graphs, their versions, files and checks. Every save of a graph is a version that never changes; a run keeps the one it began with.",
  templates: "Workflows to begin with.",
  executions: "Runs: start, follow, steer, read, run again.",
  "bulk operations": "The same done to many runs.",
  approvals: "What waits for people.",
  queue: "Limits of concurrency, and what stands in line.",
  nodes: "The node types that graphs are made of, with the JSON schemas of their inputs.",
  credentials: "Secrets for nodes: typed, sealed, tested, never shown.",
  http: "Try a request before a node sends it, and see what nodes have sent.",
  codec: "Opens for Temporal's Web UI what Temporal stores sealed.",
  health: "Whether the process lives, can serve, and what it needs.",
};
