import type { Dialect, NodeType } from "../catalogue.ts";

/** How the string at a place is read. A `literal` place makes all below it literal. */
export function dialectAt(type: NodeType, path: readonly (string | number)[]): Dialect {
  for (const [pattern, dialect] of Object.entries(type.dialects ?? {})) {
    const keys = pattern.split(".");
    const reaches = dialect === "literal" ? keys.length <= path.length : keys.length === path.length;
    if (reaches && keys.every((key, index) => key === "*" || key === String(path[index]))) return dialect;
  }
  return "template";
}
