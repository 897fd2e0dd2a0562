import type { Caller } from "../client.ts";
import type { CallOptions } from "../transport.ts";
import type { BodyOf, Input, QueryOf } from "../types.ts";

/** `ifMatch`: the `ETag` last read; the answer is 412 where somebody was faster. */
type ChangeOptions = CallOptions & { ifMatch?: string };

export type NodeTypesResource = ReturnType<typeof nodeTypesOf>;
export type VariablesResource = ReturnType<typeof variablesOf>;
export type CredentialsResource = ReturnType<typeof credentialsOf>;
export type HttpRequestsResource = ReturnType<typeof httpRequestsOf>;

const matching = (ifMatch: string | undefined) => (ifMatch === undefined ? {} : { headers: { "if-match": ifMatch } });

/** What graphs are made of: the types of this installation, and those that the organization has registered. */
export function nodeTypesOf({ call, list }: Caller) {
  const byType = (type: string) => ({ params: { type } });
  return {
    list: (query: QueryOf<"listNodes"> = {}, options?: CallOptions) => call("listNodes", { query }, options),
    get: (type: string, options?: CallOptions) => call("getNode", byType(type), options),
    categories: (options?: CallOptions) => call("listNodeCategories", {}, options),
    register: (type: BodyOf<"registerNode">, options?: CallOptions) => call("registerNode", { body: type }, options),
    /** Makes a version. What was saved before keeps the one it was saved with. */
    replace: (type: string, body: BodyOf<"replaceNode">, { ifMatch, ...options }: ChangeOptions = {}) =>
      call("replaceNode", { ...byType(type), ...matching(ifMatch), body }, options),
    delete: (type: string, { ifMatch, ...options }: ChangeOptions = {}) => call("deleteNode", { ...byType(type), ...matching(ifMatch) }, options),
    versions: (type: string, query: QueryOf<"listNodeVersions"> = {}, options?: CallOptions) => list("listNodeVersions", { ...byType(type), query }, options),
  };
}

/** Values that graphs read by name: of the organization, and under `of` of one workflow, which come first there. */
export function variablesOf({ call, list }: Caller) {
  type Value = Omit<BodyOf<"replaceVariable">, "name">;
  return {
    list: (query: QueryOf<"listVariables"> = {}, options?: CallOptions) => list("listVariables", { query }, options),
    get: (name: string, options?: CallOptions) => call("getVariable", { params: { name } }, options),
    create: (variable: BodyOf<"createVariable">, options?: CallOptions) => call("createVariable", { body: variable }, options),
    replace: (name: string, body: Value, { ifMatch, ...options }: ChangeOptions = {}) =>
      call("replaceVariable", { params: { name }, ...matching(ifMatch), body }, options),
    delete: (name: string, { ifMatch, ...options }: ChangeOptions = {}) => call("deleteVariable", { params: { name }, ...matching(ifMatch) }, options),
    of: (id: string) => ({
      list: (query: QueryOf<"listWorkflowVariables"> = {}, options?: CallOptions) => list("listWorkflowVariables", { params: { id }, query }, options),
      get: (name: string, options?: CallOptions) => call("getWorkflowVariable", { params: { id, name } }, options),
      create: (variable: BodyOf<"createWorkflowVariable">, options?: CallOptions) =>
        call("createWorkflowVariable", { params: { id }, body: variable }, options),
      replace: (name: string, body: Value, { ifMatch, ...options }: ChangeOptions = {}) =>
        call("replaceWorkflowVariable", { params: { id, name }, ...matching(ifMatch), body }, options),
      delete: (name: string, { ifMatch, ...options }: ChangeOptions = {}) =>
        call("deleteWorkflowVariable", { params: { id, name }, ...matching(ifMatch) }, options),
    }),
  };
}

/** What nodes prove themselves with; never shown again. */
export function credentialsOf({ call, list }: Caller) {
  const byId = (id: string) => ({ params: { id } });
  return {
    types: (options?: CallOptions) => call("listCredentialTypes", {}, options),
    list: (query: QueryOf<"listCredentials"> = {}, options?: CallOptions) => list("listCredentials", { query }, options),
    get: (id: string, options?: CallOptions) => call("getCredential", byId(id), options),
    create: (credential: BodyOf<"createCredential">, options?: CallOptions) => call("createCredential", { body: credential }, options),
    /** Sets the fields that are in `data`; null takes one away. */
    update: (id: string, change: BodyOf<"updateCredential">, { ifMatch, ...options }: ChangeOptions = {}) =>
      call("updateCredential", { ...byId(id), ...matching(ifMatch), body: change }, options),
    /** 409 with the workflows that use it, unless `force`. */
    delete: (id: string, { force, ifMatch, ...options }: ChangeOptions & { force?: boolean } = {}) =>
      call("deleteCredential", { ...byId(id), ...matching(ifMatch), ...(force !== undefined && { query: { force } }) } as Input<"deleteCredential">, options),
    /** Asks the provider. `url`: where its type names none. */
    test: (id: string, url?: string, options?: CallOptions) => call("testCredential", { ...byId(id), body: url === undefined ? {} : { url } }, options),
    usage: (id: string, options?: CallOptions) => call("getCredentialUsage", byId(id), options),
  };
}

/** Requests as nodes send them. */
export function httpRequestsOf({ call, list }: Caller) {
  return {
    /** Sends one, of which nothing is stored. One that fails is an answer, not an error: see `error`. */
    test: (request: BodyOf<"testHttpRequest">, options?: CallOptions) => call("testHttpRequest", { body: request }, options),
    /** What nodes have sent, the newest first. */
    logs: (query: QueryOf<"listHttpRequests"> = {}, options?: CallOptions) => list("listHttpRequests", { query }, options),
  };
}
