/** The innermost cause of a failed query, for logs: outer errors repeat the query with its parameters, which are users' data. */
export function databaseReason(error: unknown): string {
  let inner = error;
  for (let depth = 0; inner instanceof Error && inner.cause instanceof Error && depth < 5; depth++) inner = inner.cause;
  if (!(inner instanceof Error)) return "unknown";
  const code = "code" in inner && typeof inner.code === "string" ? ` (${inner.code})` : "";
  return inner.message.startsWith("Failed query") ? `${inner.name}${code}` : `${inner.message}${code}`;
}
