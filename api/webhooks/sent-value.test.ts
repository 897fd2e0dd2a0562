import { describe, expect, test } from "vitest";
import { eventTypeOf, fieldsOf, headersOf, readSent } from "./sent-value.ts";

const read = (text: string | Buffer, type?: string) => readSent(Buffer.from(text), type);

describe("what a call carries", () => {
  test.each([
    ["application/json", '{"a":[1]}', { a: [1] }],
    ["application/cloudevents+json; charset=utf-8", "[1]", [1]],
    ["application/x-www-form-urlencoded", "a=1&b=2&b=%C3%A9", { a: "1", b: ["2", "é"] }],
    ["text/plain", "hello", "hello"],
    ["application/atom+xml", "<a/>", "<a/>"],
    [undefined, ' {"a":1}', { a: 1 }],
    [undefined, "{not json", "{not json"],
    ["application/json", "", {}],
  ])("C2: When %s %s is read, then it is %j", async (type, text, body) => {
    expect(await read(text, type)).toEqual({ body, files: [] });
  });

  test("C2: When it is no text, or text that cannot be stored, then it is bytes", async () => {
    const bytes = Buffer.from([0xff, 0xfe]);
    expect((await read(bytes, "text/plain")).body).toEqual({ content_type: "text/plain", size: 2, base64: "//4=" });
    expect((await read("a\0b", "text/plain")).body).toMatchObject({ size: 3 });
    expect((await read(bytes)).body).toMatchObject({ content_type: "application/octet-stream" });
  });

  test.each([
    ["application/json", "{no", "request.malformed"],
    ["application/json", `${"[".repeat(200)}${"]".repeat(200)}`, "request.malformed"],
    ["application/json", '{"a":"\\u0000"}', "validation.failed"],
    ["multipart/form-data; boundary=x", "no parts", "request.malformed"],
    ["multipart/form-data", "--x\r\n\r\n--x--", "request.malformed"],
  ])("C2: When %s is not what it says (%s), then it is %s", async (type, text, code) => {
    await expect(read(text, type)).rejects.toMatchObject({ code });
  });

  test("C1: When headers are handed on, then those that prove who calls are left out", () => {
    const headers = new Headers({
      Authorization: "Bearer t",
      Cookie: "a=b",
      "X-Api-Key": "k",
      "X-Webhook-Token": "t",
      "X-Hub-Signature-256": "s",
      "X-Order": "7",
    });
    expect(headersOf(headers)).toEqual({ "x-order": "7" });
  });

  test("C1: When the sender names the event's type, then it is found where senders write it", () => {
    expect(eventTypeOf(new Headers({ "x-github-event": "push" }), { type: "other" })).toBe("push");
    expect(eventTypeOf(new Headers(), { event_type: "api.request" })).toBe("api.request");
    expect(eventTypeOf(new Headers(), { type: "charge.succeeded" })).toBe("charge.succeeded");
    expect(eventTypeOf(new Headers(), { type: "event_callback", event: { type: "app_mention" } })).toBe("app_mention");
    expect(eventTypeOf(new Headers(), "text")).toBe("webhook.received");
  });

  test("C2: When a field is called like something of every object, then it is a field", () => {
    expect(Object.keys(fieldsOf(new URLSearchParams("__proto__=1&constructor=2")))).toEqual(["__proto__", "constructor"]);
  });
});
