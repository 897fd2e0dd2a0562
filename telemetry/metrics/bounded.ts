/** What a label says of everything beyond its bound. */
export const OTHER = "other";

/** Lets through the first `limit` different values; what comes after them is `other`, so that no caller decides how many series there are. */
export function boundedValues(limit: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= limit) return OTHER;
    known.add(value);
    return value;
  };
}
