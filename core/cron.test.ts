import { describe, expect, test } from "vitest";
import { type CronCalendar, parseCron, shortestGapSeconds } from "./cron.ts";

function calendarsOf(text: string): readonly CronCalendar[] {
  const parsed = parseCron(text);
  if (!parsed.ok) throw new Error(parsed.problems.join("; "));
  return parsed.calendars;
}
const problemsOf = (text: string): string => {
  const parsed = parseCron(text);
  return parsed.ok ? "" : parsed.problems.join("; ");
};
const span = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("cron expressions", () => {
  test("C3: When there are five fields, then the second is 0; with six it comes first", () => {
    expect(calendarsOf("0 9 * * 1-5")).toEqual([
      { second: [0], minute: [0], hour: [9], dayOfMonth: span(1, 31), month: span(1, 12), dayOfWeek: [1, 2, 3, 4, 5] },
    ]);
    expect(calendarsOf("*/20 5 9,17 ? JAN,jul *")).toEqual([
      { second: [0, 20, 40], minute: [5], hour: [9, 17], dayOfMonth: span(1, 31), month: [1, 7], dayOfWeek: span(0, 6) },
    ]);
  });

  test("C3: When names, ranges, steps and lists are written, then they mean what cron means by them", () => {
    expect(calendarsOf("10-30/10,50/5 * * * *")[0]?.minute).toEqual([10, 20, 30, 50, 55]);
    expect(calendarsOf("0 0 * * MON-FRI/2,7")[0]?.dayOfWeek).toEqual([0, 1, 3, 5]);
    expect(calendarsOf("0 0 * FEB-APR *")[0]?.month).toEqual([2, 3, 4]);
    expect(calendarsOf("@weekly")).toEqual(calendarsOf("0 0 * * SUN"));
    expect(calendarsOf(" @Daily ")).toEqual(calendarsOf("0 0 * * *"));
  });

  test("C3: When both days are restricted, then a day that fits either counts", () => {
    expect(calendarsOf("0 0 13 * FRI").map(({ dayOfMonth, dayOfWeek }) => [dayOfMonth.length, dayOfWeek])).toEqual([
      [1, span(0, 6)],
      [31, [5]],
    ]);
  });

  test("C3: When the last day, the last Friday or the second Monday is meant, then it is a calendar for each length of month", () => {
    expect(calendarsOf("0 0 L * *").map(({ dayOfMonth, month, leap }) => [dayOfMonth, month, leap])).toEqual([
      [[31], [1, 3, 5, 7, 8, 10, 12], undefined],
      [[30], [4, 6, 9, 11], undefined],
      [[28], [2], false],
      [[29], [2], true],
    ]);
    expect(calendarsOf("0 0 * 4 5L")).toMatchObject([{ dayOfMonth: span(24, 30), month: [4], dayOfWeek: [5] }]);
    expect(calendarsOf("0 0 * * MON#2")).toMatchObject([{ dayOfMonth: span(8, 14), dayOfWeek: [1] }]);
  });

  test.each([
    ["", "five fields"],
    ["* * * *", "five fields"],
    ["* * * * * * *", "five fields"],
    ["60 * * * *", "minute 60"],
    ["* 24 * * *", "hour 24"],
    ["* * 0 * *", "day of month 0"],
    ["* * 32 * *", "day of month 32"],
    ["* * * 13 *", "month 13"],
    ["* * * * 8", "day of week 8"],
    ["*/0 * * * *", "a step is"],
    ["1-2-3 * * * *", "not understood"],
    ["20-10 * * * *", "runs backwards"],
    ["* * * * FRI-MON", "runs backwards"],
    ["1,,2 * * * *", "(empty)"],
    ["* * 15W * *", "W, L-3 and H are not"],
    ["* * L-3 * *", "W, L-3 and H are not"],
    ["H * * * *", "W, L-3 and H are not"],
    ["* * * * MON#6", "not understood"],
    ["? * * * *", "minute ?"],
    ["@reboot", "@reboot is not known"],
    ["0 0 31 2 *", "never comes"],
    ["0 0 30 FEB *", "never comes"],
    ["0 0 31 4,6,9,11 *", "never comes"],
    [`${"1,".repeat(200)}2 * * * *`, "more than 200 characters"],
  ])("C3: When %j is written, then it is refused with why", (text, why) => {
    expect(problemsOf(text)).toContain(why);
  });

  test("C3: When several fields are wrong, then all are told", () => {
    expect(problemsOf("61 25 * 13 *").split("; ")).toHaveLength(3);
    expect(problemsOf("61 25 * 13 *")).toMatch(/minute 61.*hour 25.*month 13/);
  });

  test.each([
    ["* * * * * *", 1],
    ["*/7 * * * * *", 4],
    ["* * * * *", 60],
    ["*/25 * * * *", 600],
    ["0 9 * * *", 86_400],
    ["59,0 9 * * *", 3_540],
    ["0 0,23 * * *", 3_600],
  ])("C3: When the moments of %j come closest together, then %d s lie between", (text, gap) => {
    expect(shortestGapSeconds(calendarsOf(text))).toBe(gap);
  });
});
