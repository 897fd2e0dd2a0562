/** One POST with a JSON answer, as our HttpRequest node does. */
export async function call(url: string): Promise<unknown> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
  return { status: response.status, body: await response.json() };
}
