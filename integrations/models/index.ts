/** Chat models behind one interface. A paid call is made once: retries are the run's own, durable and counted. */
import type { ChatRequest, ChatResult, ModelService } from "#nodes";
import type { GuardedFetch } from "../http/index.ts";
import { mockChat } from "./mock.ts";
import { openAiChat, type Endpoint } from "./openai.ts";

export interface ModelOptions {
  guardedFetch: GuardedFetch;
  /** The operator's key. It is sent to the operator's base URL and nowhere else. */
  openaiApiKey?: string | undefined;
  /** The operator's base URL, trusted wherever it is. @default https://api.openai.com/v1 */
  openaiBaseUrl?: string | undefined;
  /** Whether a tenant may spend the operator's key and use the operator's server without one of its own. */
  mayUseOperators(tenantId: string): boolean;
}

const OPENAI = "https://api.openai.com/v1";

export function createModels(options: ModelOptions): ModelService {
  const operatorUrl = options.openaiBaseUrl ?? OPENAI;

  /** Undefined where there is nobody to ask: no key that the tenant may use, and no server of the operator's or the node's own that may do without. */
  function endpoint(request: ChatRequest): Endpoint | undefined {
    if (request.baseUrl !== undefined) {
      return { baseUrl: request.baseUrl, apiKey: request.apiKey, send: options.guardedFetch(request.tenantId) };
    }
    if (request.apiKey === undefined && !options.mayUseOperators(request.tenantId)) return undefined;
    const apiKey = request.apiKey ?? options.openaiApiKey;
    if (apiKey === undefined && options.openaiBaseUrl === undefined) return undefined;
    const trustedOrigin = URL.parse(operatorUrl)?.origin;
    return { baseUrl: operatorUrl, apiKey, send: options.guardedFetch(request.tenantId, options.openaiBaseUrl && trustedOrigin ? { trustedOrigin } : {}) };
  }

  return {
    chat: (request: ChatRequest, onToken: (text: string) => void, signal: AbortSignal): Promise<ChatResult> => {
      const found = endpoint(request);
      return found ? openAiChat(found, request, onToken, signal) : mockChat(request, onToken, signal);
    },
  };
}
