import { ConnectionError } from "./errors.ts";

/** The lines of an answer as they come, without those that are empty. @throws ConnectionError where it breaks off; the signal's reason when it is aborted. */
export async function* linesOf(response: Response, signal?: AbortSignal): AsyncGenerator<string, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = done ? "" : (lines.pop() ?? "");
      for (const line of lines) if (line.trim() !== "") yield line;
      if (done) return;
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw new ConnectionError("The answer broke off.", { cause: error });
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}
