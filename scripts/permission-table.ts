import { PERMISSIONS, PERMISSION_MEANINGS, ROLES, type Route, type RouteName, isScope, may, routes } from "#contract";

/** `docs/permissions.md`: what each role may, what an API key may be given, and which routes ask for it. */
export function permissionTable(): string {
  const all = (Object.keys(routes) as RouteName[]).map((name) => routes[name] as Route);
  const written = ({ method, path }: Route): string => `\`${method.toUpperCase()} ${path.replace(/^\/api\/v1/, "")}\``;
  const roles = ROLES.toReversed();
  const rows = PERMISSIONS.map((permission) => {
    const asking = all.filter(({ access }) => access.auth === "user" && access.permission === permission).map(written);
    const cells = [...roles.map((role) => may(role, permission)), isScope(permission)].map((yes) => (yes ? "yes" : ""));
    return `| \`${permission}\` | ${PERMISSION_MEANINGS[permission]} | ${cells.join(" | ")} | ${asking.join(", ")} |`;
  });
  const open = all.filter(({ access }) => access.auth === "public").map(written);
  const called = all.filter(({ access }) => access.auth === "webhook").map(written);
  return [
    "<!-- Written by `npm run gen` from contract/permissions.ts and the routes. Do not edit. -->",
    "# Who may do what",
    "",
    "A member has one role in each organization. Every route asks for one permission; a route that states none is not served. An API key has those of its",
    "scopes that its creator's role has at that moment. Paths stand under `/api/v1`.",
    "",
    `| permission | | ${roles.join(" | ")} | as a scope | routes |`,
    `|---|---|${roles.map(() => "---|").join("")}---|---|`,
    ...rows,
    "",
    `Without a token: ${open.join(", ")}.`,
    "",
    `With what proves the sender of a webhook (its token or signature), and with nothing else: ${called.join(", ")}.`,
    "",
  ].join("\n");
}
