/** What nodes and graphs can be told, as the compiler of graphs reads it; docs/graph.md says what each means. */
export type { GraphSettingsInput as GraphSettings, NodeSettingsInput as NodeSettings } from "#graph";
