const UNIT_MS: Record<string, number> = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1e3,
  sec: 1e3,
  secs: 1e3,
  second: 1e3,
  seconds: 1e3,
  m: 6e4,
  min: 6e4,
  mins: 6e4,
  minute: 6e4,
  minutes: 6e4,
  h: 36e5,
  hr: 36e5,
  hrs: 36e5,
  hour: 36e5,
  hours: 36e5,
  d: 864e5,
  day: 864e5,
  days: 864e5,
  w: 6048e5,
  week: 6048e5,
  weeks: 6048e5,
};
const PART = /(\d+(?:\.\d+)?)\s*([a-z]+)/y;
const ISO = /^P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i;

/**
 * Milliseconds of `"30s"`, `"5m"`, `"3 days"`, `"1h 30m"`, an ISO 8601 duration in weeks, days and time (`"P1DT12H"`; years and months have no
 * fixed length and are refused), or a number of seconds (as the documented systems write time-outs).
 * @returns undefined when the text is no duration.
 */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? Math.round(value * 1000) : undefined;
  const text = value.trim().toLowerCase();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  const iso = ISO.exec(text);
  if (iso && text.length > 1 && !text.endsWith("t")) {
    const [weeks, days, hours, minutes, seconds] = iso.slice(1).map((part) => Number(part ?? 0));
    return Math.round((weeks ?? 0) * 6048e5 + (days ?? 0) * 864e5 + (hours ?? 0) * 36e5 + (minutes ?? 0) * 6e4 + (seconds ?? 0) * 1e3);
  }
  let total = 0;
  let at = 0;
  while (at < text.length) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    const unit = part ? UNIT_MS[part[2] ?? ""] : undefined;
    if (!part || unit === undefined) return undefined;
    total += Number(part[1]) * unit;
    at = PART.lastIndex;
    while (text[at] === " " || text[at] === ",") at++;
  }
  return text.length > 0 ? Math.round(total) : undefined;
}
