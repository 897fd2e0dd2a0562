import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { verifySignature } from "./signatures.ts";

const call = (headers: Record<string, string>, body: string) => ({ header: (name: string) => headers[name], body: Buffer.from(body) });

/** As the vendors publish them. */
const GITHUB = { secret: "It's a Secret to Everybody", body: "Hello, World!", signature: "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" };
const SLACK = {
  secret: "8f742231b10e8888abcd99yyyzzz85a5",
  timestamp: 1531420618,
  body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
  signature: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
};
const STANDARD = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1614265330,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

describe("signatures", () => {
  test("C1: When GitHub's published example is checked, then it is right, with its secret and its body only", () => {
    const headers = { "x-hub-signature-256": `sha256=${GITHUB.signature}` };
    expect(verifySignature("github", call(headers, GITHUB.body), [GITHUB.secret], 300)).toEqual({ deliveryId: GITHUB.signature });
    expect(verifySignature("github", call(headers, "Hello, World?"), [GITHUB.secret], 300)).toBeUndefined();
    expect(verifySignature("github", call(headers, GITHUB.body), ["another"], 300)).toBeUndefined();
    expect(verifySignature("github", call({}, GITHUB.body), [GITHUB.secret], 300)).toBeUndefined();
    expect(verifySignature("github", call(headers, GITHUB.body), ["new", GITHUB.secret], 300), "while a rotation overlaps").toBeDefined();
  });

  test("C1: When Slack's published example is checked, then it is right in its time only, and may be taken once", () => {
    const { secret, timestamp, body, signature } = SLACK;
    const at = (seconds: number) =>
      verifySignature("slack", call({ "x-slack-signature": signature, "x-slack-request-timestamp": String(timestamp) }, body), [secret], 300, seconds * 1000);
    expect(at(timestamp)?.once?.until).toEqual(new Date((timestamp + 301) * 1000));
    expect(at(timestamp + 300)?.once?.hash).toBe(at(timestamp)?.once?.hash);
    expect([at(timestamp + 301), at(timestamp - 301)]).toEqual([undefined, undefined]);
    const later = { "x-slack-signature": signature, "x-slack-request-timestamp": String(timestamp + 1) };
    expect(verifySignature("slack", call(later, body), [secret], 300, timestamp * 1000), "the time is signed").toBeUndefined();
  });

  test("C1: When the published example of Standard Webhooks is checked, then its id names the delivery", () => {
    const { secret, id, timestamp, body, signature } = STANDARD;
    const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": `v1,AAAA ${signature}` };
    expect(verifySignature("standard", call(headers, body), [secret], 300, timestamp * 1000)).toEqual({ deliveryId: id });
    expect(verifySignature("standard", call({ ...headers, "webhook-id": "another" }, body), [secret], 300, timestamp * 1000)).toBeUndefined();
  });

  test.each(["=correct-horse-battery", "key=MfKQ9r8GKYqrTwjU", "!!!!!!!!!!!!", "пароль-пароль"])(
    "C1 F4: When the secret of Standard Webhooks is %s, which is no base64, then it is the key as it stands, and nobody else's signature is right",
    (secret) => {
      const timestamp = 1_700_000_000;
      const signedWith = (key: string | Buffer) => {
        const signature = createHmac("sha256", key).update(`id.${timestamp}.{}`).digest("base64");
        const headers = { "webhook-id": "id", "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${signature}` };
        return verifySignature("standard", call(headers, "{}"), [secret], 300, timestamp * 1000);
      };
      expect(signedWith("")).toBeUndefined();
      expect(signedWith(Buffer.from(secret, "base64"))).toBeUndefined();
      expect(signedWith(secret)).toEqual({ deliveryId: "id" });
    },
  );

  test("C1: When Stripe signs as it documents, then any of its v1 signatures is taken, v0 is not, and the event names the delivery", () => {
    const timestamp = 1492774577;
    const body = '{"id":"evt_1","type":"charge.succeeded"}';
    const right = createHmac("sha256", "whsec_test").update(`${timestamp}.${body}`).digest("hex");
    const at = (header: string, text = body) => verifySignature("stripe", call({ "stripe-signature": header }, text), ["whsec_test"], 300, timestamp * 1000);
    expect(at(`t=${timestamp},v1=${"0".repeat(64)},v1=${right},v0=abc`)).toEqual({ deliveryId: "evt_1" });
    expect(at(`t=${timestamp},v0=${right}`)).toBeUndefined();
    expect(at(`t=${timestamp + 1},v1=${right}`)).toBeUndefined();
    expect(at(`v1=${right}`)).toBeUndefined();
    expect(at(`t=${timestamp},v1=${right}`, '{"id":"evt_2"}')).toBeUndefined();
  });

  test("C1: When what may be taken once is written with more signatures beside it, then it is still the same", () => {
    const timestamp = 1_700_000_000;
    const body = "not json";
    const right = createHmac("sha256", "s").update(`${timestamp}.${body}`).digest("hex");
    const at = (header: string) => verifySignature("stripe", call({ "stripe-signature": header }, body), ["s"], 300, timestamp * 1000)?.once?.hash;
    expect(at(`t=${timestamp},v1=${right}`)).toBeDefined();
    expect(at(`t=${timestamp},v1=${right},v1=junk`)).toBe(at(`t=${timestamp},v1=${right}`));
  });

  test("C1: When the time of a signature is no number, then it is wrong", () => {
    const signature = createHmac("sha256", "s").update("soon.x").digest("hex");
    expect(verifySignature("hmac", call({ "x-webhook-timestamp": "soon", "x-webhook-signature": signature }, "x"), ["s"], 300)).toBeUndefined();
  });
});
