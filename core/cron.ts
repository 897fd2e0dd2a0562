/**
 * Moments of one set of days: local wall-clock values, each list sorted and never empty. `leap`: only in leap years, or only in others.
 * Days of the week count from Sunday, 0.
 */
export interface CronCalendar {
  second: readonly number[];
  minute: readonly number[];
  hour: readonly number[];
  dayOfMonth: readonly number[];
  /** 1 to 12. */
  month: readonly number[];
  dayOfWeek: readonly number[];
  leap?: boolean;
}

export type ParsedCron = { ok: true; calendars: readonly CronCalendar[] } | { ok: false; problems: readonly string[] };

interface Field {
  name: string;
  from: number;
  to: number;
  names?: readonly string[];
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const SECOND: Field = { name: "second", from: 0, to: 59 };
const MINUTE: Field = { name: "minute", from: 0, to: 59 };
const HOUR: Field = { name: "hour", from: 0, to: 23 };
const DAY_OF_MONTH: Field = { name: "day of month", from: 1, to: 31 };
const MONTH: Field = { name: "month", from: 1, to: 12, names: MONTHS };
/** 7 is Sunday as well. */
const DAY_OF_WEEK: Field = { name: "day of week", from: 0, to: 7, names: DAYS };

const MACROS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
const SUPPORTED = "L in the day of month, and 5L or FRI#2 in the day of week are known; W, L-3 and H are not";
const MAX_CHARACTERS = 200;
const SECONDS_OF_A_DAY = 86_400;

/** How days of a month are chosen: by number, or counted from its end or by weeks. */
type Days = { kind: "days"; days: readonly number[] } | { kind: "last" };
type Weekdays = { kind: "days"; days: readonly number[] } | { kind: "last"; day: number } | { kind: "nth"; day: number; nth: number };

/** Months by how many days they have; February comes twice. */
const LENGTHS: readonly { days: number; months: readonly number[]; leap?: boolean }[] = [
  { days: 31, months: [1, 3, 5, 7, 8, 10, 12] },
  { days: 30, months: [4, 6, 9, 11] },
  { days: 28, months: [2], leap: false },
  { days: 29, months: [2], leap: true },
];

/**
 * Reads five fields (minute, hour, day of month, month, day of week) or six (seconds first), names, ranges, steps, lists, `?`, `L`, `5L`, `FRI#2` and
 * the macros from `@hourly` to `@yearly`. Where both days are restricted, a day that fits either counts, as in cron(5).
 * Every problem is told at once; an expression that never comes is one.
 */
export function parseCron(text: string): ParsedCron {
  if (text.length > MAX_CHARACTERS) return { ok: false, problems: [`has more than ${MAX_CHARACTERS} characters`] };
  const macro = text.trim().toLowerCase();
  if (macro.startsWith("@")) {
    const known = MACROS[macro];
    return known === undefined ? { ok: false, problems: [`${text.trim()} is not known; these are: ${Object.keys(MACROS).join(", ")}`] } : parseCron(known);
  }
  const parts = text.trim().toUpperCase().split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    return { ok: false, problems: ["takes five fields (minute, hour, day of month, month, day of week), or six with seconds first"] };
  }
  const [second = "", minute = "", hour = "", dom = "", month = "", dow = ""] = parts.length === 5 ? ["0", ...parts] : parts;
  const problems: string[] = [];
  const base = {
    second: values(second, SECOND, problems),
    minute: values(minute, MINUTE, problems),
    hour: values(hour, HOUR, problems),
  };
  const months = values(month, MONTH, problems);
  const days = daysOf(dom, problems);
  const weekdays = weekdaysOf(dow, problems);
  if (problems.length > 0) return { ok: false, problems };
  const anyDay = span(DAY_OF_MONTH.from, DAY_OF_MONTH.to);
  const anyWeekday = span(0, 6);
  const byDate = days.flatMap((each) => datesOf(each, months)).map((dates) => ({ ...base, dayOfWeek: anyWeekday, ...dates }));
  const byWeekday = weekdays.flatMap((each) => weeksOf(each, months)).map((dates) => ({ ...base, ...dates }));
  const calendars =
    isOpen(dom) && isOpen(dow)
      ? [{ ...base, dayOfMonth: anyDay, month: months, dayOfWeek: anyWeekday }]
      : isOpen(dom)
        ? byWeekday
        : isOpen(dow)
          ? byDate
          : [...byDate, ...byWeekday];
  if (!calendars.some(canCome)) return { ok: false, problems: ["never comes: no such month has such a day"] };
  return { ok: true, calendars: calendars.filter(canCome) };
}

/** Seconds between the two moments that lie closest together; a day where there is one moment a day. */
export function shortestGapSeconds(calendars: readonly CronCalendar[]): number {
  let shortest = SECONDS_OF_A_DAY;
  for (const { second, minute, hour } of calendars) {
    const first = momentOf(hour, minute, second, 0);
    let last = first - SECONDS_OF_A_DAY;
    for (const h of hour) {
      for (const m of minute) {
        for (const s of second) {
          const at = (h * 60 + m) * 60 + s;
          if (at !== first) shortest = Math.min(shortest, at - last);
          last = at;
        }
      }
    }
    shortest = Math.min(shortest, first + SECONDS_OF_A_DAY - last);
  }
  return shortest;
}

function momentOf(hour: readonly number[], minute: readonly number[], second: readonly number[], index: number): number {
  return ((hour[index] ?? 0) * 60 + (minute[index] ?? 0)) * 60 + (second[index] ?? 0);
}

const isOpen = (part: string): boolean => part === "*" || part === "?";
const span = (from: number, to: number, step = 1): number[] => Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
const sorted = (found: Iterable<number>): number[] => [...new Set(found)].toSorted((a, b) => a - b);

function values(text: string, field: Field, problems: string[]): number[] {
  return sorted(text.split(",").flatMap((part) => range(part, field, problems)));
}

function range(part: string, field: Field, problems: string[]): number[] {
  const fail = (why: string): number[] => {
    problems.push(`${field.name} ${part === "" ? "(empty)" : part}: ${why}`);
    return [];
  };
  const [body = "", stepText, ...more] = part.split("/");
  const step = stepText === undefined ? 1 : /^\d{1,4}$/.test(stepText) ? Number(stepText) : 0;
  if (more.length > 0 || step < 1) return fail("a step is a whole number of 1 or more");
  if (body === "*") return span(field.from, field === DAY_OF_WEEK ? 6 : field.to, step);
  const [fromText = "", toText, ...rest] = body.split("-");
  const from = valueOf(fromText, field);
  const to = toText === undefined ? (stepText === undefined ? from : field === DAY_OF_WEEK ? 6 : field.to) : valueOf(toText, field);
  if (rest.length > 0 || from === undefined || to === undefined) {
    const names = field.names ? ` and ${field.names[0]} to ${field.names.at(-1)}` : "";
    return fail(`is not understood, it takes ${field.from} to ${field.to}${names}${/[A-Z#]/.test(body) ? ` (${SUPPORTED})` : ""}`);
  }
  if (to < from) return fail("the range runs backwards, write it as two");
  return span(from, to, step).map((value) => (field === DAY_OF_WEEK ? value % 7 : value));
}

function valueOf(text: string, field: Field): number | undefined {
  const named = field.names?.indexOf(text) ?? -1;
  if (named >= 0) return field === MONTH ? named + 1 : named;
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= field.from && value <= field.to ? value : undefined;
}

function daysOf(text: string, problems: string[]): Days[] {
  if (isOpen(text)) return [];
  const parts = text.split(",");
  const plain = parts.filter((part) => part !== "L");
  return [
    ...(plain.length > 0 ? [{ kind: "days" as const, days: values(plain.join(","), DAY_OF_MONTH, problems) }] : []),
    ...(plain.length < parts.length ? [{ kind: "last" as const }] : []),
  ];
}

function weekdaysOf(text: string, problems: string[]): Weekdays[] {
  if (isOpen(text)) return [];
  const found: Weekdays[] = [];
  const plain: string[] = [];
  for (const part of text.split(",")) {
    const last = /^([0-7]|[A-Z]{3})L$/.exec(part);
    const nth = /^([0-7]|[A-Z]{3})#([1-5])$/.exec(part);
    const day = valueOf((last ?? nth)?.[1] ?? "", DAY_OF_WEEK);
    if (day === undefined) plain.push(part);
    else found.push(last ? { kind: "last", day: day % 7 } : { kind: "nth", day: day % 7, nth: Number(nth?.[2]) });
  }
  return plain.length > 0 ? [{ kind: "days", days: values(plain.join(","), DAY_OF_WEEK, problems) }, ...found] : found;
}

type Dates = Pick<CronCalendar, "dayOfMonth" | "month" | "leap">;

function datesOf(days: Days, months: readonly number[]): Dates[] {
  return days.kind === "days" ? [{ dayOfMonth: days.days, month: months }] : endsOf(months, 1);
}

function weeksOf(weekdays: Weekdays, months: readonly number[]): (Dates & { dayOfWeek: number[] })[] {
  switch (weekdays.kind) {
    case "days":
      return [{ dayOfMonth: span(1, 31), month: months, dayOfWeek: [...weekdays.days] }];
    case "last":
      return endsOf(months, 7).map((dates) => ({ ...dates, dayOfWeek: [weekdays.day] }));
    case "nth":
      return [{ dayOfMonth: span(weekdays.nth * 7 - 6, Math.min(31, weekdays.nth * 7)), month: months, dayOfWeek: [weekdays.day] }];
  }
}

/** The last days of each of the months. */
function endsOf(months: readonly number[], count: number): Dates[] {
  return LENGTHS.flatMap(({ days, months: those, leap }) => {
    const month = months.filter((each) => those.includes(each));
    return month.length === 0 ? [] : [{ dayOfMonth: span(days - count + 1, days), month, ...(leap !== undefined && { leap }) }];
  });
}

function canCome({ dayOfMonth, month }: CronCalendar): boolean {
  const earliest = dayOfMonth[0] ?? 32;
  return LENGTHS.some(({ days, months }) => earliest <= days && month.some((each) => months.includes(each)));
}
