import { type AnswerFields, DOCUMENTED, type DocumentedEndpoint, SYSTEMS, type SystemName, canonicalOf } from "#contract";

/** `docs/compatibility.md`: every path that the documents of the five systems name, and what becomes of it. */
export function compatibilityTable(): string {
  const sections = (Object.keys(SYSTEMS) as SystemName[]).flatMap((system) => {
    const rows = DOCUMENTED.filter((row) => row.system === system);
    const count = rows.filter((row) => !("unserved" in row)).length;
    return [
      `## ${SYSTEMS[system]}`,
      `${count} of ${rows.length} served.`,
      "",
      "| documented | | served as | status | takes | answers | mapping |",
      "|---|---|---|---|---|---|---|",
      ...rows.map(tableRow),
      "",
    ];
  });
  return [
    "<!-- Written by `npm run gen` from contract/documented.ts. Do not edit. -->",
    "# Paths of other systems",
    "",
    "Clients that were written for the systems below find the paths, fields and statuses that their documents name, served by the handlers of the canonical routes. An answer has the canonical fields as well. Where the answer is",
    "not as documented, the row says so. What is not served answers 404; the second column is the requirement. Beside these, everything under `/api/v1` is served under `/api` too, and with a trailing slash.",
    "",
    "Problems are RFC 9457 everywhere, with `detail` where the documents have it. What is well-formed and wrong is 422.",
    "",
    ...sections,
  ].join("\n");
}

function tableRow(row: DocumentedEndpoint): string {
  const start = `| \`${row.method.toUpperCase()} ${row.path}\` | ${row.requirement} |`;
  if ("unserved" in row) return `${start} *${row.unserved}* | | | | |`;
  if ("page" in row) return `${start} \`GET ${row.page}\` | ${row.status} | | ${row.differs ?? ""} | |`;
  const { method, path } = canonicalOf(row);
  const { body = {}, query = {}, answer = {}, replies = {} } = row.adapts ?? {};
  const mapping = [
    ...Object.entries({ ...body, ...query }).map(([from, to]) => `\`${from}\` → \`${to}\``),
    ...written(answer),
    ...Object.entries(replies).map(([from, { status }]) => `${from} → ${status}`),
  ];
  const names = (list: readonly string[] = []): string => list.map((name) => `\`${name}\``).join(" ");
  return `${start} \`${method.toUpperCase()} ${path}\` | ${row.status} | ${names(row.takes)} | ${names(row.answers)}${row.differs ? `; ${row.differs}` : ""} | ${mapping.join(", ")} |`;
}

function written(answer: AnswerFields, prefix = ""): string[] {
  return Object.entries(answer).flatMap(([field, source]) =>
    typeof source === "string" ? [`\`${prefix}${field}\` = \`${source}\``] : written(source, `${prefix}${field}.`),
  );
}
