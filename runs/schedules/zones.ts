/** Names by how they are written in lower case: Temporal tells cases apart. */
const NAMES = new Map([...Intl.supportedValuesOf("timeZone"), "UTC"].map((name) => [name.toLowerCase(), name]));

/** The IANA name as Temporal takes it; undefined where there is no such zone. */
export function zoneOf(name: string): string | undefined {
  const known = NAMES.get(name.toLowerCase());
  if (known !== undefined) return known;
  // Older names (US/Eastern) are no part of the list; offsets are none at all.
  if (!/^[A-Za-z][A-Za-z_]+(?:\/[A-Za-z0-9_+-]+)*$/.test(name)) return undefined;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** `2026-11-21T09:00:00-05:00`: the moment as clocks of the zone show it. */
export function localTime(at: Date, zone: string): string {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    })
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const wall = `${parts["year"]}-${parts["month"]}-${parts["day"]}T${parts["hour"]}:${parts["minute"]}:${parts["second"]}`;
  const minutes = Math.round((Date.parse(`${wall}Z`) - at.getTime()) / 60_000);
  const offset = `${minutes < 0 ? "-" : "+"}${two(Math.floor(Math.abs(minutes) / 60))}:${two(Math.abs(minutes) % 60)}`;
  return `${wall}${offset}`;
}

const two = (value: number): string => String(value).padStart(2, "0");
